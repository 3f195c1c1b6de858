"""One output and its thread: a verdict is handed over and told; what hangs holds up nobody.

A *momentary* output (a pin, a terminal) is told at once or not at all: late news of a part that has
gone by would be wrong news of the next one. One that *keeps* (a broker, a web hook) is told
everything in order, also what was decided while it was down: it is fed from the journal.
"""

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from edgecls.errors import OutputError, OutputRefused
from edgecls.verdict import Verdict
from edgecls_runtime.figures import Figures, Observing
from edgecls_runtime.journal.ledger import Telling
from edgecls_runtime.journal.rows import row_number
from edgecls_runtime.journal.writing import Journal
from edgecls_runtime.protocols import Beating, Expecting, Ordering, Output, Safeguarding
from edgecls_runtime.telling.settings import Audience

# Verdicts that wait for a momentary output; of those with pictures, which are megabytes, few.
MOST_WAITING, MOST_PICTURES = 1000, 8
# Seconds between two attempts to reach one that is down; each wait is twice the one before.
FIRST_S, LONGEST_S = 0.5, 30.0
PAGE = 200
# Between two times that a busy output's tellings are written down.
WRITE_S = 0.1
DRAIN_S = 2.0
POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Traits:
    """What the file of an output's kind says about it.

    Attributes:
        keeps: It is told everything, in order, also what was decided while it was down.
        ends: A run whose output of this kind fails is over.
        frames: It wants the frames of verdicts.
        patient: What it is told late is still worth telling: it counts, draws or writes down.

    """

    keeps: bool = False
    ends: bool = False
    frames: bool = False
    patient: bool = False


@dataclass(frozen=True, slots=True)
class OutputState:
    """How an output fares, for people and for metrics.

    Attributes:
        name: As of its table.
        fault: Why it is down; empty when it is up.
        backlog: Verdicts that it has yet to be told.
        told: So many it was told in this run; the others likewise.

    """

    name: str
    fault: str
    backlog: int
    told: int
    late: int
    failed: int
    dropped: int


class Outbox(ABC):
    """An output whose ``send`` returns at once; the thread behind it does the telling."""

    def __init__(
        self,
        output: Output,
        audience: Audience,
        journal: Journal | None,
        say: Callable[[str], object],
    ) -> None:
        """Begin to tell.

        Args:
            output: Closed by this.
            audience: Its name, and what it is told.
            journal: Keeps what became of each verdict; None keeps nothing.
            say: Told when the output is lost and when it is back.

        """
        self.name = audience.name
        self._output, self._audience, self._journal, self._say = output, audience, journal, say
        self._fault, self._is_fatal = "", False
        self._states = dict.fromkeys(("told", "late", "failed", "dropped"), 0)
        self._changed = threading.Condition()
        self._stopping = False
        self._ends_at = float("inf")
        self._thread = threading.Thread(target=self._work, name=f"output {self.name}", daemon=True)
        self._thread.start()

    @property
    def state(self) -> OutputState:
        """How it fares at this moment."""
        return OutputState(self.name, self._fault, self.backlog, **self._states)

    @property
    @abstractmethod
    def backlog(self) -> int:
        """Verdicts that it has yet to be told."""

    @abstractmethod
    def send(self, verdict: Verdict) -> None:
        """Hand over one verdict."""

    @abstractmethod
    def _work(self) -> None:
        """Tell until it is closed."""

    def expect(self, part: str, at: float) -> None:
        """Pass on that a part was announced."""
        if isinstance(self._output, Expecting):
            self._output.expect(part, at)

    def observe(self, figures: Callable[[], Figures]) -> None:
        """Let the output ask for figures of the station, if it shows any."""
        if isinstance(self._output, Observing):
            self._output.observe(figures)

    def take_orders(self, order: Callable[[int], object]) -> None:
        """Let the other side order recipes, if it can."""
        if isinstance(self._output, Ordering):
            self._output.take_orders(order)

    def beat(self) -> None:
        """Pass on that the station lives."""
        if isinstance(self._output, Beating):
            self._output.beat()

    def make_safe(self, reason: str) -> None:
        """Have the output enter its safe state, if it has one."""
        if isinstance(self._output, Safeguarding):
            # One that cannot be told is down: that is known and said already. Whatever it raises,
            # the thread that tells it goes on.
            with suppress(Exception):
                self._output.make_safe(reason)

    def finish(self) -> None:
        """Tell what waits, for a moment."""
        with self._changed:
            self._ends_at = min(self._ends_at, time.monotonic() + DRAIN_S)
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(DRAIN_S)

    def close(self) -> None:
        """Tell what waits, for a moment, then release the output; closing twice is allowed."""
        with suppress(OutputError):
            self.finish()
        self._output.close()

    def _is_wanted(self, verdict: Verdict) -> bool:
        return not self._audience.only or verdict.counts_as in self._audience.only

    def _tell(self, verdict: Verdict) -> tuple[str, str]:
        """Tell one verdict; return what became of it, and why it was not told."""
        try:
            self._output.send(verdict)
        except OutputError as error:
            self._lose(str(error), refused=isinstance(error, OutputRefused))
            return "failed", str(error)
        except Exception as error:  # noqa: BLE001 - a thread that dies tells nothing any more
            self._lose(f"output {self.name}: {type(error).__name__}: {error}", refused=False)
            return "failed", str(error)
        if self._fault:
            self._fault = ""
            self._say(f"output {self.name}: told again")
        return "told", ""

    def _lose(self, fault: str, *, refused: bool) -> None:
        if not self._fault and not self._is_fatal:
            self._say(f"output {self.name}: {fault}")
        # A verdict that it does not want is no fault of the line to it.
        self._fault = self._fault if refused else fault
        if not refused:
            self.make_safe(fault)

    def _note(self, verdict: Verdict, state: str, reason: str, *, fresh: bool = True) -> Telling:
        self._states[state] += 1
        after = round(1000 * (time.monotonic() - verdict.decided_at), 3) if fresh else None
        row = row_number(verdict.id) if verdict.id else 0
        return Telling(row, self.name, state, after, reason)


class Momentary(Outbox):
    """Told at once or not at all."""

    def __init__(  # noqa: PLR0913 - as of Outbox, and how it waits
        self,
        output: Output,
        audience: Audience,
        journal: Journal | None,
        say: Callable[[str], object],
        *,
        traits: Traits,
        patience: float | None = 0.0,
    ) -> None:
        """Begin to tell.

        Args:
            output: As of ``Outbox``, like ``audience``, ``journal`` and ``say``.
            audience: Which verdicts.
            journal: Where its tellings are kept.
            say: Told of losses.
            traits: What its kind says.
            patience: Seconds that ``send`` waits where too many verdicts wait already: None, for
                ever, for a folder of images; 0 for a line, which waits for nobody.

        """
        self._traits, self._patience = traits, patience
        self._most = MOST_PICTURES if traits.frames else MOST_WAITING
        self._waiting: deque[Verdict] = deque()
        super().__init__(output, audience, journal, say)
        self._is_fatal = traits.ends  # then its fault is what the run ends with

    @property
    def backlog(self) -> int:
        """Verdicts that it has yet to be told."""
        return len(self._waiting)

    def send(self, verdict: Verdict) -> None:
        """Hand over one verdict.

        Raises:
            OutputError: The output is one without which a run is over, and it has failed.

        """
        if self._traits.ends and self._fault:
            raise OutputError(self._fault)
        if not self._is_wanted(verdict) and not self._is_unkept(verdict):
            return
        with self._changed:
            room = self._changed.wait_for(
                lambda: len(self._waiting) < self._most or self._stopping, self._patience
            )
            if room:
                frame = verdict.frame if self._traits.frames else None
                self._waiting.append(replace(verdict, frame=frame))
                self._changed.notify_all()
                return
        self._keep([self._note(verdict, "dropped", f"{self._most} others were waiting")])

    def finish(self) -> None:
        """Tell what waits, for a moment.

        Raises:
            OutputError: The output is one without which a run is over, and it has failed.

        """
        super().finish()
        if self._traits.ends and self._fault:
            raise OutputError(self._fault)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if not self._waiting:
                    return
                verdict = self._waiting[0]
            if self._is_unkept(verdict):
                self.make_safe(verdict.reason)
                self._forget_first()
                continue
            late = 1000 * (time.monotonic() - verdict.decided_at) > self._audience.window_ms
            if late and not self._traits.patient:
                fault = f"not told within {self._audience.window_ms:g} ms"
                self._lose(fault, refused=False)
                state, reason = "late", fault
            else:
                state, reason = self._tell(verdict)
            note = self._note(verdict, state, reason)
            self._forget_first()
            self._keep([note])

    def _is_unkept(self, verdict: Verdict) -> bool:
        """Return whether a verdict is not on the disk: nobody is told of it."""
        return self._journal is not None and not verdict.id

    def _forget_first(self) -> None:
        with self._changed:
            self._waiting.popleft()
            self._changed.notify_all()

    def _keep(self, notes: Sequence[Telling]) -> None:
        if self._journal is not None:
            self._journal.told(notes)


class Keeping(Outbox):
    """Told everything, in order, from the journal."""

    def __init__(
        self,
        output: Output,
        audience: Audience,
        journal: Journal,
        say: Callable[[str], object],
        *,
        verdicts: Callable[[int, int], list[Verdict]],
    ) -> None:
        """Begin to tell, from the verdict on that this output was not told in an earlier run.

        Args:
            output: As of ``Outbox``, like ``audience`` and ``say``.
            audience: Which verdicts.
            journal: Holds its cursor.
            say: Told of losses.
            verdicts: Reads the journal: row to begin behind, and how many at most.

        """
        self._verdicts = verdicts
        self._through = self._newest = journal.cursor(audience.name)
        self._kept = journal
        # Moments of verdicts of this run, for how long it took to tell them.
        self._decided: dict[int, float] = {}
        super().__init__(output, audience, journal, say)

    @property
    def backlog(self) -> int:
        """Verdicts that it has yet to be told, wanted or not."""
        return max(self._newest - self._through, 0)

    def send(self, verdict: Verdict) -> None:
        """Take note that there is one more."""
        if not verdict.id:
            return
        with self._changed:
            self._newest = row_number(verdict.id)
            if len(self._decided) < MOST_WAITING:
                self._decided[self._newest] = verdict.decided_at
            self._changed.notify_all()

    def _work(self) -> None:
        wait = FIRST_S
        while not self._stopping:
            if self._tell_page():
                wait = FIRST_S
                continue
            with self._changed:
                if self._fault:
                    self._changed.wait_for(lambda: self._stopping, wait)
                    wait = min(2 * wait, LONGEST_S)
                else:
                    self._changed.wait_for(
                        lambda: self._newest > self._through or self._stopping, POLL_S
                    )
        self._tell_page()

    def _tell_page(self) -> bool:
        """Tell the next verdicts; return whether it went on."""
        try:
            page = self._verdicts(self._through, PAGE)
        except Exception as error:  # noqa: BLE001 - a journal may be readable again
            self._lose(f"output {self.name}: its journal: {error}", refused=False)
            return False
        notes: list[Telling] = []
        began, written_at = self._through, time.monotonic()
        for verdict in page:
            if not self._tell_one(verdict, notes):
                break
            self._through = row_number(verdict.id)
            if time.monotonic() - written_at > WRITE_S:
                self._kept.told(notes, (self.name, self._through))
                notes, written_at = [], time.monotonic()
        if self._through > began:
            self._newest = max(self._newest, self._through)
            self._kept.told(notes, (self.name, self._through))
        return self._through > began

    def _tell_one(self, verdict: Verdict, notes: list[Telling]) -> bool:
        """Tell a verdict that is wanted; return whether the next one has its turn."""
        if self._stopping and time.monotonic() > self._ends_at:
            return False
        if not self._is_wanted(verdict):
            self._decided.pop(row_number(verdict.id), None)
            return True
        state, reason = self._tell(verdict)
        if state == "failed" and self._fault:  # it is down: this one is told again
            return False
        decided = self._decided.pop(row_number(verdict.id), None)
        moment = replace(verdict, decided_at=decided or 0.0)
        notes.append(self._note(moment, state, reason, fresh=decided is not None))
        return True
