"""Reports for tests: the real ledger over answers that are drawn from a seed."""

from dataclasses import dataclass, replace

import numpy as np

from edgecls.manifest import Input, Manifest, Precision, Preprocessing, Variant
from edgecls.prediction import Task
from edgecls_exporters import ledger
from edgecls_exporters.ledger import Row
from edgecls_exporters.report import Attempt, Quantization, QuantizedLayer, Report, Rung

# Name, row before it, noise on the logits, size of the file in bytes, time in ms.
STEPS = (
    ("graph", "pytorch", 1e-6, None, None),
    ("normalisation", "graph", 1e-6, None, None),
    ("resize", "normalisation", 0.01, None, None),
    ("fp32", "resize", 0.0, 18_600_000, 9.7),
    ("int8-x86-avx2 exact", "fp32", 0.12, None, None),
    ("int8-x86-avx2", "int8-x86-avx2 exact", 0.02, 4_950_000, 6.1),
    ("int8-arm", "fp32", 0.15, 4_940_000, 7.9),
    ("int8-tensorrt", "fp32", 0.9, 5_010_000, None),
)
KEPT = ("fp32", "int8-x86-avx2", "int8-arm")
LEFT_OUT = "int8-tensorrt"


@dataclass(frozen=True)
class Drawn:
    """What is drawn.

    Attributes:
        labels: Names.
        images: How many.
        seed: Decides all.
        labelled: Whether the truth is known.
        noise: Factor on the noise of every step; 0 changes no answer.
        layers: Of each integer variant.
        files: Names of the images; made up when empty.

    """

    labels: tuple[str, ...] = ("good", "scratch", "dent", "stain")
    images: int = 372
    seed: int = 0
    labelled: bool = True
    noise: float = 1.0
    layers: int = 53
    files: tuple[str, ...] = ()


def drawn_report(drawn: Drawn) -> Report:
    """Return a report with every part."""
    random = np.random.default_rng(drawn.seed)
    truth = random.integers(0, len(drawn.labels), drawn.images)
    logits = random.normal(0, 1, (drawn.images, len(drawn.labels)))
    logits[np.arange(drawn.images), truth] += 2.2 + 0.5 * np.log(len(drawn.labels))
    images = ledger.Truth(drawn.labels, truth if drawn.labelled else None, drawn.labels[:1])
    found = {"pytorch": _answers("pytorch", logits)}
    step_logits = {"pytorch": logits}
    rows = [ledger.row(found["pytorch"], found["pytorch"], None, images)]
    for name, after, noise, size, engine in STEPS:
        added = random.normal(0, 1, logits.shape) * noise * drawn.noise
        step_logits[name] = step_logits[after] + added
        found[name] = _answers(name, step_logits[name])
        row = ledger.row(found[name], found["pytorch"], found[after], images)
        rows.append(replace(row, size_bytes=size, engine_ms=engine))
    files = drawn.files or tuple(f"{drawn.labels[t]}/{i:04}.jpg" for i, t in enumerate(truth))
    variants = [found[name] for name in (*KEPT, LEFT_OUT)]
    return Report(
        name="bolt",
        task=Task.MULTICLASS,
        labels=drawn.labels,
        rows=tuple(rows),
        variants=KEPT,
        left_out={LEFT_OUT: _reason(rows[-1])},
        calibrated=128,
        chosen_on=64,
        duplicates=2,
        skipped=("photos/good/0007.jpg: empty file; expected an image",),
        rungs=_rungs(),
        quantizations=tuple(
            _quantization(name, drawn.layers, random)
            for name in ("int8-x86-avx2", "int8-arm", "int8-tensorrt")
        ),
        flips=ledger.flips(files, variants, found["pytorch"], images),
        max_drop=1.0,
    )


def empty_report() -> Report:
    """Return the report of an export without images."""
    return Report(
        name="bolt",
        task=Task.MULTICLASS,
        labels=("good", "scratch"),
        rows=(),
        variants=("fp32",),
        left_out={},
        calibrated=0,
        chosen_on=0,
        duplicates=0,
        skipped=(),
    )


def manifest_of(report: Report) -> Manifest:
    """Return a manifest that fits a report."""
    rows: dict[str, Row] = {row.name: row for row in report.rows}
    variants = tuple(_variant(name, rows.get(name)) for name in report.variants)
    return Manifest(
        name=report.name,
        version="3",
        task=report.task,
        labels=report.labels,
        thresholds=(),
        preprocessing=Preprocessing((224, 224), (256, 256)),
        variants=variants,
        files={variant.file: "" for variant in variants},
        provenance={"source": "timm:tf_efficientnet_lite0", "made": "2026-01-31T12:00:00+00:00"},
    )


def _answers(
    name: str, logits: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> ledger.Answers:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    scores = (powers / powers.sum(1, keepdims=True)).astype(np.float32)
    answers = scores.argmax(1)
    # As ``ledger.answered`` reads them, all at once: a thousand labels take their time.
    return ledger.Answers(name, scores, answers, np.eye(scores.shape[1], dtype=bool)[answers])


def _reason(row: Row) -> str:
    lost = 100 * (1 - row.agreement) if row.drop is None else row.drop
    what = "% of answers changed" if row.drop is None else "points of top-1 lost"
    return f"{lost:.2f} {what} on {row.images} images; the budget is 1 (--max-drop)"


def _variant(name: str, row: Row | None) -> Variant:
    precision, _, target = name.partition("-")
    return Variant(
        name=name,
        file=f"model.{name}.onnx",
        precision=Precision(precision),
        target=target or "any",
        input=Input.UINT8_NHWC,
        size_bytes=row.size_bytes if row and row.size_bytes else 18_600_000,
        tolerance=0.05,
    )


def _rungs() -> tuple[Rung, ...]:
    return (
        Rung("exact", 1.0, 0.0, 4.1, chosen=False),
        Rung("pyramid", 0.9973, 0.021, 1.3, chosen=True),
        Rung("bilinear", 0.981, 0.4, 0.8, chosen=False),
    )


def _quantization(variant: str, count: int, random: np.random.Generator) -> Quantization:
    kept = set(random.choice(count, min(2, count), replace=False).tolist()) if count else set()
    layers = tuple(
        QuantizedLayer(
            name=f"/blocks/blocks.{i // 3}/conv_{i % 3}/Conv",
            operator="Conv" if i + 1 < count else "Gemm",
            integer=i not in kept,
            noise_db=None if i in kept else float(random.normal(28, 6)),
            sensitivity=float(10 ** random.normal(-3.5 + 2 * (i in kept), 0.7)),
            weight_growth=float(random.uniform(1, 1.5)) if "avx2" in variant else 1.0,
        )
        for i in range(count)
    )
    attempts = (
        Attempt("minmax", "all", 0, 0.031, 0.953, chosen=False),
        Attempt("entropy", "all", 0, 0.044, 0.937, chosen=False),
        Attempt("mse", "layers", 0, 0.012, 0.969, chosen=False),
        Attempt("mse", "layers", 2, 0.004, 0.984, chosen=True),
    )
    return Quantization(variant, variant.removeprefix("int8-"), attempts, layers, 1.031)
