"""One configuration under measurement, in a process of its own (``trial_process``).

Memory, cold start and work of the processor are figures of a whole process; a process that measured
one variant is no longer cold for the next; and an engine that crashes takes only its own process
along. The process waits between questions, so that several can be asked in turn: what disturbs
the machine for a second then disturbs them all.
"""

import json
import select
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from edgecls import schema
from edgecls.errors import DeviceError
from edgecls_runtime.measuring import environment
from edgecls_runtime.measuring.trial_messages import Ask, Configuration, Ready, Start, Told

# The slowest that a process may be at ending by itself after it was told to.
GRACE_S = 5.0


@dataclass
class Load:
    """What other programs did on this machine while a trial was asked.

    Attributes:
        seconds: Length of all questions.
        others: Core-seconds of other programs in them; None where the machine does not tell.

    """

    seconds: float = 0.0
    others: float | None = field(default=0.0)

    def add(self, seconds: float, busy: float | None, own: float) -> None:
        """Count one question: its length, core-seconds of the machine and of the process."""
        self.seconds += seconds
        if busy is None or self.others is None:
            self.others = None
        else:
            self.others += max(busy - own, 0.0)

    @property
    def others_cores(self) -> float | None:
        """Cores that other programs used, on average."""
        return None if self.others is None or not self.seconds else self.others / self.seconds


class Trial:
    """A configuration, loaded and waiting for questions.

    Attributes:
        configuration: What is measured.
        ready: What it told when it was loaded.
        load: What other programs did meanwhile.

    """

    def __init__(
        self, bundle: Path, frame: Path, configuration: Configuration, limit_s: float | None = None
    ) -> None:
        """Start the process and wait until it has answered once.

        Args:
            bundle: Path of the bundle.
            frame: A JPEG file: what the camera sees.
            configuration: What is measured.
            limit_s: Longest wait for this and for each answer; None waits as long as it takes.

        Raises:
            DeviceError: The process failed, or took longer.

        """
        self.configuration, self._limit_s, self.load = configuration, limit_s, Load()
        start = Start(
            str(bundle),
            str(frame),
            configuration.variant,
            configuration.provider,
            configuration.resampling,
            time.monotonic(),
        )
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed with the trial
        # -P: a file of the user's in this folder must not stand in for a module.
        command = [sys.executable, "-P", "-m", "edgecls_runtime.measuring.trial_process"]
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [*command, json.dumps(asdict(start))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,  # Ctrl-C is for us: we end it
        )
        try:
            self.ready = schema.call(Ready, self._answer(), "trial", DeviceError)
        except BaseException:
            self.close()
            raise

    def ask(self, question: Ask) -> Told:
        """Ask and wait for the answer.

        Raises:
            DeviceError: The process failed, or took longer than its limit.

        """
        began, before = time.monotonic(), environment.busy_seconds()
        assert self._process.stdin is not None  # noqa: S101 - a pipe, see above
        try:
            self._process.stdin.write(json.dumps(asdict(question)) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise DeviceError(f"{self.configuration}: {self._last_words()}") from error
        told = schema.call(Told, self._answer(), "trial", DeviceError)
        after = environment.busy_seconds()
        busy = None if before is None or after is None else after - before
        self.load.add(time.monotonic() - began, busy, told.work_s)
        return told

    def close(self) -> None:
        """End the process; closing twice is allowed."""
        process = self._process
        try:
            process.communicate(timeout=GRACE_S)
        except (subprocess.TimeoutExpired, ValueError, OSError):
            process.kill()
            process.wait()
        self._errors.close()

    def __enter__(self) -> Self:
        """Return the trial."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process."""
        self.close()

    def _answer(self) -> object:
        assert self._process.stdout is not None  # noqa: S101 - a pipe, see above
        ready, _, _ = select.select([self._process.stdout], [], [], self._limit_s)
        if not ready:
            self._process.kill()
            raise DeviceError(f"{self.configuration}: no answer within {self._limit_s:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise DeviceError(f"{self.configuration}: {self._last_words()}")
        return json.loads(line)

    def _last_words(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return lines[-1] if lines else f"ended with code {code} and no message"
