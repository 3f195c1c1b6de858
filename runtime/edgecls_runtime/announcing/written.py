"""Parts of a trigger that is no queue, written down before they are looked at."""

from collections.abc import Callable
from dataclasses import replace

from edgecls_runtime.announcing.announcements import Heard, Signal
from edgecls_runtime.protocols import Counting, Trigger


class Written:
    """A trigger that is no queue, such as a clock; its parts are written down as they are heard."""

    def __init__(self, trigger: Trigger, keep: Callable[[Signal], object]) -> None:
        """Stand before a trigger; closed by this."""
        self._trigger, self._keep, self._count = trigger, keep, 0

    @property
    def heard(self) -> Heard:
        """The counters, of one moment."""
        if isinstance(self._trigger, Counting):
            return self._trigger.heard
        return Heard(self._count)

    def wait(self, timeout: float) -> Signal | None:
        """Return the next part, as the trigger does."""
        signal = self._trigger.wait(timeout)
        if signal is None:
            return None
        self._count += 1
        signal = replace(signal, part=signal.part or str(self._count))
        self._keep(signal)
        return signal

    def close(self) -> None:
        """Close the trigger."""
        self._trigger.close()
