"""A station: look, classify, judge, write down, tell. No frame, no pass."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from edgecls.errors import CameraError, EndOfStream, ImageError, ProviderError
from edgecls.frame import Frame
from edgecls.prediction import Prediction
from edgecls.verdict import Outcome, Verdict
from edgecls_runtime.protocols import Camera, Output


@dataclass(frozen=True, slots=True)
class Station:
    """One camera, one classifier, one rule, a journal, any number of outputs.

    Attributes:
        camera: Where frames come from.
        classify: Frame in, prediction out.
        judge: Prediction in, verdict out; the only source of a PASS.
        record: Makes a verdict durable before any output is told.
        outputs: Told in this order.
        timeout: Seconds to wait for a frame; then the part is REVIEW.
        max_age: Seconds; an older frame shows the past and is REVIEW.

    """

    camera: Camera
    classify: Callable[[Frame], Prediction]
    judge: Callable[[Prediction], Verdict]
    record: Callable[[Verdict], None] = field(default=lambda _: None)
    outputs: Sequence[Output] = ()
    timeout: float = 1.0
    max_age: float = 1.0

    def run(self, stop: Callable[[], bool], parts: int | None = None) -> Iterator[Verdict]:
        """Inspect parts and yield their verdicts, each already recorded and told.

        Args:
            stop: Asked between two parts; True ends the run.
            parts: End after so many; None goes on until stopped or the stream ends.

        Raises:
            OutputError: The journal or an output failed: no verdict is given that is not kept.

        """
        count = 0
        while not stop() and (parts is None or count < parts):
            try:
                verdict = self.inspect(f"{count + 1}")
            except EndOfStream:
                return
            self.record(verdict)
            for output in self.outputs:
                output.send(verdict)
            count += 1
            yield verdict

    def inspect(self, part: str) -> Verdict:
        """Look at one part and decide; what goes wrong is a REVIEW with the reason.

        Args:
            part: Id of the part, unless the camera knows a better one.

        Raises:
            EndOfStream: There are no more parts.

        """
        try:
            frame = self.camera.read(self.timeout)
        except EndOfStream:
            raise
        except ImageError as error:
            return self._review(str(error), error.part or part)
        except CameraError as error:
            return self._review(str(error), part)
        verdict = self._judge(frame)
        return replace(
            verdict,
            part=frame.part or part,
            frame_number=frame.number,
            captured_at=frame.captured_at,
            decided_at=time.monotonic(),
        )

    def _judge(self, frame: Frame) -> Verdict:
        age = time.monotonic() - frame.captured_at
        if age > self.max_age:
            reason = f"{frame.camera}: frame is {age:.1f} s old > {self.max_age:g} s"
            return Verdict(Outcome.REVIEW, reason)
        try:
            return self.judge(self.classify(frame))
        except (ProviderError, ValueError, MemoryError) as error:
            return Verdict(Outcome.REVIEW, str(error) or "not enough memory")

    def _review(self, reason: str, part: str) -> Verdict:
        return Verdict(Outcome.REVIEW, reason, part=part, decided_at=time.monotonic())
