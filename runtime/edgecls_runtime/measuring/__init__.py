"""What a bundle costs on this device: measure, choose, remember.

candidates --> trial (a process each) --> choosing --> tuned (kept for this device and bundle)
"""
