"""The recipe, top to bottom: a trained model goes in, a proven bundle comes out, or nothing.

Every figure in the bundle is measured by the runtime's own code on images that calibration never
saw. A variant that loses more than the budget is left out.
"""

import platform
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

from edgecls import __version__, bundle
from edgecls.bundle import Bundle
from edgecls.errors import ExportError, ParityError
from edgecls.manifest import Input, Manifest, Precision, Variant
from edgecls.prediction import Task
from edgecls.progress import step
from edgecls_exporters import golden, ledger, page, proof
from edgecls_exporters.graph import describe, export_graph
from edgecls_exporters.inputs import Inputs, Job, read
from edgecls_exporters.quantization import quantize
from edgecls_exporters.report import Report
from edgecls_runtime.benchmark import Wanted, measure
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.golden import Sample
from edgecls_runtime.providers import cpu

# Largest difference of a score that a golden sample may show on a device. Seen between processors:
# 3e-7 (fp32) and 4e-7 (int8 with bounded pairs; up to 0.3 where pairs saturate).
TOLERANCE = {Precision.FP32: 1e-3, Precision.INT8: 0.05}
# The fp32 graph is the same arithmetic in another order; more than this is a fault, not rounding.
FP32_DIFFERENCE = 1e-2
TIMED_FRAMES = 50


def export(job: Job) -> Report:
    """Export, quantize, measure, and write the bundle if it holds what it promises.

    Raises:
        ExportError: An input is wrong, or the model cannot be exported.
        ParityError: The exported model does not answer as the original does.
        BundleError: Something stands at the target.

    """
    bundle.refuse_existing(job.target, force=job.force)
    inputs = read(job)
    reference = None
    if inputs.images.measure:
        reference = proof.original_answers(
            inputs.original, inputs.images.measure, job.task, inputs.thresholds
        )
    with bundle.writing(job.target, force=job.force) as folder:
        precisions = _write_models(job, inputs, folder)
        variants = [_variant(folder, precision) for precision in precisions]
        bundle.seal(folder, _manifest(job, inputs, variants))
        classifiers = _classifiers(folder, variants)
        rows, left_out = _prove(job, inputs, reference, classifiers)
        for name in left_out:
            (folder / f"model.{name}.onnx").unlink()
        kept = [classifier for classifier in classifiers if classifier.variant.name not in left_out]
        samples = _golden_images(job, inputs, reference)
        _check_golden(golden.write(folder, samples, inputs.original, job.task, kept))
        bundle.seal(folder, _manifest(job, inputs, [classifier.variant for classifier in kept]))
        speeds = _speeds(folder, kept)
        rows = [replace(row, engine_ms=speeds.get(row.name)) for row in rows]
        result = _report(job, inputs, rows, left_out)
        # Sealed before the page is written too: the page shows the golden files of the manifest.
        manifest = bundle.seal(folder, _manifest(job, inputs, _preferred(kept, rows, speeds)))
        (folder / "report.json").write_text(result.to_json(), encoding="utf-8")
        (folder / "report.html").write_text(page.render(result, manifest), encoding="utf-8")
        bundle.seal(folder, manifest)
    return result


def _write_models(job: Job, inputs: Inputs, folder: Path) -> list[Precision]:
    step("fp32: exporting the graph")
    original = inputs.original
    graph = export_graph(original, job.task)
    models: dict[Precision, ModelProto] = {Precision.FP32: graph}
    wanted = job.precisions or (Precision.FP32, Precision.INT8)
    if Precision.INT8 in wanted:
        if inputs.images.calibrate:
            models[Precision.INT8] = quantize(
                graph, inputs.images.calibrate, original.preprocessing
            )
        elif job.precisions is not None:
            raise ExportError("int8: needs images to calibrate and to measure; give --data DIR")
        else:
            step("int8: left out, there are no images to calibrate on (--data DIR)")
    for precision, model in models.items():
        describe(model, inputs.labels, job.task, inputs.thresholds, original.preprocessing)
        onnx.save(model, folder / f"model.{precision}.onnx")
    return list(models)


def _classifiers(folder: Path, variants: list[Variant]) -> list[Classifier]:
    opened = Bundle.open(folder)
    return [Classifier(opened, cpu.open(), variant.name) for variant in variants]


def _prove(
    job: Job,
    inputs: Inputs,
    reference: ledger.Answers | None,
    classifiers: list[Classifier],
) -> tuple[list[ledger.Row], dict[str, str]]:
    """Measure every variant; return the table, and why a variant is left out, by its name."""
    if reference is None:
        return [], {}
    data, labels = inputs.images.measure, inputs.labels
    truth = ledger.known([item.label for item in data], labels, ())
    rows = [ledger.row(reference, reference, None, truth)]
    left_out = {}
    for classifier in classifiers:
        answers = proof.variant_answers(classifier, data)
        line = replace(
            ledger.row(answers, reference, reference, truth),
            size_bytes=classifier.variant.size_bytes,
        )
        rows.append(line)
        fault = _fault(line, rows[0], classifier.variant.precision, job)
        if not fault:
            continue
        if classifier.variant.precision is Precision.FP32 or job.precisions is not None:
            raise ParityError(f"{line.name}: {fault}; no bundle was written")
        left_out[line.name] = fault
    return rows, left_out


def _fault(line: ledger.Row, original: ledger.Row, precision: Precision, job: Job) -> str:
    """Return why a variant must not ship, or an empty text."""
    if not np.isfinite(line.largest_difference):
        return "answers with scores that are not numbers"
    if precision is Precision.FP32 and line.largest_difference > FP32_DIFFERENCE:
        return (
            f"a score differs by {line.largest_difference:.3f} from the original's; "
            f"expected at most {FP32_DIFFERENCE:g}"
        )
    # A folder tells one of several labels: multilabel is held to every label of the original's.
    truths = None if job.task is Task.MULTILABEL else original.accuracy
    if line.accuracy is not None and truths is not None:
        drop, what = 100 * (truths - line.accuracy), "points of top-1 lost"
    else:
        # Without truth every changed answer may be a lost one.
        drop, what = 100 * (1 - line.agreement), "% of answers changed"
    # The table shows two decimals; what it shows as equal to the budget keeps to it.
    if round(drop, 2) > job.max_drop:
        budget = f"the budget is {job.max_drop:g} (--max-drop)"
        return f"{drop:.2f} {what} on {line.images} images; {budget}"
    return ""


def _golden_images(
    job: Job, inputs: Inputs, reference: ledger.Answers | None
) -> list[NDArray[np.uint8]]:
    if reference is None:
        return golden.synthetic(job.seed)
    return golden.chosen(inputs.images.measure, reference)


def _check_golden(samples: tuple[Sample, ...]) -> None:
    """Raise ParityError where fp32 is not the original: without data nothing else would tell."""
    for sample in samples:
        found = np.array(sample.variants[Precision.FP32]) - np.array(sample.reference)
        if not np.isfinite(found).all():
            raise ParityError("fp32: answers with scores that are not numbers; are the weights?")
        if np.abs(found).max() > FP32_DIFFERENCE:
            raise ParityError(
                f"fp32: a score differs by {np.abs(found).max():.3f} from the original's on a "
                f"golden image; expected at most {FP32_DIFFERENCE:g}; no bundle was written"
            )


def _speeds(folder: Path, kept: list[Classifier]) -> dict[str, float]:
    """Return the median time of each variant's network on this machine, ms, by its name."""
    speeds = {}
    for classifier in kept:
        step(f"{classifier.variant.name}: timing")
        measured = measure(Wanted(folder, classifier.variant.name, frames=TIMED_FRAMES))
        speeds[classifier.variant.name] = measured.engine_ms_p50
    return speeds


def _preferred(
    kept: list[Classifier], rows: list[ledger.Row], speeds: dict[str, float]
) -> list[Variant]:
    """Return the variants with their figures, the fastest on this machine first."""
    measured = {row.name: row for row in rows}
    variants = []
    for classifier in sorted(kept, key=lambda classifier: speeds[classifier.variant.name]):
        row = measured.get(classifier.variant.name)
        variant = classifier.variant
        if row is not None:
            variant = replace(variant, accuracy=row.accuracy, agreement=row.agreement)
        variants.append(variant)
    return variants


def _report(job: Job, inputs: Inputs, rows: list[ledger.Row], left_out: dict[str, str]) -> Report:
    return Report(
        name=_name(job),
        task=job.task,
        labels=inputs.labels,
        rows=tuple(rows),
        variants=tuple(row.name for row in rows[1:] if row.name not in left_out),
        chosen_on=0,
        left_out=left_out,
        calibrated=len(inputs.images.calibrate),
        duplicates=inputs.images.duplicates,
        skipped=inputs.skipped,
    )


def _variant(folder: Path, precision: Precision) -> Variant:
    file = f"model.{precision}.onnx"
    return Variant(
        name=precision.value,
        file=file,
        precision=precision,
        target="any",
        input=Input.UINT8_NHWC,
        size_bytes=(folder / file).stat().st_size,
        tolerance=TOLERANCE[precision],
    )


def _manifest(job: Job, inputs: Inputs, variants: list[Variant]) -> Manifest:
    names = {variant.file: "" for variant in variants}
    return Manifest(
        name=_name(job),
        version=job.version,
        task=job.task,
        labels=inputs.labels,
        thresholds=inputs.thresholds,
        preprocessing=inputs.original.preprocessing,
        variants=tuple(variants),
        files=names,  # sealing replaces it
        provenance=_provenance(job, inputs),
    )


def _provenance(job: Job, inputs: Inputs) -> dict[str, str]:
    packages = ("torch", "timm", "torchvision", "onnx", "onnxruntime")
    images = inputs.images
    checkpoint = "random" if job.random_weights else "the source's own"
    if inputs.weights is not None:
        checkpoint = f"sha256 {bundle.sha256(inputs.weights.path)}"
    return {
        "source": job.source,
        "weights": checkpoint,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "made by": f"edgecls {__version__}, python {platform.python_version()}",
        "packages": ", ".join(f"{name} {version(name)}" for name in packages),
        "images": f"{len(images.calibrate)} calibrated, {len(images.measure)} measured",
        "seed": str(job.seed),
    }


def _name(job: Job) -> str:
    return job.name or job.target.name.removesuffix(".bundle")
