"""Cameras on a network: where they are, how they are asked, and what comes over the wire.

``stream_camera`` turns a stream of either kind (``ffmpeg_stream``, ``http_stream``) into a camera.
"""
