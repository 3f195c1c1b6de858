"""A webcam or any other V4L2 device, through OpenCV."""

import cv2

from edgecls_runtime.opencv_camera import OpenCVCamera, opened

EXCLUSIVE = "device"


def open(
    *, device: str = "0", width_px: int = 0, height_px: int = 0, rate_hz: float = 0.0
) -> OpenCVCamera:
    """Open a V4L2 device.

    Args:
        device: Index (``0``) or path (``/dev/video0``, or a stable ``/dev/v4l/by-id/...``).
        width_px: Wanted width; 0 keeps the device's own. A device takes the nearest it has.
        height_px: Wanted height; 0 keeps the device's own.
        rate_hz: Wanted frames a second; 0 keeps the device's own.

    Raises:
        CameraError: No such device, or it is in use.

    """
    wanted = {
        cv2.CAP_PROP_FRAME_WIDTH: width_px,
        cv2.CAP_PROP_FRAME_HEIGHT: height_px,
        cv2.CAP_PROP_FPS: rate_hz,
    }
    is_index = device.isdecimal() and len(device) < 10  # more digits than any index can have
    capture = cv2.VideoCapture(int(device) if is_index else device, cv2.CAP_V4L2)
    for key, value in wanted.items():
        if value:
            capture.set(key, value)
    advice = "is it plugged in, free, and are you in group video? try: v4l2-ctl --list-devices"
    return opened(capture, f"usb camera {device}", advice, live=True)
