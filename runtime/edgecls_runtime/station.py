"""A station: look, classify, judge, write down, tell. No frame, no pass."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from edgecls.errors import (
    CameraError,
    EndOfStream,
    FrameMissed,
    ImageError,
    NoPart,
    ProviderError,
    TriggerError,
)
from edgecls.frame import Frame
from edgecls.verdict import Cause, Outcome, Verdict
from edgecls_runtime.capture.burst import Burst
from edgecls_runtime.protocols import Camera, Output

# What the classifier says of a frame: one prediction, or one for each place.
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Station(Generic[Answer]):
    """One camera, one classifier, one rule, a journal, any number of outputs.

    Attributes:
        camera: Where frames come from.
        classify: Frame in, prediction out; or one for each place that is looked at.
        judge: That in, verdict out; the only source of a PASS.
        fault: What is wrong with a frame, in one line; empty for one that may be judged.
        turn: Entered to classify; stations that share a classifier take turns in it.
        telling: Entered to record and to tell; stations that share a journal take turns in it.
        name: Begins the ids of its parts, where several stations share a journal.
        record: Makes a verdict durable before any output is told, and returns it as it is kept.
        outputs: Told in this order, each by a thread of its own: none of them waits.
        beat: Called at each verdict and each wait for a part, for who watches for signs of life.
        ended: Called when no more parts come: nobody waits for its signs of life any longer.
        fingerprint: SHA-256 of the pixels that the network got of a frame.
        settle: Verdicts of the frames of one part in, its verdict out; also where it has none.
        announced: Whether something announces parts: then a camera that is lost is no part.
        timeout: Seconds to wait for a frame; then the part is REVIEW.
        max_age: Seconds; an older frame shows the past and is REVIEW.

    """

    camera: Camera
    classify: Callable[[Frame], Answer]
    judge: Callable[[Answer], Verdict]
    record: Callable[[Verdict], Verdict] = field(default=lambda verdict: verdict)
    outputs: Sequence[Output] = ()
    timeout: float = 1.0
    max_age: float = 1.0
    fault: Callable[[Frame], str] = field(default=lambda _: "")
    turn: AbstractContextManager[object] = field(default_factory=nullcontext)
    telling: AbstractContextManager[object] = field(default_factory=nullcontext)
    name: str = ""
    beat: Callable[[], object] = field(default=lambda: None)
    ended: Callable[[], object] = field(default=lambda: None)
    fingerprint: Callable[[Frame], str] = field(default=lambda _: "")
    announced: bool = False
    settle: Callable[[Sequence[Verdict]], Verdict] = field(default=lambda verdicts: verdicts[0])

    def run(self, stop: Callable[[], bool], parts: int | None = None) -> Iterator[Verdict]:
        """Inspect parts and yield their verdicts, each already recorded and told.

        Args:
            stop: Asked between two parts; True ends the run.
            parts: End after so many; None goes on until stopped or the stream ends.

        Raises:
            OutputError: An output without which the run is over has failed.

        """
        for verdict in self.inspected(stop, parts):
            yield self.deliver(verdict)

    def inspected(self, stop: Callable[[], bool], parts: int | None = None) -> Iterator[Verdict]:
        """Inspect parts and yield their verdicts, which nobody has been told; as ``run``."""
        count = 0
        try:
            while not stop() and (parts is None or count < parts):
                self.beat()
                try:
                    verdict = self.inspect(str(count + 1))
                except NoPart:
                    continue
                except EndOfStream:
                    return
                count += 1
                yield verdict
        finally:
            self.ended()

    def deliver(self, verdict: Verdict) -> Verdict:
        """Record a verdict and tell it; return it as it is kept.

        Raises:
            OutputError: An output without which the run is over has failed.

        """
        with self.telling:
            verdict = self.record(verdict)
            for output in self.outputs:
                output.send(verdict)
        return verdict

    def inspect(self, part: str) -> Verdict:
        """Look at one part and decide; what goes wrong is a REVIEW with the reason.

        Args:
            part: Id of the part, unless the camera knows a better one; the station's name is put
                before it.

        Raises:
            NoPart: None was announced.
            EndOfStream: There are no more parts.

        """
        found = self._read(part)
        if isinstance(found, Verdict):
            return self.settle([found])
        if not isinstance(found, Burst):
            return self.settle([self._seen(found, part)])
        verdicts = [self._seen(shot, found.part or part) for shot in found.shots]
        return replace(self.settle(verdicts), decided_at=time.monotonic())

    def _read(self, part: str) -> Frame | Verdict:
        """Return the next frame, or the verdict of a part that has none."""
        began = time.monotonic()
        try:
            return self.camera.read(self.timeout)
        except (EndOfStream, NoPart):
            raise
        except ImageError as error:
            return self._damaged(error, part)
        except CameraError as error:
            # One that is gone says so at once: one review each time-out, not thousands a second.
            time.sleep(max(began + self.timeout - time.monotonic(), 0.0))
            return self._review(str(error), part, self._no_part)
        except TriggerError as error:
            return self._review(str(error), part, Cause.INCIDENT)

    def _seen(self, frame: Frame | ImageError, part: str) -> Verdict:
        """Return the verdict of one frame of a part."""
        if isinstance(frame, ImageError):
            return self._damaged(frame, part)
        return replace(
            self._judge(frame),
            part=self._named(frame.part or part),
            camera=self.name,
            frame_number=frame.number,
            captured_at=frame.captured_at,
            announced_at=frame.announced_at,
            decided_at=time.monotonic(),
            image_sha256=self.fingerprint(frame),
            frame=frame,
        )

    def _damaged(self, error: ImageError, part: str) -> Verdict:
        cause = Cause.MISSED if isinstance(error, FrameMissed) else Cause.JUDGED
        review = self._review(str(error), error.part or part, cause)
        return replace(review, announced_at=error.announced_at)

    @property
    def _no_part(self) -> Cause:
        """What a camera without a frame counts as."""
        return Cause.INCIDENT if self.announced else Cause.ERROR

    def _judge(self, frame: Frame) -> Verdict:
        if fault := self.fault(frame):
            return Verdict(Outcome.REVIEW, fault)
        with self.turn:
            age = time.monotonic() - frame.captured_at  # after the wait for the turn
            if age > self.max_age:
                reason = f"{frame.camera}: frame is {age:.1f} s old > {self.max_age:g} s"
                return Verdict(Outcome.REVIEW, reason)
            try:
                return self.judge(self.classify(frame))
            except (ProviderError, ValueError, MemoryError) as error:
                reason = str(error) or "not enough memory"
                return Verdict(Outcome.REVIEW, reason, cause=Cause.ERROR)

    def _review(self, reason: str, part: str, cause: Cause) -> Verdict:
        return Verdict(
            Outcome.REVIEW,
            reason,
            part=self._named(part),
            camera=self.name,
            decided_at=time.monotonic(),
            cause=cause,
        )

    def _named(self, part: str) -> str:
        return f"{self.name} {part}" if self.name else part
