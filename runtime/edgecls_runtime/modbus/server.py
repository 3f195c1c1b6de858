"""A Modbus TCP server, of the few functions that PLCs use: small, and each answer of one moment.

pymodbus has one too; its store of registers changed its interface in most releases, and it lets
any number of clients in. Source: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, and MODBUS
Application Protocol V1.1b3.
"""

import asyncio
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import IntEnum
from typing import Protocol

MOST_CLIENTS = 8
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


class Server:
    """Serves few clients at a time; the one that was silent the longest makes room for a new one.

    Clients keep their connections; one whose cable was pulled would hold its place for ever.
    """

    def __init__(self, device: Device, allows: Callable[[str], bool]) -> None:
        """Prepare.

        Args:
            device: What is asked.
            allows: Whether a client at an address may ask.

        """
        self._device, self._allows = device, allows
        self._heard: dict[asyncio.StreamWriter, float] = {}
        self._server: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> int:
        """Begin to serve; return the port; raises OSError."""
        self._server = await asyncio.start_server(self._client, host, port, limit=1024)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Hang up."""
        if self._server is not None:
            self._server.close()
        for writer in (writers := [*self._heard]):
            self._drop(writer)
        await asyncio.gather(*(one.wait_closed() for one in writers), return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._allows(writer.get_extra_info("peername")[0]):
            writer.close()
            return
        if len(self._heard) >= MOST_CLIENTS:
            self._drop(min(self._heard, key=self._heard.__getitem__))
        self._heard[writer] = time.monotonic()
        try:
            with suppress(OSError, EOFError, TimeoutError):  # clients go away, as clients do
                while await self._serve(reader, writer):
                    self._heard[writer] = time.monotonic()
        finally:
            self._drop(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return False where what came is no Modbus."""
        begun = await reader.readexactly(1)
        async with asyncio.timeout(REQUEST_S):
            header = begun + await reader.readexactly(_HEADER.size - 1)
            transaction, protocol, length, unit = _HEADER.unpack(header)
            if protocol != 0 or not 2 <= length <= 254:
                return False
            request = await reader.readexactly(length - 1)
            reply = answer(request, self._device)
            writer.write(_HEADER.pack(transaction, 0, len(reply) + 1, unit) + reply)
            await writer.drain()
        return writer in self._heard

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        self._heard.pop(writer, None)
        writer.close()
