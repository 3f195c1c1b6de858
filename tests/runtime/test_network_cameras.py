"""Cameras on the network, specified: locked, silent, talking nonsense, and how they are read."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest

from edgecls.errors import CameraError, CameraTimeout, ConfigError, Fault, MissingExtra
from edgecls_runtime import cameras
from edgecls_runtime.cameras import http, rtsp
from edgecls_runtime.capture.errand import Errand
from servers import (
    RED,
    RTSP_MISSING,
    MjpegServer,
    can_serve_rtsp,
    card,
    free_port,
    rtsp_server,
)

WAIT_S = 10.0
SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
    "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track\r\n"
)
needs_rtsp = pytest.mark.skipif(not can_serve_rtsp(), reason=RTSP_MISSING)


def failure(table: dict[str, object]) -> CameraError:
    with pytest.raises(CameraError) as raised:
        cameras.open_table(table)
    return raised.value


@contextmanager
def speaking(talk: Callable[[socket.socket], object]) -> Iterator[int]:
    """Run a server that says to each who connects what ``talk`` says; yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as clients:

        def serve() -> None:
            while True:
                try:
                    connection = clients.enter_context(server.accept()[0])
                    talk(connection)
                except OSError:
                    if server.fileno() < 0:
                        return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def rtsp_of_noise(connection: socket.socket) -> None:
    """Speak RTSP as a camera does, and send packets that are no pictures."""
    connection.settimeout(5)
    while request := connection.recv(4096).decode():
        method, order = request.split(" ")[0], request.split("CSeq: ")[1].split("\r\n")[0]
        answer = f"RTSP/1.0 200 OK\r\nCSeq: {order}\r\nSession: 1\r\n"
        if method == "DESCRIBE":
            answer += f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n\r\n{SDP}"
        elif method == "SETUP":
            answer += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"
        else:
            answer += "\r\n"
        connection.sendall(answer.encode())
        if method == "PLAY":
            for number in range(1000):
                head = bytes([0x80, 0xE0]) + number.to_bytes(2, "big")
                head += (3000 * number).to_bytes(4, "big") + bytes(4)
                packet = head + bytes([0x41]) + b"noise" * 100
                connection.sendall(b"$\x00" + len(packet).to_bytes(2, "big") + packet)
                time.sleep(0.01)


@pytest.mark.parametrize("kind", ["http", "rtsp"])
def test_where_nobody_listens_the_camera_is_refused(kind: str) -> None:
    port = free_port()

    error = failure({"kind": kind, "url": f"{kind}://joe:secret@127.0.0.1:{port}/a"})

    assert error.fault is Fault.REFUSED
    assert str(error) == (
        f"{kind} camera {kind}://***@127.0.0.1:{port}/a: nobody listens at port {port}; "
        f"is the camera on, and the address right?"
    )


@pytest.mark.parametrize("kind", ["http", "rtsp"])
def test_a_host_that_does_not_exist_is_missing(kind: str) -> None:
    error = failure({"kind": kind, "url": f"{kind}://joe:secret@no-camera.invalid/a"})

    assert error.fault is Fault.MISSING
    assert str(error).startswith(f"{kind} camera {kind}://***@no-camera.invalid/a: cannot be reac")


@pytest.mark.parametrize("kind", ["http", "rtsp"])
def test_a_server_that_accepts_and_never_answers_is_a_timeout_in_time(kind: str) -> None:
    with speaking(lambda _: None) as port:
        began = time.monotonic()

        error = failure({"kind": kind, "url": f"{kind}://127.0.0.1:{port}/a", "timeout_ms": 300})

    assert time.monotonic() - began < 0.6
    assert error.fault is Fault.TIMEOUT
    assert str(error).endswith(": no frame within 0.3 s; is the camera on, and its cable in?")


@pytest.mark.parametrize("kind", ["http", "rtsp"])
def test_a_server_that_drips_its_answer_does_not_move_the_deadline(kind: str) -> None:
    def drip(connection: socket.socket) -> None:
        for letter in f"{kind.upper()}/1.0 200 OK\r\n" * 2:
            connection.sendall(letter.encode())
            time.sleep(0.05)

    with speaking(drip) as port:
        began = time.monotonic()

        failure({"kind": kind, "url": f"{kind}://127.0.0.1:{port}/a", "timeout_ms": 400})

        assert time.monotonic() - began < 0.8


@pytest.mark.parametrize(("kind", "found"), [("http", "HTTP"), ("rtsp", "RTSP")])
def test_a_server_of_another_language_is_said_to_be_one(kind: str, found: str) -> None:
    def greet(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"220 mail.factory ESMTP\r\n\r\n" * 50)

    with speaking(greet) as port:
        error = failure({"kind": kind, "url": f"{kind}://127.0.0.1:{port}/a"})

    assert error.fault is Fault.CODEC
    assert f"what answers does not speak {found}; expected a camera's stream" in str(error)


@pytest.mark.parametrize(
    ("path", "fault", "text"),
    [
        ("text", Fault.CODEC, "it sends text/plain; expected MJPEG (multipart/x-mixed-replace)"),
        ("nothing", Fault.MISSING, "404 Not Found; is the path of the address right?"),
        ("locked", Fault.AUTH, "it wants a user and a password; expected http://USER:PASSWORD@"),
        ("garbage", Fault.CODEC, "no JPEG, but image/jpeg; expected a camera's stream"),
    ],
)
def test_an_http_answer_that_is_no_stream_says_what_it_is(
    path: str, fault: Fault, text: str
) -> None:
    with MjpegServer(RED) as server:
        url = f"http://127.0.0.1:{server.port}/{path}"

        error = failure({"kind": "http", "url": url, "timeout_ms": 500})

    assert error.fault is fault
    assert text in str(error)


@pytest.mark.parametrize("path", ["basic", "digest", "moved", "bare", "timed"])
def test_an_http_camera_is_read_however_it_sends(path: str) -> None:
    with MjpegServer(RED) as server:
        url = f"http://joe:se%2Fcr%40et@127.0.0.1:{server.port}/{path}"
        with closing(http.open(url=url)) as camera:
            frames = [camera.read(WAIT_S) for _ in range(3)]

    assert [frame.number for frame in frames] == [0, 1, 2]
    assert frames[0].image[..., 0].mean() > 240


@pytest.mark.parametrize("path", ["basic", "digest"])
def test_a_wrong_http_password_is_tried_once_for_cameras_lock_accounts(path: str) -> None:
    with MjpegServer(RED) as server:
        error = failure({"kind": "http", "url": f"http://joe:no@127.0.0.1:{server.port}/{path}"})

        assert server.refused == 2  # the question that any dialogue begins with, and the answer

    assert error.fault is Fault.AUTH
    assert f"http camera http://***@127.0.0.1:{server.port}/{path}: user or password is wr" in str(
        error
    )


@needs_rtsp
@pytest.mark.parametrize("scheme", ["basic", "digest"])
def test_an_rtsp_camera_opens_with_its_password_and_not_without(scheme: str) -> None:
    with rtsp_server("--login", "joe:se/cr@et", "--scheme", scheme) as server:
        at = server.url.removeprefix("rtsp://")
        wrong = failure({"kind": "rtsp", "url": f"rtsp://joe:secret@{at}"})
        none = failure({"kind": "rtsp", "url": server.url})
        with closing(rtsp.open(url=f"rtsp://joe:se%2Fcr%40et@{at}")) as camera:
            camera.read(WAIT_S)

    assert (wrong.fault, none.fault) == (Fault.AUTH, Fault.AUTH)
    assert f"rtsp camera rtsp://***@{at}: user or password is wrong; expected" in str(wrong)
    assert ": it wants a user and a password; expected rtsp://USER:PASSWORD@HOST" in str(none)


@needs_rtsp
def test_neither_python_nor_ffmpeg_prints_a_password() -> None:
    with rtsp_server("--login", "joe:right") as server:
        at = server.url.removeprefix("rtsp://")
        urls = [f"rtsp://joe:s3cret@{at}", "rtsp://joe:s3cret@127.0.0.1:9/a"]
        program = (
            "import json, sys, traceback\nfrom edgecls_runtime.cameras import rtsp\n"
            "for url in json.loads(sys.argv[1]):\n"
            "    try:\n        rtsp.open(url=url)\n    except OSError:\n"
            "        traceback.print_exc()"
        )
        command = [sys.executable, "-c", program, json.dumps(urls)]
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    assert "user or password is wrong" in told.stderr
    assert "nobody listens" in told.stderr
    assert "s3cret" not in told.stdout + told.stderr


def test_an_address_that_is_none_hides_its_password() -> None:
    with pytest.raises(ConfigError) as raised:
        rtsp.open(url="rtsp://joe:se/cret@10.0.0.7/line")

    assert str(raised.value) == (
        "camera.url: rtsp://***@10.0.0.7/line: not an address; expected "
        "rtsp://USER:PASSWORD@HOST:PORT/PATH; / is written %2F there, @ %40, : %3A"
    )


def test_rtsp_without_its_extra_is_answered_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "edgecls_runtime.streams.ffmpeg_stream", raising=False)

    with pytest.raises(MissingExtra) as raised:
        rtsp.open(url="rtsp://127.0.0.1/a")

    assert str(raised.value) == "av: not installed; run: pip install 'edgecls[network]'"
    assert not rtsp.probed().ready


def test_rtsp_packets_that_make_no_picture_are_a_fault_of_the_codec() -> None:
    with speaking(rtsp_of_noise) as port:
        error = failure(
            {"kind": "rtsp", "url": f"rtsp://127.0.0.1:{port}/camera", "timeout_ms": 1500}
        )

    assert error.fault is Fault.CODEC
    assert "none of its packets makes a frame; is its key frame interval" in str(error)


@needs_rtsp
@pytest.mark.parametrize("codec", ["h264", "mjpeg"])
def test_a_stream_whose_pictures_grow_goes_on_with_the_new_size(codec: str) -> None:
    shapes: set[tuple[int, ...]] = set()
    with (
        rtsp_server("--codec", codec, "--grows-after-ms", "600") as server,
        closing(rtsp.open(url=server.url)) as camera,
    ):
        deadline = time.monotonic() + WAIT_S
        while len(shapes) < 2 and time.monotonic() < deadline:
            shapes.add(camera.read(WAIT_S).image.shape)

    assert shapes == {(120, 160, 3), (240, 320, 3)}


def test_an_http_stream_whose_pictures_grow_goes_on_with_the_new_size() -> None:
    with MjpegServer(RED) as server, closing(http.open(url=server.url)) as camera:
        camera.read(WAIT_S)
        server.show(card(255, 0, 0, (240, 320)))
        shapes = {camera.read(WAIT_S).image.shape for _ in range(5)}

    assert (240, 320, 3) in shapes


def test_a_read_that_is_over_in_no_time_is_a_timeout_and_the_next_one_goes_on() -> None:
    with MjpegServer(RED, rate_hz=4) as server, closing(http.open(url=server.url)) as camera:
        camera.read(WAIT_S)
        began = time.monotonic()

        with pytest.raises(CameraTimeout, match=r": no frame within 0\.02 s$"):
            camera.read(0.02)

        assert time.monotonic() - began < 0.1
        assert camera.read(WAIT_S).number == 1


def test_an_errand_that_is_not_finished_is_waited_for_again() -> None:
    errand, finished = Errand("test"), threading.Event()

    def call() -> str:
        finished.wait()
        return "done"

    with pytest.raises(TimeoutError):
        errand.wait(call, 0.02)
    finished.set()

    assert errand.wait(lambda: "another", WAIT_S) == "done"
    assert errand.wait(lambda: "another", WAIT_S) == "another"
    errand.end(lambda: None)
