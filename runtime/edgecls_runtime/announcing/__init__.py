"""Parts that were announced: queued, written down, told to several cameras."""
