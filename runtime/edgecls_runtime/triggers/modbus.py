"""Parts announced by a PLC: a coil or an input that goes on, asked for by Modbus TCP.

A pulse that is shorter than one round of asking is never seen; with ``acknowledge`` the PLC can
hold it until it was.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from edgecls.errors import ConfigError, MissingExtra, TriggerError
from edgecls_runtime import packages
from edgecls_runtime.announcements import Announcements
from edgecls_runtime.probe import Probed

if TYPE_CHECKING:
    from pymodbus.client import ModbusTcpClient
    from pymodbus.pdu import ModbusPDU

# A PLC that takes longer for one bit is gone.
ANSWER_S = 1.0
RETRY_S = 0.5
GRACE_S = 3.0
HIGHEST = 65_535
LONGEST_POLL_MS = 60_000


class Read(StrEnum):
    """What is asked for."""

    COIL = "coil"
    INPUT = "input"  # a discrete input


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the PLC has what; numbers as in the protocol, from 0.

    Attributes:
        unit: Device behind the address.
        read: Coils or discrete inputs.
        coil: The bit that goes on with each part.
        part_register: First holding register of the part's number; None reads none.
        part_registers: How many it takes, the highest first.
        acknowledge: Coil that is on while we have seen the bit; the bit itself, to switch it off.

    """

    unit: int
    read: Read
    coil: int
    part_register: int | None
    part_registers: int
    acknowledge: int | None

    def __post_init__(self) -> None:
        """Refuse what the protocol cannot say."""
        for key in ("coil", "part_register", "acknowledge"):
            number = getattr(self, key)
            if number is not None and not 0 <= number <= HIGHEST:
                raise ConfigError(f"trigger.{key}: {number}; expected 0 to {HIGHEST}")
        if not 0 <= self.unit <= 255:
            raise ConfigError(f"trigger.unit: {self.unit}; expected 0 to 255")
        if not 1 <= self.part_registers <= 4:
            raise ConfigError(f"trigger.part_registers: {self.part_registers}; expected 1 to 4")


class ModbusTrigger(Announcements):
    """Asks a PLC in a thread of its own; reaches it again by itself."""

    def __init__(
        self, client: "ModbusTcpClient", where: str, addresses: Addresses, period: float
    ) -> None:
        """Prepare; ``start`` connects.

        Args:
            client: Not yet connected; closed by this.
            where: Begins every message.
            addresses: What is asked for.
            period: Seconds from one question to the next.

        """
        super().__init__()
        self._client, self._where, self._addresses = client, where, addresses
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
            self._client.close()
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
            self._client.close()

    def _again(self) -> None:
        """Reach the PLC again, however long it takes."""
        self._client.close()
        while not self._stopping.wait(RETRY_S):
            try:
                self._begin()
            except Exception as error:  # noqa: BLE001 - as above
                self._client.close()
                self.lose(str(error))
                continue
            self.back()
            return

    def _begin(self) -> None:
        """Learn how the bit stands. One that is held until we have seen it is a part."""
        if not self._client.connect():
            raise TriggerError(
                f"{self._where}: cannot be reached; is the PLC on, and host and port right?"
            )
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
        ask = self._client.read_coils
        if where.read is Read.INPUT:
            ask = self._client.read_discrete_inputs
        what = f"{where.read} {where.coil}"
        return bool(self._asked(what, lambda: ask(where.coil, device_id=where.unit)).bits[0])

    def _part(self) -> str | None:
        where = self._addresses
        first, count = where.part_register, where.part_registers
        if first is None:
            return None
        answer = self._asked(
            f"register {first}",
            lambda: self._client.read_holding_registers(first, count=count, device_id=where.unit),
        )
        number = 0
        for word in answer.registers:
            number = number << 16 | word
        return str(number)

    def _acknowledge(self, *, seen: bool) -> None:
        where = self._addresses
        coil = where.acknowledge
        if coil is None:
            return
        is_own = where.read is Read.COIL and coil == where.coil
        if is_own and not seen:
            return
        value = seen and not is_own
        self._asked(
            f"coil {coil}", lambda: self._client.write_coil(coil, value, device_id=where.unit)
        )
        if is_own:
            self._before = False  # the PLC may have switched it on again before we ask next

    def _asked(self, what: str, ask: Callable[[], "ModbusPDU"]) -> "ModbusPDU":
        """Return an answer that is none of an error.

        Raises:
            TriggerError: There is none, or the PLC refuses.

        """
        from pymodbus.exceptions import ModbusException  # noqa: PLC0415 - an extra

        try:
            answer = ask()
        except (ModbusException, OSError) as error:
            raise TriggerError(
                f"{self._where}: no answer within {ANSWER_S:g} s; "
                f"is the PLC on, and the unit right?"
            ) from error
        if answer.isError():
            raise TriggerError(
                f"{self._where}: {what}: refused with exception {answer.exception_code}; "
                f"expected an address and a unit that the PLC has"
            )
        return answer


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
    addresses = Addresses(unit, read, coil, part_register, part_registers, acknowledge)
    if not 1 <= port <= HIGHEST:
        raise ConfigError(f"trigger.port: {port}; expected 1 to {HIGHEST}")
    if not 1 <= poll_ms <= LONGEST_POLL_MS:
        raise ConfigError(f"trigger.poll_ms: {poll_ms:g}; expected 1 to {LONGEST_POLL_MS}")
    try:
        from pymodbus.client import ModbusTcpClient  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingExtra("pymodbus", "modbus") from error
    # Without this, its messages would go to stderr beside ours.
    logging.getLogger("pymodbus").addHandler(logging.NullHandler())
    client = ModbusTcpClient(host, port=port, timeout=ANSWER_S, retries=0)
    trigger = ModbusTrigger(client, f"modbus trigger {host}:{port}", addresses, poll_ms / 1000)
    trigger.start()
    return trigger


def probed() -> Probed:
    """Say whether the package is here; no PLC is asked."""
    found = packages.installed("pymodbus")
    if found is None:
        return Probed("modbus", ready=False, what=str(MissingExtra("pymodbus", "modbus")))
    return Probed("modbus", ready=True, what="no PLC asked", package=str(found))
