"""An RTSP camera on a free port of 127.0.0.1: H.264 of a GStreamer test pattern.

    /usr/bin/python3 rtsp_server.py red        prints its port, then serves until it is killed
    /usr/bin/python3 rtsp_server.py --check    exits 0 when it could serve

Run by the system's Python, which has the GStreamer bindings.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - versions are chosen above

ENCODED = (
    "videoconvert ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=5 threads=1 "
    "! video/x-h264,profile=baseline ! rtph264pay name=pay0 pt=96 config-interval=1"
)
NEEDED = ("videotestsrc", "videoconvert", "x264enc", "rtph264pay", "rtpbin")


def main(argument: str) -> int:
    """Serve a pattern, or check that it could be done."""
    Gst.init(None)
    if argument == "--check":
        return not all(Gst.ElementFactory.find(name) for name in NEEDED)
    source = f"videotestsrc is-live=true pattern={argument} ! video/x-raw,width=160,height=120"
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(f"( {source},framerate=30/1 ! {ENCODED} )")
    factory.set_shared(True)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    server.get_mount_points().add_factory("/camera", factory)
    server.attach(None)
    sys.stdout.write(f"{server.get_bound_port()}\n")
    sys.stdout.flush()
    GLib.MainLoop().run()
    return 0


sys.exit(main(sys.argv[1]))
