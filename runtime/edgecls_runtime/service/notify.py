"""Tell systemd that the station is ready, what it does, and that it lives (``sd_notify``).

It lives while it goes through its loop, not while a timer runs: ``beat`` is called by the loop, and
of several stations each must have beaten before the next sign of life is sent. Nothing here waits
for the other side for longer than a second, and nothing fails: a station works also unwatched.

Where there is no systemd, a container's health check looks at a file instead (``EDGECLS_ALIVE``).
"""

import os
import socket
import threading
import time
from collections.abc import Callable, MutableMapping
from pathlib import Path

from edgecls.progress import Level, tell

SOCKET, WATCHDOG, WATCHDOG_PID, ALIVE = (
    "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "EDGECLS_ALIVE",
)  # fmt: skip
# Signs of life in the time of one watchdog: one may be late, and one lost.
SIGNS = 4
# Seconds between two of them at most, where no watchdog asks for more.
EVERY_S = 5.0
# systemd reads its socket at once; what it does not read in this time is not said.
SEND_S = 1.0


class Notifier:
    """What a station tells whoever watches it.

    Attributes:
        watched: Whether it is killed when it gives no sign of life.

    """

    def __init__(
        self,
        address: str = "",
        watchdog: float = 0.0,
        alive: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to be watched.

        Args:
            address: Path of a datagram socket, or ``@`` and an abstract name; empty: nobody.
            watchdog: Seconds without a sign of life after which the station is killed; 0 is never.
            alive: A file whose time of change is the last sign of life; None writes none.
            clock: Monotonic seconds.

        """
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._alive, self._clock = alive, clock
        self._every = min(watchdog / SIGNS, EVERY_S) if watchdog > 0 else EVERY_S
        self.watched = bool(address) and watchdog > 0
        self._beats_are_told = bool(alive) or self.watched
        self._stations: list[Beats] = []
        self._lock = threading.Lock()
        self._due = float("-inf")
        self._said: set[str] = set()
        self._own: Beats | None = None
        self._socket = _opened() if address else None

    def ready(self, text: str = "") -> None:
        """Say that everything is open and parts may come; also that a reload is over."""
        self._live()
        self._send("READY=1" + (f"\nSTATUS={_line(text)}" if text else ""))

    def status(self, text: str) -> None:
        """Say in one line what the station does, for ``systemctl status``."""
        self._send(f"STATUS={_line(text)}")

    def reloading(self) -> None:
        """Say that the station file is read again; ``ready`` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the last part is being finished."""
        self._send("STOPPING=1")

    def beat(self) -> None:
        """Take note that the station went through its loop, where there is only one."""
        if self._beats_are_told:
            if self._own is None:
                self._own = self.beating()
            self._own.beat()

    def beating(self) -> "Beats":
        """Return what one of several stations beats; until it is closed all wait for it."""
        beats = Beats(self._beaten if self._beats_are_told else None, self._stations.remove)
        with self._lock:
            self._stations.append(beats)
        return beats

    def close(self) -> None:
        """Tell nobody any more; closing twice is allowed."""
        found, self._socket = self._socket, None
        self._beats_are_told = False
        if found is not None:
            found.close()

    def _beaten(self) -> None:
        """Send a sign of life, if it is time for one and every station has given one."""
        if (now := self._clock()) < self._due:
            return
        with self._lock:
            if not all(beats.beaten for beats in self._stations):
                return
            for beats in self._stations:
                beats.beaten = False
            self._due = now + self._every
        self._live()
        if self.watched:
            self._send("WATCHDOG=1")

    def _live(self) -> None:
        if self._alive is None:
            return
        try:
            self._alive.touch()
        except OSError as error:
            self._once(f"{ALIVE}: {self._alive}: {error.strerror}; expected a file to write to")

    def _send(self, text: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(text.encode(), self._address)
        except TimeoutError:
            self._once(f"{SOCKET}: nobody reads it; is the service manager busy?")
        except OSError as error:
            shown = self._address.replace("\0", "@")
            self._once(f"{SOCKET}: {shown}: {error.strerror}; expected the service manager's")

    def _once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            tell(text, Level.WARNING)


class Beats:
    """Signs of life of one station (``Beating``).

    Attributes:
        beaten: Whether it gave one since the last that was sent on.

    """

    def __init__(
        self, beaten: Callable[[], None] | None, remove: Callable[["Beats"], None]
    ) -> None:
        """Begin without one.

        Args:
            beaten: Told of each; None where nobody wants to know.
            remove: Told at the end.

        """
        self.beaten = False
        self._told, self._remove = beaten, remove

    def beat(self) -> None:
        """Take note that the station went through its loop."""
        if self._told is not None:
            self.beaten = True
            self._told()

    def close(self) -> None:
        """Be waited for no longer: this station is at its end; closing twice is allowed."""
        self._told = None
        try:
            self._remove(self)
        except ValueError:
            return


def from_environment(environment: MutableMapping[str, str] = os.environ) -> Notifier:
    """Return what tells whoever the environment names; nobody, where it names none.

    The names are taken out of it: processes of cameras must not speak for the station.
    """
    address, usec = environment.pop(SOCKET, ""), environment.pop(WATCHDOG, "")
    pid, alive = environment.pop(WATCHDOG_PID, ""), environment.get(ALIVE, "")
    if address and address[0] not in "/@":
        tell(f"{SOCKET}: {address}: expected a path or @name; nobody is told", Level.WARNING)
        address = ""
    ours = pid in ("", str(os.getpid()))
    watchdog = int(usec) / 1e6 if ours and usec.isdecimal() else 0.0
    return Notifier(address, watchdog, Path(alive) if alive else None)


def age_of(alive: Path) -> float | None:
    """Return the seconds since the last sign of life in a file; None where there is none.

    A clock that was set back makes it 0.
    """
    try:
        return max(time.time() - alive.stat().st_mtime, 0.0)
    except OSError:
        return None


def _opened() -> socket.socket:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    found.settimeout(SEND_S)
    return found


def _line(text: str) -> str:
    return " ".join(text.split())
