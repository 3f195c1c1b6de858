"""What ``scripts/check_v4l2.py`` runs in its virtual machine: cameras against the kernel's own.

Each check is a sentence and gets a line on stdout, ``ok`` or ``FAILED``. Kernel modules of the
machine: vivid (a camera whose driver injects faults), vhci-hcd with uvcvideo (a USB webcam in
software), udmabuf (libcamera's virtual camera).
"""

import faulthandler
import itertools
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import cv2
import numpy as np

from edgecls.errors import CameraError, CameraTimeout, Fault, FrameMissed, ImageError
from edgecls_runtime import cameras
from edgecls_runtime.cameras import libcamera, usb
from edgecls_runtime.capture.coded import Coded, Coding
from edgecls_runtime.capture.isolated import IsolatedCamera
from edgecls_runtime.capture.live import Keep, LiveCamera
from edgecls_runtime.capture.settings import CaptureSettings
from edgecls_runtime.protocols import Camera
from edgecls_runtime.v4l2.stream import V4L2Camera
from uvc_device import AE_MODE, EXPOSURE, Webcam

WAIT_S = 30.0
HUNG_S = 120.0  # no check takes as long; where it stands is told, and the machine ends
VIVID = "/dev/v4l/by-path/platform-vivid.0-video-index0"
WEBCAM = "/dev/v4l/by-id/usb-edgecls_Test_Camera_0042-video-index0"
RED, NO_TEXT, START_OF_EXPOSURE = 7, 2, 1
LOOKS = {"test_pattern": RED, "osd_text_mode": NO_TEXT, "timestamp_source": START_OF_EXPOSURE}
BARS, FULL = 1, 1
NOBODY = 65534
COLOURED = ("YUYV", "UYVY", "NV12", "RGB3", "BGR3", "RGGB", "GRBG", "GBRG", "BA81")
STRAIGHT = CaptureSettings(isolated=False)


def red(height: int, width: int) -> bytes:
    """Return the JPEG of a red card."""
    image = np.full((height, width, 3), (0, 0, 255), np.uint8)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def vivid(**settings: object) -> V4L2Camera:
    """Open vivid, small and quick, showing red."""
    table = {"device": VIVID, "width_px": 320, "height_px": 180, "rate_hz": 10.0, "format": "YUYV"}
    return usb.open(**{**table, "controls": LOOKS, **settings})  # type: ignore[arg-type]


def inject(*controls: str) -> None:
    """Set controls of vivid from another process."""
    wanted = ",".join(controls)
    subprocess.run(["v4l2-ctl", "-d", VIVID, "-c", wanted], check=True, stdout=sys.stderr)


@contextmanager
def refused(fault: Fault, text: str) -> Iterator[None]:
    """Expect a camera error of one fault, whose one line matches."""
    caught = None
    try:
        yield
    except CameraError as error:
        caught = error
    assert caught is not None, f"nothing refused; expected {text}"
    assert caught.fault is fault, f"{caught.fault}: {caught}"
    assert re.search(text, str(caught)), f"{caught} does not match {text}"
    assert "\n" not in str(caught), caught
    tell(f"       {caught}")


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def read_on(camera: Camera, seconds: float = WAIT_S) -> None:
    """Read until it fails."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        camera.read(1.0)


def patiently(camera: LiveCamera) -> float:
    """Read until a frame comes; return the seconds that took."""
    began = time.monotonic()
    while time.monotonic() < began + WAIT_S:
        try:
            camera.read(1.0)
        except CameraError:
            continue
        return time.monotonic() - began
    raise AssertionError(f"no frame within {WAIT_S:g} s")


def is_red(image: np.ndarray, most: float = 12) -> None:
    """Expect red."""
    mean = image.mean((0, 1))
    assert np.abs(mean - (255, 0, 0)).max() < most, mean


def specified(camera: Camera, name: str, size: tuple[int, int]) -> None:
    """Expect what every camera keeps (tests/runtime/test_cameras.py)."""
    before = time.monotonic()
    frames = [camera.read(WAIT_S) for _ in range(4)]
    assert camera.live
    for frame in frames:
        assert frame.image.dtype == np.uint8
        assert frame.image.shape == (*size, 3), frame.image.shape
        assert frame.image.flags.c_contiguous
        assert frame.camera == name, frame.camera
    numbers = [frame.number for frame in frames]
    assert numbers == sorted(set(numbers)), numbers
    assert numbers[0] >= 0
    times = [frame.captured_at for frame in frames]
    assert all(a < b for a, b in itertools.pairwise(times)), times
    assert before - 1 < times[-1] <= time.monotonic()
    camera.close()
    camera.close()


# vivid


def vivid_keeps_the_specification() -> None:
    specified(vivid(), f"usb camera {VIVID}", (180, 320))


def red_is_red_in_every_format() -> None:
    for format_ in COLOURED:
        with closing(vivid(format=format_)) as camera:
            is_red(camera.read(WAIT_S).image)


def brightness_that_goes_from_0_to_255_is_not_stretched() -> None:
    inject(f"quantization={FULL}")
    try:
        for format_ in ("YUYV", "UYVY"):
            with closing(vivid(format=format_, controls={**LOOKS, "test_pattern": BARS})) as camera:
                taken = camera.take(WAIT_S)
                assert isinstance(taken.decode, Coded)
                assert taken.decode.coding in (Coding.YUV_YUYV, Coding.YUV_UYVY)
                lightest, darkest = taken.decode().max(), taken.decode().min()
            assert lightest > 250, lightest
            assert darkest < 5, darkest
    finally:
        inject("quantization=0")


def a_size_whose_rows_are_filled_up_is_cut_to_size() -> None:
    with closing(vivid(width_px=640, height_px=360, format="GREY")) as camera:
        assert camera.read(WAIT_S).image.shape == (360, 640, 3)


def frames_carry_the_driver_s_own_time_however_late_they_are_read() -> None:
    with closing(vivid(rate_hz=5.0)) as camera:
        camera.take(WAIT_S)
        time.sleep(1)
        frames = [camera.take(WAIT_S) for _ in range(4)]
        read_at = time.monotonic()
    times = [frame.captured_at for frame in frames]
    assert np.diff(times).min() > 0.1, times
    assert 0.4 < read_at - times[0] < 1.5, (read_at, times)


def what_is_not_offered_is_refused_with_what_is() -> None:
    with refused(Fault.FORMAT, r"no 800x601 in YUYV; it offers 320x180, 640x360, .* in YUYV$"):
        vivid(width_px=800, height_px=601)
    with refused(Fault.FORMAT, r"no MJPG; it offers YUYV, "):
        vivid(format="MJPG")
    with refused(Fault.FORMAT, r"no 17 Hz; it offers .*, 15, 12.5, 10, .* Hz at 320x180 in YUYV$"):
        vivid(rate_hz=17.0)
    with refused(Fault.FORMAT, r"its exposure cannot be set; leave out exposure_ms$"):
        vivid(exposure_ms=4.0)
    with refused(Fault.FORMAT, r"no control 'brigthness'; it has brightness, contrast, "):
        vivid(controls={"brigthness": 3})
    with refused(Fault.FORMAT, r"control brightness: 256; it takes 0 to 255$"):
        vivid(controls={"brightness": 256})


def what_is_no_camera_is_refused_with_what_is_one() -> None:
    here = re.escape(f"here are: vivid-000-vid-cap ({VIVID})")
    with refused(Fault.MISSING, rf"usb camera 97: no such device; {here}"):
        usb.open(device="97")
    with refused(Fault.MISSING, rf"usb camera /dev/null: not a video device; {here}"):
        usb.open(device="/dev/null")
    with refused(Fault.FORMAT, rf"usb camera 1: delivers no images; {here}"):
        usb.open(device="1")


def somebody_who_may_not_open_it_is_told_the_group() -> None:
    os.seteuid(NOBODY)
    try:
        with refused(Fault.REFUSED, r"no permission; run: sudo usermod -aG video \$USER, and log"):
            vivid()
    finally:
        os.seteuid(0)


def a_busy_camera_names_who_has_it() -> None:
    command = ["v4l2-ctl", "-d", VIVID, "--stream-mmap"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as other:
        time.sleep(3)
        with refused(Fault.BUSY, rf"busy: held by v4l2-ctl \(process {other.pid}\); end that, or"):
            vivid()
        other.kill()


def frames_that_the_driver_lost_leave_a_gap_and_are_counted() -> None:
    inject("percentage_of_dropped_buffers=40")
    try:
        settings = CaptureSettings(isolated=False, keep=Keep.EVERY)
        table = {"kind": "usb", "device": VIVID, "width_px": 320, "height_px": 180, "rate_hz": 10.0}
        with closing(cameras.open_table(table, capture=settings)) as camera:
            assert isinstance(camera, LiveCamera)
            seen, told = 0, []
            while seen < 15:
                try:
                    camera.read(WAIT_S)
                    seen += 1
                except FrameMissed as error:
                    told.append(str(error))
            assert told, "no lost frame was noticed"
            assert all(re.search(r"frame \d+ was lost on its way$", one) for one in told), told
    finally:
        inject("percentage_of_dropped_buffers=0")


def a_damaged_buffer_is_passed_over_and_leaves_a_gap() -> None:
    with closing(vivid()) as camera:
        numbers = [camera.read(WAIT_S).number]
        inject("inject_v4l2_buf_flag_error=1")
        numbers += [camera.read(WAIT_S).number for _ in range(12)]
    assert max(np.diff(numbers)) > 1, numbers


def a_silent_driver_times_out_and_counts_as_lost_in_the_end() -> None:
    with closing(vivid(timeout_ms=1500)) as camera:
        camera.read(WAIT_S)
        inject("percentage_of_dropped_buffers=100")
        try:
            with refused(Fault.TIMEOUT, r"no frame within 0.3 s; \d+ frames delivered before$"):
                for _ in range(50):
                    camera.take(0.3)
            with refused(Fault.TIMEOUT, r"silent for [12].\d s; \d+ frames delivered before; is"):
                while True:
                    try:
                        camera.take(0.3)
                    except CameraTimeout:
                        continue
        finally:
            inject("percentage_of_dropped_buffers=0")


def a_stream_that_breaks_is_lost_and_comes_back_by_itself() -> None:
    with closing(vivid()) as camera:
        camera.read(WAIT_S)
        inject("inject_fatal_streaming_error=1")
        with refused(Fault.GONE, r"lost: input/output error; is it plugged in\?$"):
            read_on(camera)
    table = {"kind": "usb", "device": VIVID, "width_px": 320, "height_px": 180}
    with closing(cameras.open_table(table)) as live:
        assert isinstance(live, LiveCamera)
        patiently(live)
        inject("inject_fatal_streaming_error=1")
        while not live.reopened:
            time.sleep(0.01)
        tell(f"       frames again {patiently(live):.1f} s after it was opened again")


def a_driver_that_does_not_start_is_refused_and_starts_the_next_time() -> None:
    for fault in ("streamon", "reqbufs", "qbuf"):
        with closing(vivid()):
            inject(f"inject_vidioc_{fault}_error=1")
        with refused(Fault.FORMAT, r"(streaming|memory for its frames) refused: "):
            vivid()
        with closing(vivid()) as camera:
            camera.read(WAIT_S)


# A USB webcam


def wait_for(path: str) -> None:
    """Wait until udev has made a link."""
    end = time.monotonic() + WAIT_S
    while not Path(path).exists():
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.05)


def a_webcam_keeps_the_specification_and_is_listed_by_its_stable_path() -> None:
    assert f"({WEBCAM})" in str(usb.probed().devices), usb.probed()
    specified(usb.open(device=WEBCAM), f"usb camera {WEBCAM}", (120, 160))


def its_jpegs_arrive_as_they_were_sent() -> None:
    with closing(usb.open(device=WEBCAM, width_px=160, height_px=120)) as camera:
        coded = camera.take(WAIT_S).decode
    assert isinstance(coded, Coded)
    assert coded.coding is Coding.JPEG
    assert coded.data.tobytes() == WEB.jpeg
    is_red(coded())


def what_it_does_not_offer_is_refused() -> None:
    with refused(Fault.FORMAT, r"no 640x480; it offers 160x120, 320x240 in MJPG$"):
        usb.open(device=WEBCAM, width_px=640, height_px=480)
    with refused(Fault.FORMAT, r"no 30 Hz; it offers 10, 5 Hz at 160x120 in MJPG$"):
        usb.open(device=WEBCAM, width_px=160, height_px=120, rate_hz=30.0)
    with refused(Fault.FORMAT, r"no exposure of 700 ms; it offers 0.1 to 500 ms$"):
        usb.open(device=WEBCAM, exposure_ms=700.0)


def its_exposure_is_set_by_hand_and_given_back() -> None:
    usb.open(device=WEBCAM, exposure_ms=4.5).close()
    assert WEB.settings == {AE_MODE: 1, EXPOSURE: 45}, WEB.settings
    usb.open(device=WEBCAM).close()
    assert WEB.settings[AE_MODE] == 8, WEB.settings


def a_damaged_jpeg_is_said_to_be_one() -> None:
    whole = WEB.jpeg
    WEB.jpeg = whole[: len(whole) // 2]
    try:
        with closing(usb.open(device=WEBCAM)) as camera:
            message = ""
            try:
                camera.read(WAIT_S)
            except ImageError as error:
                message = str(error)
            assert re.search(r"frame \d+: not a JPEG, or a damaged one", message), message
    finally:
        WEB.jpeg = whole


def a_second_station_is_told_that_a_station_has_it() -> None:
    with closing(cameras.open_table({"kind": "usb", "device": WEBCAM})) as first:
        first.read(WAIT_S)
        with refused(Fault.BUSY, r"busy: held by a station of edgecls \(process \d+\); end that"):
            cameras.open_table({"kind": "usb", "device": WEBCAM})


def a_webcam_that_freezes_is_opened_again_until_it_speaks() -> None:
    table = {"kind": "usb", "device": WEBCAM, "timeout_ms": 2000}
    with closing(cameras.open_table(table, capture=STRAIGHT)) as camera:
        assert isinstance(camera, LiveCamera)
        camera.read(WAIT_S)
        WEB.frozen = True
        with refused(Fault.TIMEOUT, r"no frame within 3 s; \d+ delivered before"):
            while True:
                camera.read(3.0)
        WEB.frozen = False
        tell(f"       frames again after {patiently(camera):.1f} s")


def unplugged_it_is_gone_and_plugged_in_elsewhere_it_comes_back_by_its_stable_path() -> None:
    node = Path(WEBCAM).resolve()
    with closing(usb.open(device=WEBCAM)) as camera:
        camera.read(WAIT_S)
        WEB.unplug()
        with refused(Fault.GONE, r"lost: no such device; is it plugged in\?$"):
            read_on(camera)
        WEB.plug()  # while its old number is still taken
        wait_for(WEBCAM)
    assert Path(WEBCAM).resolve() != node, node
    with closing(cameras.open_table({"kind": "usb", "device": WEBCAM})) as live:
        assert isinstance(live, LiveCamera)
        patiently(live)
        WEB.unplug()
        with refused(
            Fault.TIMEOUT, r"; usb camera .*: (lost: no such device|no such device; here)"
        ):
            for _ in range(20):
                live.read(1.0)
        WEB.plug()
        wait_for(WEBCAM)
        tell(f"       frames again {patiently(live):.1f} s after it was plugged in")


def an_unplugged_driver_is_gone() -> None:
    with closing(vivid()) as camera:
        camera.read(WAIT_S)
        inject("disconnect=1")
        with refused(Fault.GONE, r"lost: no such device; is it plugged in\?$"):
            read_on(camera)


# libcamera


def the_virtual_camera_keeps_the_specification() -> None:
    specified(libcamera.open(), "libcamera camera 0", (480, 640))


def its_bars_have_their_colours() -> None:
    expected = ("white", "yellow", "cyan", "green", "magenta", "red", "blue", "black")
    values = {"white": 0xFFFFFF, "yellow": 0xFFFF00, "cyan": 0x00FFFF, "green": 0x00FF00}
    values |= {"magenta": 0xFF00FF, "red": 0xFF0000, "blue": 0x0000FF, "black": 0}
    with closing(libcamera.open(camera="Virtual0")) as camera:
        image = camera.read(WAIT_S).image
    for bar, name in enumerate(expected):
        wanted = np.array(list(values[name].to_bytes(3, "big")))
        found = image[100:380, bar * 80 + 20 : bar * 80 + 60].mean((0, 1))
        assert np.abs(found - wanted).max() < 6, (name, found)


def what_it_does_not_offer_is_refused_there_too() -> None:
    with refused(Fault.FORMAT, r"no 333x222; nearest is 640x480 in NV12; it offers 640x480$"):
        libcamera.open(width_px=333, height_px=222)
    with refused(Fault.FORMAT, r"no rate_hz of 10; it offers 30 to 30$"):
        libcamera.open(rate_hz=10.0)
    with refused(Fault.FORMAT, r"its exposure_ms cannot be set; leave it out$"):
        libcamera.open(exposure_ms=3.0)
    with refused(Fault.MISSING, r"libcamera camera 9: no such camera; here are: Virtual0$"):
        libcamera.open(camera="9")
    libcamera.open(rate_hz=30.0).close()


def libcamera_lists_its_cameras() -> None:
    found = libcamera.probed()
    assert found.ready
    assert found.devices == ("Virtual0",), found


def libcamera_is_found_in_an_environment_that_does_not_see_the_system_s_packages() -> None:
    ask = (
        "from edgecls_runtime.cameras import libcamera; "
        "print(libcamera.open().read(30).image.shape)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", ask], capture_output=True, text=True, check=False
    )
    assert done.stdout.endswith("(480, 640, 3)\n"), done.stderr


def it_is_read_in_a_process_of_its_own_that_may_be_killed() -> None:
    with closing(cameras.open_table({"kind": "libcamera"})) as camera:
        assert isinstance(camera, LiveCamera)
        patiently(camera)
        assert isinstance(camera._camera, IsolatedCamera)
        os.kill(camera._camera._process._child.pid, signal.SIGKILL)
        while not camera.reopened:
            time.sleep(0.05)
        tell(f"       frames again {patiently(camera):.1f} s after it was opened again")


VIVID_CHECKS = (
    vivid_keeps_the_specification,
    red_is_red_in_every_format,
    brightness_that_goes_from_0_to_255_is_not_stretched,
    a_size_whose_rows_are_filled_up_is_cut_to_size,
    frames_carry_the_driver_s_own_time_however_late_they_are_read,
    what_is_not_offered_is_refused_with_what_is,
    what_is_no_camera_is_refused_with_what_is_one,
    somebody_who_may_not_open_it_is_told_the_group,
    a_busy_camera_names_who_has_it,
    frames_that_the_driver_lost_leave_a_gap_and_are_counted,
    a_damaged_buffer_is_passed_over_and_leaves_a_gap,
    a_silent_driver_times_out_and_counts_as_lost_in_the_end,
    a_stream_that_breaks_is_lost_and_comes_back_by_itself,
    a_driver_that_does_not_start_is_refused_and_starts_the_next_time,
)
WEBCAM_CHECKS = (
    a_webcam_keeps_the_specification_and_is_listed_by_its_stable_path,
    its_jpegs_arrive_as_they_were_sent,
    what_it_does_not_offer_is_refused,
    its_exposure_is_set_by_hand_and_given_back,
    a_damaged_jpeg_is_said_to_be_one,
    a_second_station_is_told_that_a_station_has_it,
    a_webcam_that_freezes_is_opened_again_until_it_speaks,
    unplugged_it_is_gone_and_plugged_in_elsewhere_it_comes_back_by_its_stable_path,
    an_unplugged_driver_is_gone,
)
LIBCAMERA_CHECKS = (
    libcamera_lists_its_cameras,
    the_virtual_camera_keeps_the_specification,
    its_bars_have_their_colours,
    what_it_does_not_offer_is_refused_there_too,
    libcamera_is_found_in_an_environment_that_does_not_see_the_system_s_packages,
    it_is_read_in_a_process_of_its_own_that_may_be_killed,
)
WEB = Webcam(red(120, 160))


def run(checks: tuple[Callable[[], None], ...]) -> None:
    """Run checks; print a line for each."""
    for check in checks:
        began, name = time.monotonic(), check.__name__.replace("_", " ")
        faulthandler.dump_traceback_later(HUNG_S, exit=True)
        try:
            check()
        except Exception as error:  # noqa: BLE001 - whatever it is, the others still run
            traceback.print_exc()
            tell(f"FAILED {name}: {type(error).__name__}: {error}")
        else:
            tell(f"ok     {name} ({time.monotonic() - began:.1f} s)")


def main() -> None:
    """Run everything, and say so at the end."""
    wait_for(VIVID)
    run(VIVID_CHECKS)
    WEB.plug()
    wait_for(WEBCAM)
    run(WEBCAM_CHECKS)
    run(LIBCAMERA_CHECKS)
    faulthandler.cancel_dump_traceback_later()
    tell("DONE")


if __name__ == "__main__":
    main()
