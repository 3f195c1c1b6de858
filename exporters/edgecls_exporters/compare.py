"""``edgecls compare``: two ways to answer on the same image files, and why they disagree."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgecls import metrics
from edgecls.errors import ConfigError, ParityError
from edgecls.prediction import Task
from edgecls_exporters import ledger
from edgecls_exporters.diagnosis import Dispute, Explanation, explain
from edgecls_exporters.faults import declared_faults
from edgecls_exporters.label_order import reordered
from edgecls_exporters.sides import Known, Side, Wanted, open_exported, open_original
from edgecls_exporters.transforms import readable_by_both
from edgecls_runtime.images import Labelled, find_labelled, label_names

# A difference of accuracy that is less likely than this is taken for one.
CHANCE = 0.05


@dataclass(frozen=True, slots=True)
class Job:
    """What to compare.

    Attributes:
        a: The side that is taken as the reference.
        b: The side that is compared with it.
        data: Images, ``DIR/<label>/*`` or flat.
        known: What a SOURCE does not say of itself.
        limit: The sides agree when they give the same answer on this share of images, 0..1.
        max_difference: And when no score differs by more than this, 0..1; None is any.
        max_images: Use no more images than this, spread evenly over the folder.
        explain: Whether to look for the fault when they differ.

    """

    a: Wanted
    b: Wanted
    data: Path
    known: Known
    limit: float = 0.99
    max_difference: float | None = None
    max_images: int = 2000
    explain: bool = True


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two sides answer.

    Attributes:
        a: What A is.
        b: What B is.
        task: How scores are read.
        labels: In the order of the scores.
        rows: The ledger: A, then B after A.
        flips: Images that B answers otherwise than A.
        disagreements: Limits that were passed, as sentences; empty when the sides agree.
        explanations: Faults that explain the difference; empty when none does, or none was sought.
        sought: Whether faults were looked for.
        skipped: Messages of the files that could not be read.

    """

    a: str
    b: str
    task: Task
    labels: tuple[str, ...]
    rows: tuple[ledger.Row, ...]
    flips: tuple[ledger.Flip, ...]
    disagreements: tuple[str, ...]
    explanations: tuple[Explanation, ...]
    sought: bool
    skipped: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether the sides agree within the limits."""
        return not self.disagreements


def compare(job: Job) -> Comparison:
    """Open both sides, let them answer, and say why they differ where a known fault explains it.

    Raises:
        ConfigError: No such data, or the two cannot be compared.
        ExportError: A SOURCE cannot be built.
        BundleError: A bundle or an ONNX file cannot be opened.
        ParityError: Labels in another order, or scores that are not numbers.

    """
    a, b = open_sides(job, label_names(find_labelled(job.data)))
    return compared(a, b, job)


def compared(a: Side, b: Side, job: Job) -> Comparison:
    """Compare sides that are open already; raises what ``compare`` does."""
    check_comparable(a, b)
    found = find_labelled(job.data)
    _check_data(found, a.labels, job.data)
    data, skipped = readable_by_both(_spread(found, job.max_images))
    if not data:
        raise ConfigError(f"{job.data}: none of {len(found)} files is an image")
    answers_a, answers_b = _answers(a, data), _answers(b, data)
    truth = ledger.known([item.label for item in data], a.labels, ())
    rows = (
        ledger.row(answers_a, answers_a, None, truth),
        ledger.row(answers_b, answers_a, answers_a, truth),
    )
    files = [str(item.path.relative_to(job.data)) for item in data]
    flips = ledger.flips(files, [answers_b], answers_a, truth)
    disagreements = tuple(_disagreements(rows[1], job))
    sought = job.explain and bool(flips or disagreements)
    explanations = _causes(a, b, data, (answers_a, answers_b), truth) if sought else ()
    return Comparison(
        a=a.what,
        b=b.what,
        task=a.task,
        labels=a.labels,
        rows=rows,
        flips=flips,
        disagreements=disagreements,
        explanations=explanations,
        sought=sought,
        skipped=skipped,
    )


def open_sides(job: Job, folders: tuple[str, ...]) -> tuple[Side, Side]:
    """Open A and B; what a SOURCE does not say, the other side or the folders' names may."""
    exported = open_exported(job.a), open_exported(job.b)
    known = replace(job.known, fallback=folders)
    for side in exported:
        if side is not None:
            known = replace(known, fallback=side.labels, task=side.task)
            if job.known.thresholds is None:
                known = replace(known, thresholds=side.thresholds)
    a, b = (
        open_original(wanted, known) if side is None else side
        for side, wanted in zip(exported, (job.a, job.b), strict=True)
    )
    return a, b


def check_comparable(a: Side, b: Side) -> None:
    """Refuse sides that answer different questions.

    Raises:
        ConfigError: Other tasks or other labels.
        ParityError: The same labels in another order: each score would get another's name.

    """
    if a.task is not b.task:
        raise ConfigError(f"B: {b.what} is {b.task}, A is {a.task}; only one task can be compared")
    if set(a.labels) != set(b.labels):
        only = [sorted(set(x.labels) - set(y.labels))[:5] for x, y in ((a, b), (b, a))]
        said = (f"only {n} has {', '.join(x)}" for n, x in zip("AB", only, strict=True) if x)
        raise ConfigError(
            f"B: {b.what} has other labels than A: {'; '.join(said)}; expected the same labels"
        )
    if a.labels != b.labels:
        pairs = zip(a.labels, b.labels, strict=True)
        first = next(i for i, pair in enumerate(pairs) if len({*pair}) > 1)
        raise ParityError(
            f"B: {b.what} has its labels in another order than A: label {first + 1} is "
            f"{b.labels[first]!r}, A has {a.labels[first]!r} there; expected the order of the "
            f"logits; was one of them made from sorted folders?"
        )


def _check_data(data: list[Labelled], labels: tuple[str, ...], folder: Path) -> None:
    for name in label_names(data):
        if name not in labels:
            raise ConfigError(
                f"{folder}/{name}: no label of A and B; their labels are {', '.join(labels[:10])}"
            )


def _spread(data: list[Labelled], most: int) -> list[Labelled]:
    """Take no more than ``most`` images, evenly over the folders."""
    if len(data) <= most:
        return data
    return [data[i] for i in np.linspace(0, len(data) - 1, most).round().astype(int)]


def _answers(side: Side, data: list[Labelled]) -> ledger.Answers:
    answers = replace(side.answer(data), name=side.name)
    if not np.isfinite(answers.scores).all():
        raise ParityError(f"{side.name}: {side.what} answers with scores that are not numbers")
    return answers


def _disagreements(row: ledger.Row, job: Job) -> list[str]:
    found = []
    if row.agreement < job.limit:
        found.append(
            f"the same answer on {100 * row.agreement:.2f} % of {row.images} images; "
            f"the limit is {100 * job.limit:g} % (--limit)"
        )
    if job.max_difference is not None and row.largest_difference > job.max_difference:
        found.append(
            f"a score differs by {row.largest_difference:.4g}; "
            f"the limit is {job.max_difference:g} (--max-difference)"
        )
    return found


def _causes(
    a: Side,
    b: Side,
    data: list[Labelled],
    answers: tuple[ledger.Answers, ledger.Answers],
    truth: ledger.Truth,
) -> tuple[Explanation, ...]:
    """Look for a fault: of the labels, of B, then of A."""
    found = reordered(answers[0], answers[1], a.labels)
    if found is not None:
        return (found,)
    sides = [(a, b), (b, a)]
    if _is_better(answers[1], answers[0], truth):
        sides.reverse()  # what is right more often is asked what the other one does wrong
    for base, other in sides:
        mine, others = answers if base is a else reversed(answers)
        subject = base.subject()
        if subject is None:
            continue
        dispute = Dispute(data, mine, others, other.name, other.task, other.thresholds)
        more = declared_faults(base.preprocessing, other.preprocessing)
        explanation = explain(subject, dispute, more)
        if explanation is not None:
            return (explanation,)
    return ()


def _is_better(mine: ledger.Answers, others: ledger.Answers, truth: ledger.Truth) -> bool:
    if truth.truth is None:
        return False
    right, others_right = mine.answers == truth.truth, others.answers == truth.truth
    return bool(right.sum() > others_right.sum() and metrics.mcnemar(right, others_right) < CHANCE)
