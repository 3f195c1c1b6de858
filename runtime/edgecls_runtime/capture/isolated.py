"""A camera in a process of its own, which can be ended when a call into its driver hangs.

A thread that hangs in a driver cannot be stopped, and holds the device for ever. A process can: the
operating system takes the device back. Frames come through shared memory, messages as lines of JSON
(``camera_process`` is the other side).
"""

import json
import mmap
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

import numpy as np

from edgecls import errors
from edgecls.errors import CameraError, EdgeclsError, Fault, ImageError
from edgecls.frame import Frame
from edgecls_runtime.capture.coded import Coded, Coding
from edgecls_runtime.capture.undecoded import Undecoded

OPEN_S = 30.0
# What a driver may take beyond the time it was given before its process is ended.
GRACE_S = 1.0
SHARED = "/dev/shm"  # noqa: S108 - memory, shared by name; a temporary folder where it is not there


class Isolation:
    """Where one camera is opened, again and again; the process starts when it is first needed."""

    def __init__(self, table: Mapping[str, object], base: Path = Path()) -> None:
        """Prepare to open the camera of a station file's table.

        Args:
            table: ``kind`` and its settings; they reach the process by a pipe that nobody else
                reads, for they may hold a password.
            base: What relative paths in it are relative to.

        """
        self._table, self._base = dict(table), base
        self._process: _Process | None = None
        self._closed = False

    def open(self, timeout: float = OPEN_S) -> "IsolatedCamera":
        """Open the camera.

        Args:
            timeout: Seconds after which opening counts as hung.

        Raises:
            EdgeclsError: As the camera's own ``open`` says.
            CameraError: It hangs.

        """
        process = self._process
        if process is None or not process.is_alive:
            process = self._process = _Process()
        if self._closed:
            process.end()
        ask = {"open": self._table, "base": str(self._base)}
        answer = process.ask(ask, timeout, f"camera {self._table['kind']}")
        return IsolatedCamera(process, answer)

    def close(self) -> None:
        """End the process, whatever its driver does; closing twice is allowed."""
        self._closed = True
        if self._process is not None:
            self._process.end()


class IsolatedCamera:
    """A camera of another process."""

    def __init__(self, process: "_Process", opened: Mapping[str, object]) -> None:
        """Take over what was opened in a process."""
        self.live, self.fires = bool(opened["live"]), bool(opened["fires"])
        self._process = process
        self._name = "camera"
        self._closed = False

    def read(self, timeout: float) -> Frame:
        """Return the next frame; as ``Camera.read``."""
        return self.take(timeout).decoded()

    def take(self, timeout: float) -> Undecoded:
        """Return the next frame as the driver gave it.

        Raises:
            CameraError: Also when the driver hangs: then its process is ended.

        """
        if self._closed:
            raise CameraError(f"{self._name}: closed", Fault.GONE)
        found = self._process.ask({"take": timeout}, timeout + GRACE_S, self._name)
        self._name = str(found["camera"])
        data = self._process.shared(int(found["bytes"]))  # type: ignore[call-overload]
        shape = tuple(found["shape"])  # type: ignore[arg-type, var-annotated]
        coded = Coded(data.reshape(shape), Coding(str(found["coding"])), str(found["where"]))
        return Undecoded(
            coded,
            int(found["number"]),  # type: ignore[call-overload]
            float(found["captured_at"]),  # type: ignore[arg-type]
            self._name,
            found["part"],  # type: ignore[arg-type]
        )

    def fire(self) -> None:
        """Order a picture; what the camera says to it is said by the next ``take``.

        Raises:
            CameraError: It is closed; another one may be open in its process by now.

        """
        if self._closed:
            raise CameraError(f"{self._name}: closed", Fault.GONE)
        self._process.tell({"fire": True})

    def close(self) -> None:
        """Close the camera; a process whose driver hangs is ended."""
        if not self._closed and self._process.is_alive:
            self._closed = True
            with suppress(EdgeclsError):
                self._process.ask({"close": True}, GRACE_S, self._name)


class _Process:
    """The other side of the pipe."""

    def __init__(self) -> None:
        folder = SHARED if Path(SHARED).is_dir() else None
        self._ended = False
        # The name is needed until the process has opened it; afterwards nobody has to tidy up.
        with tempfile.NamedTemporaryFile(prefix="edgecls-", dir=folder, delete=False) as file:
            path = Path(file.name)
        self._file = path.open("r+b")
        command = [sys.executable, "-m", "edgecls_runtime.camera_process", str(path)]
        self._child = subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._memory: mmap.mmap | None = None
        self._writing = threading.Lock()
        assert self._child.stdout is not None  # noqa: S101 - it was asked for
        self._lines: IO[str] = self._child.stdout
        threading.Thread(target=self._listen, name="camera process", daemon=True).start()
        try:
            self.ask({"hello": True}, OPEN_S, "camera process")
        finally:
            path.unlink(missing_ok=True)

    @property
    def is_alive(self) -> bool:
        return not self._ended and self._child.poll() is None

    def ask(self, question: object, timeout: float, name: str) -> dict[str, object]:
        """Return the answer, raise the error that was answered, or end the process."""
        self.tell(question)
        try:
            line = self._answers.get(timeout=timeout)
        except queue.Empty:
            self.end()
            raise CameraError(
                f"{name}: its driver did not come back within {timeout:g} s; its process was ended",
                Fault.TIMEOUT,
            ) from None
        if line is None:
            self._answers.put(None)
            code = self._child.returncode
            raise CameraError(f"{name}: its process ended by itself (code {code})", Fault.GONE)
        answer: dict[str, object] = json.loads(line)
        if "error" in answer:
            raise _error(answer)
        return answer

    def tell(self, order: object) -> None:
        """Write an order; one that finds nobody is answered by the end of the answers."""
        assert self._child.stdin is not None  # noqa: S101 - it was asked for
        with suppress(OSError, ValueError), self._writing:
            self._child.stdin.write(json.dumps(order) + "\n")
            self._child.stdin.flush()

    def shared(self, count: int) -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
        """Return a copy of the first bytes of the shared memory."""
        memory = self._memory
        if memory is None or len(memory) < count:
            memory = self._memory = mmap.mmap(self._file.fileno(), 0)
        return np.frombuffer(memory, np.uint8, count).copy()

    def _listen(self) -> None:
        for line in self._lines:
            self._answers.put(line)
        self._child.wait()
        self._answers.put(None)
        with self._writing, suppress(OSError):
            self._child.__exit__(None, None, None)  # its pipes
        self._file.close()
        self._memory = None  # which holds a file descriptor of its own

    def end(self) -> None:
        """End the process; one that is held by the kernel is left behind, and never used again."""
        self._ended = True
        self._child.kill()
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(GRACE_S)


def _error(answer: Mapping[str, object]) -> EdgeclsError:
    """Return the error that the other process raised."""
    text, part, fault = (answer.get(key) for key in ("text", "part", "fault"))
    kind = getattr(errors, str(answer["error"]), CameraError)
    # Constructors take what each needs; what was raised is already whole.
    error: EdgeclsError = kind.__new__(kind, text)
    EdgeclsError.__init__(error, text)
    if isinstance(error, ImageError):
        error.part = None if part is None else str(part)
    if isinstance(error, CameraError):
        error.fault = None if fault is None else Fault(str(fault))
    return error
