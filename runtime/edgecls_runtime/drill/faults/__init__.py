"""The faults of a drill, one file for each kind; ``table`` has them in their order."""
