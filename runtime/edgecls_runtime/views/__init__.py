"""Where to look in a frame: places are cut out, prepared as one batch, and judged together."""
