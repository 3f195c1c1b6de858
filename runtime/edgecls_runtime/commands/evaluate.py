"""Measure accuracy on labelled images, DIR/<label>/<image>.

Shows top-1 with its 95 % interval, recall per label, the confusions, and with --good the escapes
(defective parts called good) and the overkill (good parts called defective).
"""

import argparse
import sys
from pathlib import Path

from edgecls_runtime.classifier import Classifier
from edgecls_runtime.commands import add_bundle, add_engine, add_good, percent, print_json
from edgecls_runtime.decision import Rule
from edgecls_runtime.evaluation import Evaluation, check_labels, evaluate
from edgecls_runtime.images import find_labelled


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add_bundle(parser)
    parser.add_argument("data", metavar="DIR", type=Path, help="DIR/<label>/<image>")
    add_good(parser)
    add_engine(parser)


def run(arguments: argparse.Namespace) -> int:
    """Evaluate one variant."""
    data = find_labelled(arguments.data)
    classifier = Classifier(arguments.bundle, arguments.provider, arguments.variant)
    check_labels(data, classifier.bundle.labels, str(arguments.data))
    good = tuple(arguments.good)
    Rule(good).check(classifier.bundle.labels)
    evaluation = evaluate(classifier, data)
    for message in evaluation.skipped:
        sys.stderr.write(f"skipped: {message}\n")
    if arguments.json:
        print_json(_table(evaluation, good, classifier.variant.name))
    else:
        sys.stdout.write(_screen(evaluation, good, classifier.variant.name))
    return 0


def _table(evaluation: Evaluation, good: tuple[str, ...], variant: str) -> dict[str, object]:
    escapes, overkill = evaluation.errors(good)
    return {
        "variant": variant,
        "images": len(evaluation.truth),
        "skipped": evaluation.skipped,
        "top1": evaluation.top1,
        "top1_interval": evaluation.top1_interval,
        "recall": evaluation.recall,
        "labels": evaluation.labels,
        "confusion": evaluation.confusion.tolist(),
        **({"escape_rate": escapes, "overkill_rate": overkill} if good else {}),
    }


def _screen(evaluation: Evaluation, good: tuple[str, ...], variant: str) -> str:
    low, high = map(percent, evaluation.top1_interval)
    lines = [
        f"variant   {variant}",
        f"images    {len(evaluation.truth)}, {len(evaluation.skipped)} skipped",
        f"top-1     {percent(evaluation.top1)}   95 % interval {low} to {high}",
    ]
    if good:
        escapes, overkill = map(percent, evaluation.errors(good))
        lines += [
            f"escapes   {escapes} of the defective parts were called good",
            f"overkill  {overkill} of the good parts were called defective",
        ]
    lines += ["", "recall", *_recalls(evaluation), "", "most frequent confusions"]
    return "\n".join([*lines, *_confusions(evaluation)]) + "\n"


def _recalls(evaluation: Evaluation, most: int = 20) -> list[str]:
    counts, recall = evaluation.confusion, evaluation.recall
    worst = sorted(recall, key=recall.__getitem__)[:most]
    lines = []
    for label in worst:
        row = counts[evaluation.labels.index(label)]
        hits = row[evaluation.labels.index(label)]
        lines.append(f"  {percent(recall[label]):>9}  {label} ({hits} of {row.sum()})")
    hidden = len(recall) - len(worst)
    return lines + ([f"  ... {hidden} better ones"] if hidden else [])


def _confusions(evaluation: Evaluation, most: int = 8) -> list[str]:
    counts = evaluation.confusion.copy()
    counts[range(len(counts)), range(len(counts))] = 0
    order = (-counts).ravel().argsort(kind="stable")[:most]
    pairs = [divmod(int(i), len(counts)) for i in order]
    found = [
        f"  {counts[true, said]:6}x  {evaluation.labels[true]} called {evaluation.labels[said]}"
        for true, said in pairs
        if counts[true, said]
    ]
    return found or ["  none"]
