"""An RTSP camera: what GStreamer's RTSP server makes of a test pattern or of the time of day.

    /usr/bin/python3 rtsp_server.py --pattern red    prints its port, then serves until it is killed
    /usr/bin/python3 rtsp_server.py --check          exits 0 when it could serve

Run by the system's Python, which has the GStreamer bindings.
"""

import argparse
import sys
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402 - versions chosen above

ENCODED = {
    "h264": "videoconvert ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max={keys} "
    "threads=1 ! video/x-h264,profile=baseline ! rtph264pay name=pay0 pt=96 config-interval=1",
    "mjpeg": "videoconvert ! video/x-raw,format=I420 ! jpegenc quality=85 "
    "! rtpjpegpay name=pay0 pt=26",
}
NEEDED = (
    "videotestsrc",
    "videoconvert",
    "videoscale",
    "x264enc",
    "rtph264pay",
    "jpegenc",
    "rtpbin",
)
# The time of day, ms, as 40 bits in black and white along the upper edge: at least 640 px wide.
BITS, BLOCK = 40, 16


class Factory(GstRtspServer.RTSPMediaFactory):  # type: ignore[misc]
    """Makes the pipeline that all viewers share."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Keep what was asked for."""
        super().__init__()
        self.set_shared(True)
        self.options = options

    def do_create_element(self, _: object) -> Gst.Element:
        """Build the pipeline."""
        o = self.options
        rate = f"framerate={o.rate}/1"
        size = f"width={o.width},height={o.height}"
        source = (
            f"videotestsrc is-live=true pattern={o.pattern} ! videoscale ! capsfilter name=size"
        )
        source += f" caps=video/x-raw,{size},{rate}"
        if o.stamped:
            caps = f"video/x-raw,format=GRAY8,{size},{rate}"
            source = f"appsrc name=stamps is-live=true format=time do-timestamp=true caps={caps}"
        return Gst.parse_launch(f"( {source} ! {ENCODED[o.codec].format(keys=o.keys)} )")

    def do_configure(self, media: GstRtspServer.RTSPMedia) -> None:
        """Begin what happens while it runs."""
        playing = [True]
        media.connect("unprepared", lambda _: playing.__setitem__(0, False))
        element, o = media.get_element(), self.options
        if o.stamped:
            stamps = element.get_by_name("stamps")
            GLib.timeout_add(1000 // o.rate, lambda: playing[0] and self.push(stamps))
        if o.grows_after_ms:
            size = element.get_by_name("size")
            caps = f"video/x-raw,width={2 * o.width},height={2 * o.height},framerate={o.rate}/1"
            grow = Gst.Caps.from_string(caps)
            GLib.timeout_add(o.grows_after_ms, lambda: size.set_property("caps", grow))

    def push(self, stamps: Gst.Element) -> bool:
        """Show the time."""
        width, height = self.options.width, self.options.height
        now = int(time.time() * 1000)
        row = b"".join((b"\xff" if now >> bit & 1 else b"\x00") * BLOCK for bit in range(BITS))
        row += bytes([90]) * (width - len(row))
        image = row * BLOCK + bytes([90]) * (width * (height - BLOCK))
        return bool(stamps.emit("push-buffer", Gst.Buffer.new_wrapped(image)) == Gst.FlowReturn.OK)


def lock(server: GstRtspServer.RTSPServer, factory: Factory, login: str, scheme: str) -> None:
    """Ask for a user and a password."""
    user, _, password = login.partition(":")
    auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    if scheme == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    allowed = GstRtspServer.RTSPPermissions()
    for right in ("media.factory.access", "media.factory.construct"):
        allowed.add_permission_for_role("viewer", right, True)
    factory.set_permissions(allowed)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", default="0")
    parser.add_argument("--pattern", default="red")
    parser.add_argument("--codec", choices=ENCODED, default="h264")
    parser.add_argument("--width", type=int, default=160)
    parser.add_argument("--height", type=int, default=120)
    parser.add_argument("--rate", type=int, default=30, help="frames a second")
    parser.add_argument("--keys", type=int, default=5, help="frames from key frame to key frame")
    parser.add_argument("--stamped", action="store_true", help="show the time of day")
    parser.add_argument("--grows-after-ms", type=int, default=0, help="then twice the size")
    parser.add_argument("--login", default="", help="user:password")
    parser.add_argument("--scheme", choices=("basic", "digest"), default="digest")
    return parser.parse_args()


def main() -> int:
    """Serve, or check that it could be done."""
    options = arguments()
    Gst.init(None)
    if options.check:
        return not all(Gst.ElementFactory.find(name) for name in NEEDED)
    factory = Factory(options)
    server = GstRtspServer.RTSPServer()
    server.set_address(options.address)
    server.set_service(options.port)
    if options.login:
        lock(server, factory, options.login, options.scheme)
    server.get_mount_points().add_factory("/camera", factory)
    server.attach(None)
    sys.stdout.write(f"{server.get_bound_port()}\n")
    sys.stdout.flush()
    GLib.MainLoop().run()
    return 0


sys.exit(main())
