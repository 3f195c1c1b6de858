"""One trigger for several cameras: each part that is announced is a part of every camera."""

import threading

from edgecls.errors import TriggerError
from edgecls_runtime.announcements import Announcements, Signal
from edgecls_runtime.protocols import Trigger

WAIT_S = 0.5
LOST_S = 0.1
GRACE_S = 2.0


class End:
    """What one camera hears of a trigger that it shares.

    Attributes:
        heard: Parts that wait for this camera.
        fault: Why nothing more is heard; empty while the trigger works.

    """

    def __init__(self) -> None:
        """Begin with nothing heard."""
        self.heard = Announcements()
        self.fault = ""

    def wait(self, timeout: float) -> Signal | None:
        """Return the next part, as ``Trigger.wait``.

        Raises:
            TriggerError: The trigger is gone, and whatever it announced before was heard.

        """
        fault = self.fault
        signal = self.heard.wait(0.0 if fault else timeout)
        if fault and signal is None:
            raise TriggerError(fault)
        return signal

    def close(self) -> None:
        """Do nothing: the trigger is everybody's."""


class Relay:
    """Listens to a trigger and passes on what it announces.

    Attributes:
        ends: One for each camera.

    """

    def __init__(self, trigger: Trigger, cameras: int) -> None:
        """Begin to listen to a trigger, which is closed by this, for so many cameras."""
        self.ends = [End() for _ in range(cameras)]
        self._trigger = trigger
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="trigger", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening; closing twice is allowed."""
        self._stopping.set()
        self._thread.join(GRACE_S)
        self._trigger.close()

    def _listen(self) -> None:
        while not self._stopping.is_set():
            fault, signal = "", None
            try:
                signal = self._trigger.wait(WAIT_S)
            except Exception as error:  # noqa: BLE001 - a thread that dies announces nothing more
                fault = str(error) or type(error).__name__
                self._stopping.wait(LOST_S)
            for end in self.ends:
                end.fault = fault
                if signal is not None:
                    end.heard.put(signal.part, signal.at)
