"""Pillow's resize, to the byte, and the rungs of the ladder."""
