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
    book = Book(original, known, [ledger.row(original, original, None, known)])
    fp32, *others = classifiers
    base = _fp32_answers(job, inputs, book, fp32)
    left_out: dict[str, str] = {}
    shipped = [base]
    for classifier in others:
        before = _exact_answers(book, inputs, classifier, base)
        answers = proof.variant_answers(classifier, data)
        row = book.add(answers, before, classifier.variant.size_bytes)
        if fault := job.budget.fault(row, book.rows[0]):
            left_out[answers.name] = fault
        else:
            shipped.append(answers)
    paths = (item.path if job.data is None else item.path.relative_to(job.data) for item in data)
    flips = ledger.flips([*map(str, paths)], shipped, original, known)
    return Judged(book.rows, left_out, flips)


@dataclass(frozen=True, slots=True)
class Book:
    """The ledger while it is written."""

    original: Answers
    known: ledger.Truth
    rows: list[Row]

    def add(self, answers: Answers, before: Answers, size_bytes: int | None = None) -> Row:
        """Write the next row."""
        row = ledger.row(answers, self.original, before, self.known)
        self.rows.append(replace(row, size_bytes=size_bytes))
        return self.rows[-1]


def _fp32_answers(job: Job, inputs: Inputs, book: Book, fp32: Classifier) -> Answers:
    """Add the stages of the graph and the fp32 variant, which must be the original itself."""
    data, before = inputs.images.measure, book.original
    model = onnx.load(fp32.bundle.path / fp32.variant.file)
    for answers in stage_answers(model, inputs.original, data, job.task, inputs.thresholds):
        _check_parity(book.add(answers, before))
        before = answers
    answers = proof.variant_answers(fp32, data)
    row = book.add(answers, before, fp32.variant.size_bytes)
    if inputs.original.preprocessing.resampling is Resampling.EXACT:
        _check_parity(row)
    if fault := job.budget.fault(row, book.rows[0]):
        raise ParityError(f"{row.name}: {fault}; no bundle was written")
    return answers


def _exact_answers(book: Book, inputs: Inputs, classifier: Classifier, before: Answers) -> Answers:
    """Add the row of a variant computed as written, where this processor's kernels come next."""
    if classifier.provider.exact:
        return before
    as_written = Classifier(classifier.bundle, reference.open(), classifier.variant.name)
    answers = proof.variant_answers(as_written, inputs.images.measure, " exact")
    book.add(answers, before)
    return answers


def _check_parity(row: Row) -> None:
    """Raise ParityError where the same arithmetic does not give the same scores."""
    if not row.largest_difference <= FP32_DIFFERENCE:
        raise ParityError(
            f"{row.name}: a score differs by {row.largest_difference:.3f} from the original's; "
            f"expected at most {FP32_DIFFERENCE:g}; no bundle was written"
        )
