"""Judge kept images again, with another bundle or another rule: what would have changed?

    edgecls replay verdicts.db --evidence evidence --bundle new.bundle
    edgecls replay verdicts.db --evidence evidence --bundle new.bundle --rule station.toml
    edgecls replay --evidence evidence --bundle new.bundle --rule station.toml

Each image is judged by the rule that judged it then, unless --rule names a station file; with one
no journal is needed: what was decided stands beside each image. Where the very bundle, variant and
provider of then judge again, the journal is put to the proof: the network must get the same pixels
and give the same answers. docs/evidence.md says more.

Exit code 1: the proof failed, or more parts changed than --max-changes.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from edgecls.errors import ConfigError, ImageError
from edgecls.progress import tell, track
from edgecls_runtime import config
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.commands import add_engine, add_json, count, print_json
from edgecls_runtime.evidence import relabels
from edgecls_runtime.evidence.reading import Evidence, Kept
from edgecls_runtime.failover import Failover
from edgecls_runtime.journal import open_reader
from edgecls_runtime.replaying import changes, report, then
from edgecls_runtime.replaying.again import Again, Answer, Judging, image_table, of_station
from edgecls_runtime.replaying.then import Judge, Then


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "journal",
        metavar="JOURNAL",
        type=Path,
        nargs="?",
        help="the path in [journal] of the station file: what was decided then",
    )
    for name, metavar, text in (
        ("evidence", "DIR", "the path of the station's image output"),
        ("bundle", "BUNDLE", "what judges now"),
    ):
        parser.add_argument(f"--{name}", metavar=metavar, type=Path, required=True, help=text)
    parser.add_argument(
        "--rule", metavar="STATION.toml", type=Path, help="judge by its [rule] and [[views]]"
    )
    add_engine(parser)
    parser.add_argument("--limit", metavar="N", type=count, help="only the newest N images")
    parser.add_argument(
        "--max-changes",
        metavar="N",
        type=int,
        help="exit code 1 when another thing happens to more parts than these",
    )
    add_json(parser)


@dataclass
class Replayed:
    """What came of it so far.

    Attributes:
        kept: The images, in the order of time.
        pairs: Judged then and now.
        left_out: Messages of images that cannot be judged.
        not_judged: Images that no rule judged then.
        interrupted: Whether somebody did not want to wait for the rest.

    """

    kept: list[Kept]
    pairs: list[changes.Pair] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    not_judged: int = 0
    interrupted: bool = False


def run(arguments: argparse.Namespace) -> int:
    """Judge the images; report; return the exit code."""
    judging = of_station(config.read(arguments.rule)) if arguments.rule else None
    if judging is None and arguments.journal is None:
        raise ConfigError(
            "replay: neither a journal nor --rule; an evidence folder does not know by which rule "
            "it was judged"
        )
    replayed = Replayed(_kept(arguments.evidence, arguments.limit))
    found = _replayed(arguments, judging, replayed)
    for message in found.left_out:
        sys.stderr.write(f"left out: {message}\n")
    if arguments.json:
        print_json(found.table())
    else:
        sys.stdout.write(found.screen())
    return _code(found, arguments.max_changes)


def _replayed(
    arguments: argparse.Namespace, judging: Judging | None, replayed: Replayed
) -> report.Report:
    """Open everything and judge."""

    def opened() -> Classifier:
        return Classifier(arguments.bundle, arguments.provider, arguments.variant)

    with ExitStack() as stack:
        decided = then.of_folder(replayed.kept)
        if arguments.journal is not None:
            reader = stack.enter_context(open_reader(arguments.journal))
            decided = then.of_journal(reader, replayed.kept)
        classify = stack.enter_context(closing(Failover(opened, tell)))
        again, classifier = Again(classify, judging), classify.classifier
        _replay(again, decided, _said(arguments.evidence, replayed), replayed)
    manifest, digest = classifier.bundle.manifest, classifier.bundle.digest
    judge = Judge(digest, classifier.variant.name, classifier.provider.name)
    return report.Report(
        bundle=f"{manifest.name} {manifest.version} {digest[:12]}",
        judge=judge,
        kept=len(replayed.kept),
        not_judged=replayed.not_judged,
        left_out=tuple(replayed.left_out),
        pairs=tuple(replayed.pairs),
        proof=changes.proof(replayed.pairs, judge, other_rule=judging is not None),
        interrupted=replayed.interrupted,
    )


def _kept(folder: Path, limit: int | None) -> list[Kept]:
    if not folder.is_dir():
        raise ConfigError(
            f"evidence {folder}: no such folder; expected the path of an image output"
        )
    kept = then.newest(Evidence(folder), limit)
    if not kept:
        raise ConfigError(f"evidence {folder}: no image in it; expected those of an image output")
    return kept


def _said(folder: Path, replayed: Replayed) -> dict[str, str]:
    """Return what people said of parts, by the ids of their verdicts."""
    found = relabels.read(folder, replayed.left_out)
    return {verdict_id: said.label for verdict_id, said in found.items()}


def _replay(
    again: Again, decided: Iterator[Then | None], said: dict[str, str], replayed: Replayed
) -> None:
    """Judge all images; Ctrl-C ends it with what there is."""
    both = zip(replayed.kept, decided, strict=True)
    try:
        for one, before in track(both, "judging again", len(replayed.kept)):
            if before is None:
                replayed.left_out.append(f"{one.path}: nobody knows its verdict")
            elif not before.was_judged:
                replayed.not_judged += 1
            else:
                try:
                    replayed.pairs.append(_pair(before, again(before), said.get(before.id, "")))
                except ImageError as error:
                    replayed.left_out.append(str(error))
    except KeyboardInterrupt:
        replayed.interrupted = True


def _pair(before: Then, answer: Answer, truth: str) -> changes.Pair:
    prediction = answer.verdict.prediction
    lossless = image_table(before.kept).get("source") in ("camera", "png")
    return changes.Pair(
        before,
        answer.verdict.outcome,
        prediction.label if prediction else "",
        prediction.score if prediction else float("nan"),
        answer.pixels == before.image_sha256 if lossless and before.image_sha256 else None,
        truth,
        truth in answer.good,
        answer.alone,
    )


def _code(found: report.Report, most: int | None) -> int:
    if found.interrupted:
        return 130
    failed = found.proof is not None and not found.proof.holds
    return int(failed or (most is not None and len(found.flipped) > most))
