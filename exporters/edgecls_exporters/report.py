"""What an export proved: as data, as ``report.json`` and as a table for the terminal."""

import json
import math
from dataclasses import asdict, dataclass

from edgecls.metrics import wilson
from edgecls.prediction import Task
from edgecls_exporters.ledger import Flip, Row


@dataclass(frozen=True, slots=True)
class Rung:
    """One way to resize, measured against the exact one on the user's own images.

    Attributes:
        name: Of the manifest's ``Resampling``.
        agreement: Share of images, 0..1, with the answer that the exact resize gives.
        largest_difference: Of any score on any image, 0..1, from the exact resize's.
        milliseconds: Median time per image of the whole preprocessing on the build machine.
        chosen: Whether the bundle uses it.

    """

    name: str
    agreement: float
    largest_difference: float
    milliseconds: float
    chosen: bool


@dataclass(frozen=True, slots=True)
class QuantizedLayer:
    """What quantization did to one layer.

    Attributes:
        name: Of the node.
        operator: ``Conv``, ``Gemm`` or ``MatMul``.
        integer: Whether it runs on integers.
        noise_db: 10 log10(signal / error) of its output on the choosing images; None if unknown.
        sensitivity: By how much the divergence (KL, nats) falls when it alone returns to float;
            None where mending was not needed.
        weight_growth: Mean factor by which bounding pairs grew its weight scales; 1 is untouched.

    """

    name: str
    operator: str
    integer: bool
    noise_db: float | None
    sensitivity: float | None
    weight_growth: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way of quantizing that was tried on the choosing images.

    Attributes:
        ranges: ``minmax``, ``entropy``, ``percentile`` or ``mse``.
        operators: ``all`` in integers that can be, or ``layers`` with weights only.
        float_layers: How many layers it keeps in float.
        divergence: Mean KL of its scores from fp32's, nats.
        agreement: Share of images with fp32's answer, 0..1.
        chosen: Whether the variant is made this way.

    """

    ranges: str
    operators: str
    float_layers: int
    divergence: float
    agreement: float
    chosen: bool


@dataclass(frozen=True, slots=True)
class Quantization:
    """How an int8 variant was made.

    Attributes:
        variant: Its name.
        target: The kernels it is for.
        attempts: In the order they were tried.
        layers: In the order of the graph.
        temperature: The logits were divided by this, to keep scores comparable with fp32's.

    """

    variant: str
    target: str
    attempts: tuple[Attempt, ...]
    layers: tuple[QuantizedLayer, ...]
    temperature: float


@dataclass(frozen=True, slots=True)
class Report:
    """What an export proved.

    Attributes:
        name: Of the bundle.
        task: How scores are read.
        labels: In the order of the scores.
        rows: The ledger: the original first; empty without images.
        variants: Names of the rows that are variants of the bundle.
        left_out: Why a variant is not in the bundle, by its name.
        calibrated: Images that calibration used; none of them is measured.
        chosen_on: Images that ways of quantizing were compared on; none of them is measured.
        rungs: Ways to resize that were measured; empty without images.
        quantizations: How each integer variant was made, the left-out ones too.
        flips: Measured images that a variant answers otherwise than the original.
        duplicates: Files with the content of another, left out.
        skipped: Messages of the files that could not be read.

    """

    name: str
    task: Task
    labels: tuple[str, ...]
    rows: tuple[Row, ...]
    variants: tuple[str, ...]
    left_out: dict[str, str]
    calibrated: int
    chosen_on: int
    duplicates: int
    skipped: tuple[str, ...]
    rungs: tuple[Rung, ...] = ()
    quantizations: tuple[Quantization, ...] = ()
    flips: tuple[Flip, ...] = ()

    def to_json(self) -> str:
        """Return the text of ``report.json``."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    def text(self) -> str:
        """Return the table for a terminal."""
        if not self.rows:
            return self.images() + "\n"
        head = "variant    top-1    95 % interval      agreement  p        size      engine"
        lines = [head, *(_line(row) for row in self.rows), self.images()]
        lines += [f"left out: {name}: {reason}" for name, reason in self.left_out.items()]
        return "\n".join(lines) + "\n"

    def images(self) -> str:
        """Say what was measured on what."""
        if not self.rows:
            return "no images (--data DIR): nothing was measured but the golden samples"
        return (
            f"measured on {self.rows[0].images} images, calibrated on {self.calibrated} others; "
            f"{self.duplicates} duplicates and {len(self.skipped)} unreadable files left out"
        )


HEAD = ("variant", "top-1", "95 % interval", "agreement", "p", "size", "engine, here")


def _line(row: Row) -> str:
    name, top1, interval, agreement, p, size, engine = cells(row)
    return f"{name:9}  {top1:7}  {interval:17}  {agreement:9}  {p:7}  {size:8}  {engine}"


def cells(row: Row) -> tuple[str, ...]:
    """Return a row's cells, in the order of ``HEAD``."""
    interval = top1 = p = "-"
    if row.accuracy is not None and row.drop_p is not None:
        low, high = wilson(round(row.accuracy * row.images), row.images)
        top1, interval = percent(row.accuracy), f"{percent(low)} .. {percent(high)}"
        p = f"{row.drop_p:.2f}"
    size = "-" if row.size_bytes is None else f"{row.size_bytes / 1e6:.1f} MB"
    engine = "-" if row.engine_ms is None else f"{row.engine_ms:.1f} ms"
    if row.name == "pytorch":
        return row.name, top1, interval, "-", "-", size, engine
    return row.name, top1, interval, percent(row.agreement), p, size, engine


def percent(value: float) -> str:
    """Return a share, 0..1, as a reader wants it."""
    return "-" if math.isnan(value) else f"{100 * value:.2f} %"
