"""What an output writes where in a PLC; numbers as in the protocol, from 0."""

from dataclasses import dataclass, field

from edgecls.errors import ConfigError
from edgecls.verdict import Outcome
from edgecls_runtime.modbus.plc import Plc, check
from edgecls_runtime.modbus.result import HEADER, MOST_TEXT

# Longer than a part takes on any line; and a heartbeat that is rarer tells nothing.
LONGEST_MS = 10_000


@dataclass(frozen=True, slots=True)
class Values:
    """What registers and coils are set to; keys are their numbers."""

    registers: dict[str, int] = field(default_factory=dict)
    coils: dict[str, bool] = field(default_factory=dict)

    def check(self, key: str) -> None:
        """Refuse what the protocol cannot say."""
        for kind in ("registers", "coils"):
            for number, value in getattr(self, kind).items():
                if not (number.isascii() and number.isdecimal()):
                    raise ConfigError(f"{key}.{kind}: {number!r}; expected a number, from 0")
                check(f"{key}.{kind}", int(number))
                check(f"{key}.{kind}.{number}", int(value))

    def write(self, plc: Plc) -> None:
        """Write all of it, coils first."""
        for number, is_on in self.coils.items():
            plc.write_coil(int(number), is_on)
        for number, value in self.registers.items():
            plc.write_registers(int(number), [value])


NOTHING = Values()


@dataclass(frozen=True, slots=True)
class Handshake:
    """How the PLC says that it has a block.

    Attributes:
        register: Into which it copies the sequence; None where it does not.
        coil: Which it switches on, and we off before the next block; None where it does not.
        wait_ms: Longest wait.

    """

    register: int | None
    coil: int | None
    wait_ms: float

    def __post_init__(self) -> None:
        """Refuse what the protocol cannot say."""
        check("outputs.acknowledge_register", self.register)
        check("outputs.acknowledge_coil", self.coil)
        if self.register is not None and self.coil is not None:
            raise ConfigError(
                "outputs.acknowledge_coil: given beside acknowledge_register; expected one of them"
            )
        check_ms("outputs.acknowledge_ms", self.wait_ms)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How the PLC sees that the station lives.

    Attributes:
        register: That counts up; None has none.
        period_ms: From one change to the next, at least.

    """

    register: int | None
    period_ms: float

    def __post_init__(self) -> None:
        """Refuse what the protocol cannot say."""
        check("outputs.heartbeat_register", self.register)
        check_ms("outputs.heartbeat_ms", self.period_ms)


@dataclass(frozen=True, slots=True)
class Places:
    """What is written where.

    Attributes:
        address: First register of the block.
        part_registers: Room for the part's id at its end.
        labels: Those with a code; empty is the bundle's order.
        coils: Of each outcome; None where it has none.
        safe: What is written in the safe state, beside all of these coils switched off.
        ready: What is written at the start, and before the first verdict after the safe state.

    """

    address: int
    part_registers: int
    labels: tuple[str, ...]
    coils: dict[Outcome, int | None]
    safe: Values
    ready: Values

    def __post_init__(self) -> None:
        """Refuse what the protocol cannot say, and two outcomes on one coil."""
        check("outputs.part_registers", self.part_registers, highest=MOST_TEXT)
        check("outputs.address", self.address, highest=65_536 - HEADER - self.part_registers)
        for outcome, coil in self.coils.items():
            check(f"outputs.{outcome}_coil", coil)
        used = {outcome: coil for outcome, coil in self.coils.items() if coil is not None}
        if len(set(used.values())) < len(used):
            keys = ", ".join(f"{outcome}_coil" for outcome in used)
            raise ConfigError(
                f"outputs.{keys}: {', '.join(map(str, used.values()))}; "
                f"expected a different one for each"
            )
        self.safe.check("outputs.safe_state")
        self.ready.check("outputs.ready_state")

    def refuse(self, key: str, register: int | None) -> None:
        """Refuse a register that the block overwrites."""
        last = self.address + HEADER + self.part_registers - 1
        if register is not None and self.address <= register <= last:
            raise ConfigError(
                f"outputs.{key}: {register} is in the block; "
                f"expected none of {self.address} to {last}"
            )

    def write_outcome(self, plc: Plc, outcome: Outcome | None) -> None:
        """Switch the coil of an outcome on, after those of the others off: never two at once."""
        for other, coil in self.coils.items():
            if coil is not None and other is not outcome:
                plc.write_coil(coil, value=False)
        if outcome is not None and (own := self.coils[outcome]) is not None:
            plc.write_coil(own, value=True)


def check_ms(key: str, number: float) -> None:
    """Refuse a time that is none, or too long."""
    if not 0 < number <= LONGEST_MS:
        raise ConfigError(f"{key}: {number:g}; expected above 0, and at most {LONGEST_MS}")
