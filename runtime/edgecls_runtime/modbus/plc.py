"""A PLC that is reached by Modbus TCP: the same for whoever listens to it and whoever tells it."""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from edgecls.errors import ConfigError, DeviceError, MissingExtra
from edgecls_runtime import packages
from edgecls_runtime.probe import Probed

if TYPE_CHECKING:
    from pymodbus.client import ModbusTcpClient
    from pymodbus.pdu import ModbusPDU

# A PLC that takes longer for one answer is gone.
ANSWER_S = 1.0
HIGHEST = 65_535


class Plc:
    """Asks one PLC, one question at a time; not for several threads at once.

    A question that has no answer ends the connection: a late answer would be taken for the next.

    Attributes:
        where: Begins every message.
        is_reached: Whether there is a connection, as far as is known.

    """

    def __init__(
        self, client: "ModbusTcpClient", unit: int, where: str, fault: type[DeviceError]
    ) -> None:
        """Prepare; ``reach`` connects.

        Args:
            client: Not yet connected; closed by this.
            unit: Device behind the address.
            where: Begins every message.
            fault: What is raised.

        """
        self._client, self._unit, self._fault = client, unit, fault
        self.where = where
        self.is_reached = False

    def reach(self) -> None:
        """Connect, anew where there was a connection.

        Raises:
            DeviceError: Of type ``fault``: nobody answers there.

        """
        self.close()
        if not self._client.connect():
            raise self._fault(
                f"{self.where}: cannot be reached; is the PLC on, and host and port right?"
            )
        self.is_reached = True

    def close(self) -> None:
        """End the connection; closing twice is allowed, and reaching it again too."""
        self.is_reached = False
        self._client.close()

    def coil(self, number: int) -> bool:
        """Return how a coil stands; raises as ``write_coil``."""
        ask = self._client.read_coils
        answer = self._asked(f"coil {number}", lambda: ask(number, device_id=self._unit))
        return bool(answer.bits[0])

    def input(self, number: int) -> bool:
        """Return how a discrete input stands; raises as ``write_coil``."""
        ask = self._client.read_discrete_inputs
        answer = self._asked(f"input {number}", lambda: ask(number, device_id=self._unit))
        return bool(answer.bits[0])

    def registers(self, first: int, count: int = 1) -> list[int]:
        """Return holding registers; raises as ``write_coil``."""
        ask = self._client.read_holding_registers
        answer = self._asked(
            f"register {first}", lambda: ask(first, count=count, device_id=self._unit)
        )
        return list(answer.registers)

    def write_coil(self, number: int, value: bool) -> None:
        """Switch a coil.

        Raises:
            DeviceError: Of type ``fault``: there is no answer, or the PLC refuses.

        """
        write = self._client.write_coil
        self._asked(f"coil {number}", lambda: write(number, value, device_id=self._unit))

    def write_registers(self, first: int, values: Sequence[int]) -> None:
        """Write holding registers in one request; raises as ``write_coil``."""
        what, write = f"register {first}", self._client.write_registers
        if len(values) == 1:  # a PLC may know only the one or the other; this is the older
            self._asked(
                what,
                lambda: self._client.write_register(first, values[0], device_id=self._unit),
            )
        else:
            self._asked(what, lambda: write(first, list(values), device_id=self._unit))

    def _asked(self, what: str, ask: Callable[[], "ModbusPDU"]) -> "ModbusPDU":
        """Return an answer that is none of an error."""
        from pymodbus.exceptions import ModbusException  # noqa: PLC0415 - an extra

        try:
            answer = ask()
        except (ModbusException, OSError) as error:
            self.close()
            raise self._fault(
                f"{self.where}: no answer within {ANSWER_S:g} s; is the PLC on, and the unit right?"
            ) from error
        if answer.isError():
            raise self._fault(
                f"{self.where}: {what}: refused with exception {answer.exception_code}; "
                f"expected an address and a unit that the PLC has"
            )
        return answer


def plc(table: str, host: str, port: int, unit: int, fault: type[DeviceError]) -> Plc:
    """Return a PLC that is not yet reached.

    Args:
        table: Of the station file, such as ``trigger``; begins the messages about its keys.
        host: Name or address of the PLC.
        port: Of the PLC.
        unit: Device id behind the address.
        fault: What is raised later.

    Raises:
        ConfigError: No PLC has that port or unit.
        MissingExtra: There is no package for it.

    """
    check(f"{table}.port", port, lowest=1)
    check(f"{table}.unit", unit, highest=255)
    try:
        from pymodbus.client import ModbusTcpClient  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingExtra("pymodbus", "modbus") from error
    # Without this, its messages would go to stderr beside ours.
    logging.getLogger("pymodbus").addHandler(logging.NullHandler())
    client = ModbusTcpClient(host, port=port, timeout=ANSWER_S, retries=0)
    return Plc(client, unit, f"modbus {table.removesuffix('s')} {host}:{port}", fault)


def check(key: str, number: int | None, lowest: int = 0, highest: int = HIGHEST) -> None:
    """Refuse a number that the protocol cannot say; None is none at all."""
    if number is not None and not lowest <= number <= highest:
        raise ConfigError(f"{key}: {number}; expected {lowest} to {highest}")


def probed() -> Probed:
    """Say whether the package is here; no PLC is asked."""
    found = packages.installed("pymodbus")
    if found is None:
        return Probed("modbus", ready=False, what=str(MissingExtra("pymodbus", "modbus")))
    return Probed("modbus", ready=True, what="no PLC asked", package=str(found))
