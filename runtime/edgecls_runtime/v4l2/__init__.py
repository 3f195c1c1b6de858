"""Video4Linux: the kernel's own interface to cameras, without a library between.

OpenCV's reader of the same devices takes what is nearest to what was asked, does not say why it
failed, and keeps the frame's sequence number, by which lost frames are noticed, to itself.
"""
