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
from edgecls.errors import ParityError
from edgecls.manifest import Input, Manifest, Precision, Resampling, Variant
from edgecls.progress import step
from edgecls_exporters import golden, ladder, ledger, page, proof
from edgecls_exporters.faster import rewrite_for
from edgecls_exporters.graph import INPUT, describe, export_graph
from edgecls_exporters.half import rounded
from edgecls_exporters.inputs import Inputs, Job, read
from edgecls_exporters.judgement import FP32, FP32_DIFFERENCE, Judged, judge, open_here
from edgecls_exporters.probe import quiet_session
from edgecls_exporters.repair import overflow_free
from edgecls_exporters.report import Report, Rung
from edgecls_exporters.suspicion import suspicions
from edgecls_exporters.targets import Target
from edgecls_exporters.variants import Made, Material, make
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.golden import Sample
from edgecls_runtime.measuring.benchmark import Wanted, measure

# Largest difference of a score that a golden sample may show on a device. Seen between processors:
# 3e-7 (fp32) and 4e-7 (int8 with bounded pairs; up to 0.3 where pairs saturate).
TOLERANCE = {Precision.FP32: 1e-3, Precision.FP16: 0.02, Precision.INT8: 0.05}
# Kernels round an integer here and there otherwise than the file says: up to 0.06 was seen.
TOLERANCE_AS_WRITTEN = 0.1
TIMED_FRAMES = 50
# Standard operators only: fp32 runs on any engine.
FP32_REWRITINGS = ("gates", "hard_swish")


def export(job: Job) -> Report:
    """Export, quantize, measure, and write the bundle if it holds what it promises.

    A variant that loses more than the budget is left out; the report names it.

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
    suspected = suspicions(job, inputs)
    step("fp32: exporting the graph")
    graph = export_graph(inputs.original, job.task)
    inputs, rungs = _resampled(job, inputs, graph)
    made, failed = make(_material(job, inputs, graph), job.wanted, asked=job.asked)
    rewrite_for(graph, FP32_REWRITINGS)  # the other variants are made
    made.insert(0, Made(FP32, None, graph))
    with bundle.writing(job.target, force=job.force) as folder:
        for one in made:
            _write(folder, one, job, inputs, to_measure=True)
        variants = [_variant(folder, one) for one in made]
        bundle.seal(folder, _manifest(job, inputs, variants))
        opened = Bundle.open(folder)
        classifiers = [open_here(opened, variant) for variant in variants]
        judged = judge(job, inputs, reference, classifiers)
        for name in judged.left_out:
            (folder / f"model.{name}.onnx").unlink()
        kept = [one for one in classifiers if one.variant.name not in judged.left_out]
        samples = _golden_images(job, inputs, reference)
        _check_golden(golden.write(folder, samples, inputs.original, job.task, kept), inputs)
        for one in made:
            if one.name not in judged.left_out:
                _write(folder, one, job, inputs, to_measure=False)
        bundle.seal(folder, _manifest(job, inputs, [one.variant for one in kept]))
        speeds = _speeds(folder, kept)
        rows = [replace(row, engine_ms=speeds.get(row.name)) for row in judged.rows]
        judged = replace(judged, rows=rows, left_out=failed | judged.left_out)
        result = replace(_report(job, inputs, judged, made, rungs), suspicions=suspected)
        # Sealed before the page is written too: the page shows the golden files of the manifest.
        manifest = bundle.seal(folder, _manifest(job, inputs, _preferred(kept, rows, speeds)))
        (folder / "report.json").write_text(result.to_json(), encoding="utf-8")
        page.write(folder, result, manifest, job.data)
        bundle.seal(folder, manifest)
    return result


def _resampled(job: Job, inputs: Inputs, graph: ModelProto) -> tuple[Inputs, tuple[Rung, ...]]:
    """Choose how exactly images are resized, on images that are not measured."""
    session = quiet_session(graph)
    judge_of_rungs = ladder.Judge(
        lambda batch: session.run(None, {INPUT: batch})[0], job.task, inputs.thresholds
    )
    images = [*inputs.images.calibrate, *inputs.images.choose]
    done = inputs.original.preprocessing
    chosen, rungs = ladder.choose(judge_of_rungs, images, done, wanted=job.resampling)
    original = replace(inputs.original, preprocessing=replace(done, resampling=chosen))
    return replace(inputs, original=original), rungs


def _material(job: Job, inputs: Inputs, graph: ModelProto) -> Material:
    return Material(
        graph,
        inputs.original.preprocessing,
        inputs.images,
        inputs.labels,
        job.task,
        inputs.thresholds,
        job.good,
        job.budget,
        job.seed,
    )


def _write(folder: Path, one: Made, job: Job, inputs: Inputs, *, to_measure: bool) -> None:
    """Write a variant's file; half precision is measured as kernels round that have it."""
    model = ModelProto()
    half = one.target is not None and one.target.precision is Precision.FP16
    model.CopyFrom(rounded(one.model) if half and to_measure else one.model)
    done = inputs.original.preprocessing
    describe(model, inputs.labels, job.task, inputs.thresholds, done)
    onnx.save(model, folder / f"model.{one.name}.onnx")


def _golden_images(
    job: Job, inputs: Inputs, reference: ledger.Answers | None
) -> list[NDArray[np.uint8]]:
    if reference is None:
        return golden.synthetic(job.seed)
    return golden.chosen(inputs.images.measure, reference)


def _check_golden(samples: tuple[Sample, ...], inputs: Inputs) -> None:
    """Raise ParityError where fp32 is not the original: without data nothing else would tell."""
    exact = inputs.original.preprocessing.resampling is Resampling.EXACT
    for sample in samples:
        found = np.array(sample.variants[FP32]) - np.array(sample.reference)
        if not np.isfinite(found).all():
            raise ParityError("fp32: answers with scores that are not numbers; are the weights?")
        if exact and np.abs(found).max() > FP32_DIFFERENCE:
            raise ParityError(
                f"fp32: a score differs by {np.abs(found).max():.3f} from the original's on a "
                f"golden image; expected at most {FP32_DIFFERENCE:g}; no bundle was written"
            )


def _speeds(folder: Path, kept: list[Classifier]) -> dict[str, float]:
    """Return the median time, ms, of each variant that this machine's kernels run, by its name."""
    speeds = {}
    for classifier in kept:
        if classifier.provider.exact:
            continue
        step(f"{classifier.variant.name}: timing")
        measured = measure(Wanted(folder, classifier.variant.name, frames=TIMED_FRAMES))
        speeds[classifier.variant.name] = measured.engine_ms_p50
    return speeds


def _preferred(
    kept: list[Classifier], rows: list[ledger.Row], speeds: dict[str, float]
) -> list[Variant]:
    """Return the variants with their figures, the fastest on this machine first.

    Those for other machines come right before fp32: there they are what was asked for.
    """
    by_name = {row.name: row for row in rows}
    order = sorted(
        kept,
        key=lambda one: (speeds.get(one.variant.name, speeds[FP32]), one.variant.name in speeds),
    )
    variants = []
    for classifier in order:
        variant, row = classifier.variant, by_name.get(classifier.variant.name)
        if row is not None:
            variant = replace(variant, accuracy=row.accuracy, agreement=row.agreement)
        variants.append(variant)
    return variants


def _report(
    job: Job, inputs: Inputs, judged: Judged, made: list[Made], rungs: tuple[Rung, ...]
) -> Report:
    return Report(
        name=_name(job),
        task=job.task,
        labels=inputs.labels,
        rows=tuple(judged.rows),
        variants=tuple(one.name for one in made if one.name not in judged.left_out),
        left_out=judged.left_out,
        calibrated=len(inputs.images.calibrate),
        chosen_on=len(inputs.images.choose),
        duplicates=inputs.images.duplicates,
        skipped=inputs.skipped,
        rungs=rungs,
        quantizations=tuple(one.quantization for one in made if one.quantization is not None),
        flips=judged.flips,
        max_drop=job.max_drop,
    )


def _variant(folder: Path, one: Made) -> Variant:
    file, target = f"model.{one.name}.onnx", one.target
    precision = Precision.FP32 if target is None else target.precision
    return Variant(
        name=one.name,
        file=file,
        precision=precision,
        target="any" if target is None else target.name,
        input=Input.UINT8_NHWC,
        size_bytes=(folder / file).stat().st_size,
        tolerance=_tolerance(precision, target),
        providers=() if target is None else target.providers,
        machines=() if target is None else target.machines,
    )


def _tolerance(precision: Precision, target: Target | None) -> float:
    if precision is Precision.INT8 and target is not None and not overflow_free(target):
        return TOLERANCE_AS_WRITTEN
    return TOLERANCE[precision]


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
    elif Path(job.source).is_file():
        checkpoint = f"sha256 {bundle.sha256(Path(job.source))}"
    return {
        "source": job.source,
        "weights": checkpoint,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "made by": f"edgecls {__version__}, python {platform.python_version()}",
        "packages": ", ".join(f"{name} {version(name)}" for name in packages),
        "images": f"{len(images.calibrate)} calibrated, {len(images.choose)} chose, "
        f"{len(images.measure)} measured",
        "seed": str(job.seed),
    }


def _name(job: Job) -> str:
    return job.name or job.target.name.removesuffix(".bundle")
