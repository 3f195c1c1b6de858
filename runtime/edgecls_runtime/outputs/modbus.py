"""Verdicts written into a PLC by Modbus TCP: a block of registers, and a coil for each outcome.

A PLC wants what is so now: what it could not be told in time is not told late (nothing ``KEEPS``).
The sequence is written last: who sees it change sees a whole block.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from edgecls.errors import OutputError
from edgecls.verdict import Outcome, Verdict
from edgecls_runtime.modbus.places import NOTHING, Handshake, Heartbeat, Places, Values
from edgecls_runtime.modbus.plc import Plc, plc, probed
from edgecls_runtime.modbus.result import following, registers

__all__ = ["ModbusOutput", "open", "probed"]

POLL_S = 0.005
GRACE_S = 3.0
# A PLC that is gone is not reached for again before; what waits is not held up by each attempt.
RETRY_S = 0.5


class ModbusOutput:
    """Writes into one PLC; reaches it again by itself when there is something to tell."""

    def __init__(self, plc: Plc, places: Places, handshake: Handshake) -> None:
        """Prepare; ``start`` connects.

        Args:
            plc: Not yet reached; closed by this.
            places: What is written where.
            handshake: How the PLC says that it has a block.

        """
        self._plc, self._places, self._handshake = plc, places, handshake
        self._lock = threading.Lock()
        self._fault, self._retry_at = "", 0.0
        self._sequence: int | None = None
        self._latest: object = None
        self._is_ready = False
        self._alive, self._closing = threading.Event(), threading.Event()
        self._heart: threading.Thread | None = None

    def start(self, heartbeat: Heartbeat) -> None:
        """Reach the PLC; one that is off is reached later.

        Raises:
            OutputError: It does not have what is to be written.

        """
        try:
            with self._asking():
                self._enter_ready()
        except OutputError:
            if self._plc.is_reached:
                self._plc.close()
                raise
        if heartbeat.register is not None:
            keys = (heartbeat.register, heartbeat.period_ms / 1000)
            self._heart = threading.Thread(
                target=self._beat, args=keys, name="modbus heartbeat", daemon=True
            )
            self._heart.start()

    def send(self, verdict: Verdict) -> None:
        """Write one verdict, and wait for the PLC where it acknowledges.

        The same verdict once more has the same sequence: a PLC that had it sees no change.

        Raises:
            OutputError: The PLC cannot be reached, refuses, or does not acknowledge.

        """
        this = (verdict.id, verdict.part, verdict.decided_at)
        with self._asking():
            if this != self._latest:
                if self._handshake.coil is not None:
                    self._plc.write_coil(self._handshake.coil, value=False)
                self._sequence, self._latest = following(self._sequence or 0), this
            if not self._is_ready:
                self._enter_ready()
            self._write(verdict)
        self._await()

    def make_safe(self, reason: str) -> None:  # noqa: ARG002 - a PLC reads no sentences
        """Write what is declared as the safe state, and switch the coils of the outcomes off.

        Raises:
            OutputError: The PLC cannot be reached, or refuses.

        """
        with self._asking():
            self._enter_safe()

    def beat(self) -> None:
        """Let the heartbeat go on."""
        self._alive.set()

    def close(self) -> None:
        """Enter the safe state if the PLC still hears it; closing twice is allowed."""
        self._closing.set()
        self._alive.set()
        if self._heart is not None:
            self._heart.join(GRACE_S)
        with self._lock:
            if self._plc.is_reached:
                with suppress(OutputError):  # who is gone has seen the heartbeat stand still
                    self._enter_safe()
            self._plc.close()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Have the PLC to oneself, and reach it where it was lost.

        Raises:
            OutputError: It cannot be reached; or what the body raises.

        """
        with self._lock:
            if not self._plc.is_reached and time.monotonic() < self._retry_at:
                raise OutputError(self._fault)
            try:
                if not self._plc.is_reached:
                    self._reach()
                yield
            except OutputError as error:
                self._fault, self._retry_at = str(error), time.monotonic() + RETRY_S
                raise

    def _reach(self) -> None:
        self._plc.reach()
        self._is_ready = False  # a PLC that was off has forgotten
        if self._sequence is None:
            # Go on where we were before a restart: the PLC must see a change.
            self._sequence = self._plc.registers(self._places.address)[0]

    def _enter_ready(self) -> None:
        self._places.ready.write(self._plc)
        self._is_ready = True

    def _enter_safe(self) -> None:
        self._is_ready = False
        self._places.write_outcome(self._plc, None)
        self._places.safe.write(self._plc)

    def _write(self, verdict: Verdict) -> None:
        places = self._places
        block = registers(verdict, places.labels, places.part_registers)
        self._plc.write_registers(places.address + 1, block[1:])
        places.write_outcome(self._plc, verdict.outcome)
        self._plc.write_registers(places.address, [self._sequence or 0])

    def _await(self) -> None:
        """Return when the PLC has the block.

        Raises:
            OutputError: It did not say so in time.

        """
        wait = self._handshake.wait_ms / 1000
        deadline = time.monotonic() + wait
        while missing := self._missing():
            if time.monotonic() > deadline:
                raise OutputError(
                    f"{self._plc.where}: not acknowledged within {wait:g} s; "
                    f"expected {missing}; does the PLC's program run?"
                )
            time.sleep(POLL_S)

    def _missing(self) -> str:
        """Return what the PLC has not yet done; empty where it has, or need not."""
        register, coil = self._handshake.register, self._handshake.coil
        with self._asking():  # between two questions others have their turn
            if register is not None and self._plc.registers(register) != [self._sequence]:
                return f"{self._sequence} in register {register}"
            if coil is not None and not self._plc.coil(coil):
                return f"coil {coil} to be on"
        return ""

    def _beat(self, register: int, period: float) -> None:
        """Count signs of life, while there are some."""
        count = 0
        while self._alive.wait() and not self._closing.is_set():
            self._alive.clear()
            count = following(count)
            # The PLC sees it stand still; ``send`` says why.
            with suppress(OutputError), self._asking():
                self._plc.write_registers(register, [count])
            self._closing.wait(period)


def open(  # noqa: PLR0913 - each is a key of the station's table
    *,
    host: str,
    address: int,
    port: int = 502,
    unit: int = 1,
    part_registers: int = 16,
    labels: tuple[str, ...] = (),
    pass_coil: int | None = None,
    fail_coil: int | None = None,
    review_coil: int | None = None,
    acknowledge_register: int | None = None,
    acknowledge_coil: int | None = None,
    acknowledge_ms: float = 500.0,
    heartbeat_register: int | None = None,
    heartbeat_ms: float = 500.0,
    safe_state: Values = NOTHING,
    ready_state: Values = NOTHING,
) -> ModbusOutput:
    """Write verdicts into a PLC.

    Args:
        host: Name or address of the PLC.
        address: First holding register of the block, from 0; ``docs/modbus.md`` says what is in it.
        port: Of the PLC.
        unit: Device id behind the address.
        part_registers: Room for the part's id, two characters each; 0 leaves it out.
        labels: Those with a code, which is their place here, from 1; empty is the bundle's order.
        pass_coil: On from a PASS to the next verdict.
        fail_coil: On from a FAIL to the next verdict.
        review_coil: On from a REVIEW to the next verdict.
        acknowledge_register: Into which the PLC copies the sequence when it has read the block.
        acknowledge_coil: Which the PLC switches on then, instead.
        acknowledge_ms: Longest wait for that.
        heartbeat_register: Counts up while the station lives.
        heartbeat_ms: From one of its changes to the next, at least.
        safe_state: ``registers`` and ``coils`` that are written when nothing can be relied on.
        ready_state: Likewise at the start, and before the first verdict after the safe state.

    """
    coils = {Outcome.PASS: pass_coil, Outcome.FAIL: fail_coil, Outcome.REVIEW: review_coil}
    places = Places(address, part_registers, labels, coils, safe_state, ready_state)
    places.refuse("acknowledge_register", acknowledge_register)
    places.refuse("heartbeat_register", heartbeat_register)
    handshake = Handshake(acknowledge_register, acknowledge_coil, acknowledge_ms)
    heartbeat = Heartbeat(heartbeat_register, heartbeat_ms)
    output = ModbusOutput(plc("outputs", host, port, unit, OutputError), places, handshake)
    output.start(heartbeat)
    return output
