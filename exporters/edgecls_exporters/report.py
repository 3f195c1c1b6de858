"""What an export proved: as data, as ``report.json`` and as a table for the terminal."""

import json
import math
import textwrap
from dataclasses import asdict, dataclass
from typing import Any

from edgecls.metrics import wilson
from edgecls.prediction import Task
from edgecls_exporters.figures import NOTHING, file_size, milliseconds, percent, probability
from edgecls_exporters.ledger import Flip, Row

HEAD = ("variant", "top-1", "95 % interval", "agreement", "p", "size", "engine")
COLUMNS = 100
# Layers that a reason names.
WORST = 3
# A table keeps these widths, so that one export reads like the next.
LEAST_WIDTHS = (9, 7, 18, 9, 7, 8, 6)


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
        operators: As ``quantization.Plan.operators``.
        float_layers: How many layers it keeps in float.
        divergence: Mean KL of its scores from fp32's, nats, once its head is refitted.
        agreement: Share of images with fp32's answer, 0..1, likewise.
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
        max_drop: Points of top-1 (without labels: % of answers) that a variant may lose; None if
            there is no budget.
        duplicates: Files with the content of another, left out.
        skipped: Messages of the files that could not be read.
        suspicions: Changes of preprocessing that would make a foreign model more accurate.

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
    max_drop: float | None = None
    suspicions: tuple[str, ...] = ()

    def data(self) -> dict[str, Any]:
        """Return what JSON can hold: None for what is not a finite number."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    def to_json(self) -> str:
        """Return the text of ``report.json``."""
        text = json.dumps(self.data(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        # A file name may hold bytes that are no UTF-8; JSON has an escape for them.
        return text.encode("utf-8", "backslashreplace").decode("utf-8")

    def text(self) -> str:
        """Return the table for a terminal: the original, then what ships and what was left out."""
        said = self.images()
        lines = said.split("; ", 1) if len(said) > COLUMNS else [said]
        lines += _reasons({name: self._reason(name) for name in self.left_out})
        if self.rows:
            wanted = {*self.variants, *self.left_out}
            shown = [self.rows[0], *(row for row in self.rows[1:] if row.name in wanted)]
            lines = [*_aligned([HEAD, *map(cells, shown)]), *lines]
        return "\n".join(lines) + "\n"

    def _reason(self, name: str) -> str:
        """Return why a variant is left out, with the layers that broke it where that is known."""
        made = next((one for one in self.quantizations if one.variant == name), None)
        worst = "" if made is None else _worst_layers(made.layers)
        return "; ".join(filter(None, (self.left_out[name], worst)))

    def images(self) -> str:
        """Say what was measured on what."""
        if not self.rows:
            return "no images (--data DIR): nothing was measured but the golden samples"
        chosen = f", chosen on {self.chosen_on} others" if self.chosen_on else ""
        return (
            f"measured on {self.rows[0].images} images, calibrated on {self.calibrated} others"
            f"{chosen}; "
            f"{self.duplicates} duplicates and {len(self.skipped)} unreadable files left out"
        )


def cells(row: Row) -> tuple[str, ...]:
    """Return a row's cells, in the order of ``HEAD``; the original is compared with nothing."""
    agreement, p = percent(row.agreement), probability(row.drop_p)
    if row.after is None:
        agreement = p = NOTHING
    return (
        row.name,
        percent(row.accuracy),
        interval(row),
        agreement,
        p,
        file_size(row.size_bytes),
        milliseconds(row.engine_ms),
    )


def interval(row: Row) -> str:
    """Return where a row's top-1 lies with 95 % confidence."""
    if row.accuracy is None or math.isnan(row.accuracy):
        return NOTHING
    low, high = wilson(round(row.accuracy * row.images), row.images)
    return f"{percent(low)} .. {percent(high)}"


def _worst_layers(layers: tuple[QuantizedLayer, ...]) -> str:
    """Name the integer layers that the scores feel most, or else those with the most noise."""
    integer = [layer for layer in layers if layer.integer]
    felt = [(layer.sensitivity, layer.name) for layer in integer if (layer.sensitivity or 0) > 0]
    noisy = [(-layer.noise_db, layer.name) for layer in integer if layer.noise_db is not None]
    said = "most sensitive" if felt else "noisiest"
    named = [name for _, name in sorted(felt or noisy, reverse=True)[:WORST]]
    return f"{said} layers: {', '.join(named)}" if named else ""


def _aligned(lines: list[tuple[str, ...]]) -> list[str]:
    widths = [
        max(least, *map(len, column))
        for least, column in zip(LEAST_WIDTHS, zip(*lines, strict=True), strict=True)
    ]
    return [
        "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def _reasons(left_out: dict[str, str]) -> list[str]:
    """Return a line for each variant that is left out, folded under its reason when long."""
    width = max(map(len, left_out), default=0) + 1
    lines = []
    for name, reason in left_out.items():
        head = f"left out: {name + ':':{width}} "
        folded = textwrap.wrap(
            reason,
            COLUMNS,
            initial_indent=head,
            subsequent_indent=" " * len(head),
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines += folded or [head.rstrip()]
    return lines


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
