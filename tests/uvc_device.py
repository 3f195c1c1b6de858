"""A USB webcam in software: real to the kernel, which meets it through its USB/IP host controller.

Needs root and the kernel modules vhci-hcd and uvcvideo. It sends MJPEG over a bulk endpoint. The
answers are those of the USB Video Class 1.0 specification, as far as Linux' driver asks.
"""

import socket
import struct
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

HOST: Final = Path("/sys/devices/platform/vhci_hcd.0")
NAMES = ("edgecls", "Test Camera", "0042")
SIZES = ((160, 120), (320, 240))
INTERVALS = (1_000_000, 2_000_000)  # in 100 ns: 10 and 5 Hz
PAYLOAD = 16_384
HIGH_SPEED = 3
EMPTY = "hs  0000 004"  # the first port, as it is listed
STALL, UNLINKED = -32, -104
SET_CUR, GET_CUR, GET_MIN, GET_MAX, GET_RES, GET_LEN, GET_INFO, GET_DEF = 1, *range(0x81, 0x88)
AE_MODE, EXPOSURE = 2, 4


def _descriptor(kind: int, body: bytes) -> bytes:
    return bytes((len(body) + 2, kind)) + body


def _frame(number: int, width: int, height: int) -> bytes:
    sizes = struct.pack("<BBHHIII", number, 0, width, height, 1, 1, PAYLOAD)
    rates = struct.pack("<IB2I", INTERVALS[0], len(INTERVALS), *INTERVALS)
    return _descriptor(0x24, b"\x07" + sizes + rates)


def _configuration() -> bytes:
    camera = _descriptor(
        0x24, struct.pack("<BBHBBHHHB3s", 2, 1, 0x201, 0, 0, 0, 0, 0, 3, b"\x0a\0\0")
    )
    screen = _descriptor(0x24, struct.pack("<BBHBBB", 3, 2, 0x101, 0, 1, 0))
    total = 13 + len(camera) + len(screen)
    control = _descriptor(0x24, struct.pack("<BHHIBB", 1, 0x100, total, 6_000_000, 1, 1))
    frames = b"".join(_frame(i + 1, *size) for i, size in enumerate(SIZES))
    mjpeg = _descriptor(0x24, struct.pack("<9B", 6, 1, len(SIZES), 1, 1, 0, 0, 0, 0))
    colours = _descriptor(0x24, b"\x0d\x01\x01\x04")
    total = 14 + len(mjpeg + frames + colours)
    stream = _descriptor(0x24, struct.pack("<BBHBBBBBBBB", 1, 1, total, 0x81, 0, 2, 0, 0, 0, 1, 0))
    body = (
        _descriptor(0x0B, bytes((0, 2, 14, 3, 0, 0)))
        + _descriptor(4, bytes((0, 0, 0, 14, 1, 0, 0)))
        + control
        + camera
        + screen
        + _descriptor(4, bytes((1, 0, 1, 14, 2, 0, 0)))
        + stream
        + mjpeg
        + frames
        + colours
        + _descriptor(5, struct.pack("<BBHB", 0x81, 2, 512, 0))
    )
    return _descriptor(2, struct.pack("<HBBBBB", len(body) + 9, 2, 1, 0, 0x80, 50)) + body


class Webcam:
    """A camera that can be plugged in and out, frozen and damaged.

    Attributes:
        jpeg: What it shows.
        frozen: Whether it says nothing.
        settings: Its exposure mode and time, in the units of the specification.

    """

    def __init__(self, jpeg: bytes) -> None:
        """Keep it in the drawer."""
        self.jpeg, self.frozen = jpeg, False
        self.settings = {AE_MODE: 8, EXPOSURE: 100}
        self._agreed = bytearray(self._offer(1, INTERVALS[0]))
        self._waiting: dict[int, bytes] = {}
        self._changed = threading.RLock()
        self._line: socket.socket | None = None
        self._toggle = 0

    def plug(self) -> None:
        """Put it into the first port."""
        theirs, ours = socket.socketpair()
        with self._changed:
            self._line = ours
            self._waiting.clear()
        for work in (self._serve, self._film):
            threading.Thread(target=work, args=(ours,), daemon=True).start()
        (HOST / "attach").write_text(f"0 {theirs.fileno()} 65538 {HIGH_SPEED}\n")
        theirs.close()

    def unplug(self) -> None:
        """Pull it out."""
        (HOST / "detach").write_text("0\n")
        while EMPTY not in (HOST / "status").read_text():
            time.sleep(0.01)

    def _serve(self, line: socket.socket) -> None:
        while header := line.recv(48, socket.MSG_WAITALL):
            command, number, _, is_in, endpoint = struct.unpack_from(">5I", header)
            if command == 2:
                with self._changed:
                    found = self._waiting.pop(struct.unpack_from(">I", header, 20)[0], None)
                self._send(
                    line, struct.pack(">5Ii24x", 4, number, 0, 0, 0, UNLINKED if found else 0)
                )
                continue
            length = struct.unpack_from(">i", header, 24)[0]
            sent = b"" if is_in else line.recv(length, socket.MSG_WAITALL) if length else b""
            if endpoint:
                with self._changed:
                    self._waiting[number] = header
            else:
                answer = self._controlled(header[40:48], sent)
                status, data = (STALL, b"") if answer is None else (0, answer[:length])
                self._return(line, number, status, data if is_in else b"", len(sent) or len(data))

    def _film(self, line: socket.socket) -> None:
        while line is self._line:
            time.sleep(struct.unpack_from("<I", self._agreed, 4)[0] / 1e7)
            # Under the lock to the end: what the host takes back must not be answered any more.
            with self._changed, suppress(OSError):
                if self.frozen or not self._waiting or line is not self._line:
                    continue
                number = min(self._waiting)
                del self._waiting[number]
                self._toggle ^= 1
                # Two bytes of header: its length; whole frame, which alternates.
                data = bytes((2, 0x82 | self._toggle)) + self.jpeg
                self._return(line, number, 0, data, len(data))

    def _return(
        self, line: socket.socket, number: int, status: int, data: bytes, length: int
    ) -> None:
        head = struct.pack(">5IiiIII8x", 3, number, 0, 0, 0, status, length, 0, 0, 0)
        self._send(line, head + data)

    def _send(self, line: socket.socket, data: bytes) -> None:
        with self._changed:
            line.sendall(data)

    def _controlled(self, setup: bytes, sent: bytes) -> bytes | None:
        kind, request, value, index, _ = struct.unpack("<BBHHH", setup)
        if kind & 0x60 == 0:
            return self._standard(request, value)
        selector = value >> 8
        if index & 0xFF == 1:
            return self._streaming(request, sent)
        if index >> 8 == 1 and selector in self.settings:
            return self._setting(request, selector, sent)
        return None

    def _standard(self, request: int, value: int) -> bytes | None:
        if request == 0:
            return b"\0\0"
        if request != 6:
            return b""  # set address, configuration, interface
        kind, number = value >> 8, value & 0xFF
        if kind == 1:
            numbers = struct.pack(
                "<HBBBBHHHBBBB", 0x200, 0xEF, 2, 1, 64, 0x1D6B, 0x0104, 1, 1, 2, 3, 1
            )
            return _descriptor(1, numbers)
        if kind == 2:
            return _configuration()
        if kind == 3:
            text = NAMES[number - 1].encode("utf-16le") if number else struct.pack("<H", 0x409)
            return _descriptor(3, text)
        return None

    def _offer(self, frame: int, interval: int) -> bytes:
        return struct.pack("<HBBIHHHHHII", 1, 1, frame, interval, 0, 0, 0, 0, 0, PAYLOAD, PAYLOAD)

    def _streaming(self, request: int, sent: bytes) -> bytes | None:
        if request == SET_CUR:
            frame, interval = struct.unpack_from("<BI", sent, 3)
            self._agreed[:] = self._offer(frame, interval)
            return b""
        if request == GET_LEN:
            return struct.pack("<H", len(self._agreed))
        return b"\3" if request == GET_INFO else bytes(self._agreed)

    def _setting(self, request: int, selector: int, sent: bytes) -> bytes | None:
        size = 1 if selector == AE_MODE else 4
        if request == SET_CUR:
            self.settings[selector] = int.from_bytes(sent, "little")
            return b""
        # Manual, and aperture priority; a tenth of a millisecond to half a second.
        limits = {
            AE_MODE: {GET_RES: 9, GET_DEF: 8},
            EXPOSURE: {GET_MIN: 1, GET_MAX: 5000, GET_RES: 1},
        }
        found = {GET_CUR: self.settings[selector], GET_LEN: size, GET_INFO: 3, **limits[selector]}
        size = {GET_LEN: 2, GET_INFO: 1}.get(request, size)
        return found.get(request, 100).to_bytes(size, "little")
