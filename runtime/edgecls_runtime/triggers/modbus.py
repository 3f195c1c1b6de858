"""Parts announced by a PLC: a coil or an input that goes on, asked for by Modbus TCP.

A pulse that is shorter than one round of asking is never seen; with ``acknowledge`` the PLC can
hold it until it was.
"""

import threading
import time
from dataclasses import dataclass
from enum import StrEnum

from edgecls.errors import ConfigError, TriggerError
from edgecls_runtime.announcing.announcements import Announcements
from edgecls_runtime.modbus.plc import Plc, check, plc, probed

__all__ = ["ModbusTrigger", "open", "probed"]

RETRY_S = 0.5
GRACE_S = 3.0
LONGEST_POLL_MS = 60_000


class Read(StrEnum):
    """What is asked for."""

    COIL = "coil"
    INPUT = "input"  # a discrete input


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the PLC has what; numbers as in the protocol, from 0.

    Attributes:
        read: Coils or discrete inputs.
        coil: The bit that goes on with each part.
        part_register: First holding register of the part's number; None reads none.
        part_registers: How many it takes, the highest first.
        acknowledge: Coil that is on while we have seen the bit; the bit itself, to switch it off.

    """

    read: Read
    coil: int
    part_register: int | None
    part_registers: int
    acknowledge: int | None

    def __post_init__(self) -> None:
        """Refuse what the protocol cannot say."""
        for key in ("coil", "part_register", "acknowledge"):
            check(f"trigger.{key}", getattr(self, key))
        check("trigger.part_registers", self.part_registers, 1, 4)


class ModbusTrigger(Announcements):
    """Asks a PLC in a thread of its own; reaches it again by itself."""

    def __init__(self, plc: Plc, addresses: Addresses, period: float) -> None:
        """Prepare; ``start`` connects.

        Args:
            plc: Not yet reached; closed by this.
            addresses: What is asked for.
            period: Seconds from one question to the next.

        """
        super().__init__()
        self._plc, self._addresses = plc, addresses
        self._period = period
        self._before = self._is_new = False
        self._latest: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="modbus", daemon=True)

    def start(self) -> None:
        """Ask for the first time, then again and again.

        Raises:
            TriggerError: The PLC cannot be reached, or does not have what is asked for.

        """
        try:
            self._begin()
        except TriggerError:
            self._plc.close()
            raise
        self._thread.start()

    def close(self) -> None:
        """Stop asking; closing twice is allowed."""
        super().close()
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(GRACE_S)

    def _watch(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    self._poll()
                    self._stopping.wait(self._period)
                except Exception as error:  # noqa: BLE001 - a dead thread announces nothing
                    self.lose(str(error))
                    self._again()
        finally:
            self._plc.close()

    def _again(self) -> None:
        """Reach the PLC again, however long it takes."""
        self._plc.close()
        while not self._stopping.wait(RETRY_S):
            try:
                self._begin()
            except Exception as error:  # noqa: BLE001 - as above
                self._plc.close()
                self.lose(str(error))
                continue
            self.back()
            return

    def _begin(self) -> None:
        """Learn how the bit stands. One that is held until we have seen it is a part."""
        self._plc.reach()
        self._part()
        is_on = self._is_on()
        self._before = is_on and self._addresses.acknowledge is None
        self._is_new = True
        if not is_on:
            self._acknowledge(seen=False)

    def _poll(self) -> None:
        now = self._is_on()
        # After the answer: a frame of this moment shows the part, whenever it came since the last.
        at = time.monotonic()
        before, self._before = self._before, now
        if now and not before:
            self._announce(at)
            self._acknowledge(seen=True)
        elif before and not now:
            self._acknowledge(seen=False)
        self._is_new = False

    def _announce(self, at: float) -> None:
        try:
            part = self._part()
        except TriggerError:
            self.put(at=at)  # a part without its number is still one
            raise
        # What was held over an outage may be the one of which the PLC was to hear we had seen it.
        if self._is_new and part is not None and part == self._latest:
            self.ignore()
        else:
            self.put(part, at)
        self._latest = part

    def _is_on(self) -> bool:
        where = self._addresses
        if where.read is Read.INPUT:
            return self._plc.input(where.coil)
        return self._plc.coil(where.coil)

    def _part(self) -> str | None:
        where = self._addresses
        if where.part_register is None:
            return None
        number = 0
        for word in self._plc.registers(where.part_register, where.part_registers):
            number = number << 16 | word
        return str(number)

    def _acknowledge(self, *, seen: bool) -> None:
        where = self._addresses
        if where.acknowledge is None:
            return
        is_own = where.read is Read.COIL and where.acknowledge == where.coil
        if is_own and not seen:
            return
        self._plc.write_coil(where.acknowledge, seen and not is_own)
        if is_own:
            self._before = False  # the PLC may have switched it on again before we ask next


def open(  # noqa: PLR0913 - each is a key of the station's table
    *,
    host: str,
    coil: int,
    port: int = 502,
    unit: int = 1,
    read: Read = Read.COIL,
    poll_ms: float = 10.0,
    part_register: int | None = None,
    part_registers: int = 1,
    acknowledge: int | None = None,
) -> ModbusTrigger:
    """Ask a PLC by Modbus TCP.

    Args:
        host: Name or address of the PLC.
        coil: Number of the bit that goes on with each part, from 0.
        port: Of the PLC.
        unit: Device id behind the address.
        read: Whether the bit is a ``coil`` or a discrete ``input``.
        poll_ms: From one answer to the next question; on and off must both last longer.
        part_register: First holding register of the part's number, which must stand there before
            the bit goes on; None lets parts be numbered.
        part_registers: How many 16-bit registers the number takes, the highest first.
        acknowledge: Coil that is switched on when the bit was seen, and off when the bit is off
            again; the number of the bit itself, where it is a coil, to switch that off.

    """
    addresses = Addresses(read, coil, part_register, part_registers, acknowledge)
    if not 1 <= poll_ms <= LONGEST_POLL_MS:
        raise ConfigError(f"trigger.poll_ms: {poll_ms:g}; expected 1 to {LONGEST_POLL_MS}")
    found = plc("trigger", host, port, unit, TriggerError)
    trigger = ModbusTrigger(found, addresses, poll_ms / 1000)
    trigger.start()
    return trigger
