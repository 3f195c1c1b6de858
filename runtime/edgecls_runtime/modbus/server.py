"""A Modbus TCP server, of the few functions that PLCs use: small, and each answer of one moment.

pymodbus has one too; its store of registers changed its interface in most releases, and it lets
any number of clients in. Source: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, and MODBUS
Application Protocol V1.1b3.
"""

import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import IntEnum
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Protocol

MOST_CLIENTS = 8
LONGEST = 254  # bytes after the length: unit, function and 252 more
MOST_READ, MOST_BITS, MOST_WRITTEN = 125, 2000, 123
# A client that has begun a request and does not end it.
REQUEST_S = 5.0
_HEADER = struct.Struct(">HHHB")


class Refusal(IntEnum):
    """Why a request is refused: the protocol's exception codes."""

    FUNCTION = 1
    ADDRESS = 2
    VALUE = 3
    FAILURE = 4


class RefusedError(Exception):
    """A request is refused."""

    def __init__(self, code: Refusal) -> None:
        """Keep the code."""
        super().__init__(code.name.lower())
        self.code = code


class Device(Protocol):
    """What is served; each call is of one moment, and raises RefusedError."""

    def bits(self, first: int, count: int) -> Sequence[bool]:
        """Return bits, from number ``first``."""
        ...

    def registers(self, first: int, count: int) -> Sequence[int]:
        """Return registers, from number ``first``."""
        ...

    def write(self, first: int, values: Sequence[int]) -> None:
        """Take registers that a client writes."""
        ...


def answer(request: bytes, device: Device) -> bytes:
    """Return the answer to one request, both without their header.

    Args:
        request: A function code and what belongs to it; anything else is refused.
        device: What is asked.

    """
    function = request[0]
    try:
        return _answered(function, request[1:], device)
    except RefusedError as refused:
        return bytes([function & 0x7F | 0x80, refused.code])


def _answered(function: int, body: bytes, device: Device) -> bytes:
    if function not in (1, 2, 3, 4, 6, 16):
        raise RefusedError(Refusal.FUNCTION)
    if len(body) < 4 or (function != 16 and len(body) != 4):
        raise RefusedError(Refusal.VALUE)
    first, count = struct.unpack_from(">HH", body)
    if function in (1, 2):
        _check(count, MOST_BITS)
        packed = _packed(device.bits(first, count))
        return bytes([function, len(packed)]) + packed
    if function in (3, 4):
        _check(count, MOST_READ)
        registers = device.registers(first, count)
        return struct.pack(f">BB{count}H", function, 2 * count, *registers)
    if function == 6:
        device.write(first, [count])
        return bytes([function]) + body
    _check(count, MOST_WRITTEN)
    if len(body) != 5 + 2 * count or body[4] != 2 * count:
        raise RefusedError(Refusal.VALUE)
    device.write(first, struct.unpack_from(f">{count}H", body, 5))
    return struct.pack(">BHH", function, first, count)


def _check(count: int, most: int) -> None:
    if not 1 <= count <= most:
        raise RefusedError(Refusal.VALUE)


def _packed(bits: Sequence[bool]) -> bytes:
    """Eight bits a byte, the first the lowest."""
    number = sum(1 << place for place, bit in enumerate(bits) if bit)
    return number.to_bytes((len(bits) + 7) // 8, "little")


class Server(ThreadingTCPServer):
    """Serves few clients at a time; the one that was silent the longest makes room for a new one.

    Clients keep their connections: one whose cable was pulled would hold its place for ever.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self, address: tuple[str, int], device: Device, allows: Callable[[str], bool]
    ) -> None:
        """Bind; ``serve_forever`` serves.

        Args:
            address: Host and port; port 0 takes a free one.
            device: What is asked.
            allows: Whether a client at an address may ask.

        Raises:
            OSError: Not an address of this machine, or the port is taken.

        """
        self.device, self._allows = device, allows
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self._changing = threading.Lock()
        self._heard: dict[socket.socket, float] = {}
        super().__init__(address, _Client)

    def verify_request(self, request: object, client_address: object) -> bool:
        """Take a client that may ask."""
        assert isinstance(request, socket.socket)  # noqa: S101 - for the type checker
        assert isinstance(client_address, tuple)  # noqa: S101 - likewise
        if not self._allows(str(client_address[0])):
            return False
        with self._changing:
            if len(self._heard) >= MOST_CLIENTS:
                self._hang_up(min(self._heard, key=self._heard.__getitem__))
            self._heard[request] = time.monotonic()
        return True

    def listen_to(self, client: socket.socket) -> bool:
        """Note that a client was heard; return False where it lost its place."""
        with self._changing:
            if client in self._heard:
                self._heard[client] = time.monotonic()
                return True
            return False

    def shutdown_request(self, request: object) -> None:
        """Let go of a client."""
        assert isinstance(request, socket.socket)  # noqa: S101 - for the type checker
        with self._changing:
            self._heard.pop(request, None)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Close the port, and hang up; the threads of clients end with that."""
        self.socket.close()
        with self._changing:
            for client in [*self._heard]:
                self._hang_up(client)
        super().server_close()

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients go away, as clients do."""

    def _hang_up(self, client: socket.socket) -> None:
        del self._heard[client]
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


class _Client(BaseRequestHandler):
    """Answers one client for as long as it asks."""

    server: Server
    request: socket.socket

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(EOFError):
            while self.server.listen_to(self.request) and self._serve():
                pass

    def _serve(self) -> bool:
        """Answer one request; return False where what came is no Modbus."""
        self.request.settimeout(None)
        begun = self._read(1)
        self.request.settimeout(REQUEST_S)
        header = begun + self._read(_HEADER.size - 1)
        transaction, protocol, length, unit = _HEADER.unpack(header)
        if protocol != 0 or not 2 <= length <= LONGEST:
            return False
        reply = answer(self._read(length - 1), self.server.device)
        self.request.sendall(_HEADER.pack(transaction, 0, len(reply) + 1, unit) + reply)
        return True

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self.request.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data
