"""Hold every variant to the budget, on images that neither calibrated nor chose."""

from dataclasses import dataclass, replace

import onnx

from edgecls.bundle import Bundle
from edgecls.errors import ParityError
from edgecls.manifest import Precision, Resampling, Variant
from edgecls_exporters import ledger, proof
from edgecls_exporters.inputs import Inputs, Job
from edgecls_exporters.ledger import Answers, Row
from edgecls_exporters.repair import overflow_free
from edgecls_exporters.stages import stage_answers
from edgecls_exporters.targets import find
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.fitting import misfit
from edgecls_runtime.providers import cpu, reference

# The fp32 graph is the same arithmetic in another order; more than this is a fault, not rounding.
FP32_DIFFERENCE = 1e-2
FP32 = Precision.FP32.value


@dataclass(frozen=True, slots=True)
class Judged:
    """What was measured of a bundle's variants.

    Attributes:
        rows: The ledger.
        left_out: Why a variant must not ship, by its name.
        flips: Images that a shipped variant answers otherwise than the original.

    """

    rows: list[Row]
    left_out: dict[str, str]
    flips: tuple[ledger.Flip, ...]


def open_here(bundle: Bundle, variant: Variant) -> Classifier:
    """Open a variant on this processor's kernels, or, if it is for others, exactly as written."""
    provider = cpu.open()
    native = not misfit(variant, provider) and _computed_rightly(variant)
    return Classifier(bundle, provider if native else reference.open(), variant.name)


def _computed_rightly(variant: Variant) -> bool:
    return variant.precision is Precision.FP32 or (
        variant.precision is Precision.INT8 and overflow_free(find(variant.target))
    )


def judge(
    job: Job, inputs: Inputs, original: Answers | None, classifiers: list[Classifier]
) -> Judged:
    """Measure every variant, step by step from the original.

    Raises:
        ParityError: The fp32 variant is not what the original is.

    """
    if original is None:
        return Judged([], {}, ())
    data = inputs.images.measure
    known = ledger.known([item.label for item in data], inputs.labels, job.good)
    rows = [ledger.row(original, original, None, known)]
    before = original
    fp32 = classifiers[0]
    model = onnx.load(fp32.bundle.path / fp32.variant.file)
    for answers in stage_answers(model, inputs.original, data, job.task, inputs.thresholds):
        rows.append(ledger.row(answers, original, before, known))
        before = answers
    _check_parity(rows, FP32_DIFFERENCE)
    left_out: dict[str, str] = {}
    found: list[Answers] = []
    for classifier in classifiers:
        base = before if classifier is fp32 else found[0]
        base = _exact(classifier, inputs, original, base, known, rows)
        answers = proof.variant_answers(classifier, data)
        row = ledger.row(answers, original, base, known)
        rows.append(replace(row, size_bytes=classifier.variant.size_bytes))
        found.append(answers)
        if classifier is fp32:
            _check_fp32(rows[-1], rows[0], job, inputs)
        elif fault := job.budget.fault(row, rows[0]):
            left_out[answers.name] = fault
    shipped = [answers for answers in found if answers.name not in left_out]
    files = [
        str(item.path if job.data is None else item.path.relative_to(job.data)) for item in data
    ]
    return Judged(rows, left_out, ledger.flips(files, shipped, original, known))


def _exact(
    classifier: Classifier,
    inputs: Inputs,
    original: Answers,
    base: Answers,
    known: ledger.Truth,
    rows: list[Row],
) -> Answers:
    """Add the row of a variant computed as written, where this processor's kernels come next."""
    if classifier.provider.exact or classifier.variant.precision is Precision.FP32:
        return base
    as_written = Classifier(classifier.bundle, reference.open(), classifier.variant.name)
    answers = proof.variant_answers(as_written, inputs.images.measure)
    answers = replace(answers, name=f"{answers.name} exact")
    rows.append(ledger.row(answers, original, base, known))
    return answers


def _check_parity(rows: list[Row], most: float) -> None:
    """Raise ParityError where the graph itself is not the original."""
    for row in rows[1:]:
        if not row.largest_difference <= most:
            raise ParityError(
                f"{row.name}: a score differs by {row.largest_difference:.3f} from the original's; "
                f"expected at most {most:g}; no bundle was written"
            )


def _check_fp32(row: Row, original: Row, job: Job, inputs: Inputs) -> None:
    if inputs.original.preprocessing.resampling is Resampling.EXACT:
        _check_parity([original, row], FP32_DIFFERENCE)
    if fault := job.budget.fault(row, original):
        raise ParityError(f"{row.name}: {fault}; no bundle was written")
