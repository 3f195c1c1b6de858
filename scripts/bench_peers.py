"""Measure edgecls against its peers, side by side in one run; each peer in a venv of its own.

    python scripts/bench_peers.py [--data DIR --labels FILE] [--only NAME ...] [--rounds 7] [--json]

The first run installs the peers (pip, pinned versions, 10 GB in all) and converts the networks;
both stay in --cache. Two tables for each network, on 1 and 2 threads: the network alone, and from a
1080p frame in memory to its best label. A ratio is plain onnxruntime's time divided by the other's:
median over rounds, least and most. Each peer answers for an eighth of a second while all others
sleep, then the next, round after round, so that other programs on the machine disturb all alike.

DIR holds ImageNet photos as DIR/<label>/*, FILE all thousand labels in logit order: with them int8
is calibrated on every fourth photo, and top-1 of EfficientNet-Lite0 is counted on the rest. The
other networks have random weights: their figures are of speed only.

--only takes networks and peers; plain onnxruntime and edgecls are always there. bench_pipeline.py
measures a camera's stream and an idle loop, bench.py memory and cold start.
"""

import argparse
import json
import sys
from pathlib import Path

from edgecls_runtime.measuring.environment import environment
from peers import fidelity, making, rounds, tables, venvs
from peers.model import Model
from peers.process import PeerFailed, Process

CACHE = Path.home() / ".cache" / "edgecls" / "peers"
ALWAYS = ("onnxruntime", *filter(venvs.ours, venvs.names()))


def prepared(
    model: Model, peers: list[str], folder: Path, missing: dict[str, str]
) -> list[rounds.Subject]:
    """Install and convert; what does not is put into ``missing`` with its reason."""
    subjects = []
    for peer in peers:
        try:
            python = venvs.python(peer, folder)
        except (RuntimeError, OSError) as error:
            missing[peer] = f"does not install: {error}"
            continue
        for engine in venvs.engines(peer):
            subject = rounds.Subject(peer, engine, python)
            with Process(python, peer, 2) as process:
                try:
                    process.ask("prepare", model=model.folder, engine=engine)
                except PeerFailed as error:
                    missing[subject.name] = f"does not convert {model.name}: {error}"
                    continue
            subjects.append(subject)
    return subjects


def chosen(only: list[str]) -> tuple[list[str], list[str]]:
    """Return networks and peers."""
    peers, models = venvs.names(), [*making.MODELS]
    unknown = {*only} - {*peers, *models}
    if unknown:
        known = ", ".join([*models, *peers])
        raise SystemExit(f"--only: {', '.join(sorted(unknown))}: unknown; expected of {known}")
    some = [peer for peer in peers if peer in only]
    wanted = [peer for peer in peers if peer in {*some, *ALWAYS}] if some else peers
    return [model for model in models if model in only] or models, wanted


def compared(
    arguments: argparse.Namespace, photos: making.Photos | None
) -> tuple[list[tables.Compared], dict[str, object]]:
    """Make, convert, measure and judge every network in turn."""
    names, peers = chosen(arguments.only)
    cache = arguments.cache
    models = [making.make(name, cache / "models", photos) for name in names]
    # Other photos are other references: they never share a folder.
    images = cache / (f"photos-{len(photos.measured)}" if photos else "made-up")
    sets = making.fidelity_images(images, photos, models)
    frame, found = making.frame(cache), []
    versions: dict[str, str] = {}
    for model in models:
        missing: dict[str, str] = {}
        subjects = prepared(model, peers, arguments.venvs or cache / "venvs", missing)
        answered = making.answered_images(images, photos) if photos and model.trained else None
        truth = photos.truth() if photos else []
        judged = fidelity.judge(model, subjects, sets, answered, truth)
        for threads in arguments.threads:
            session = rounds.measure(model, subjects, threads, frame, arguments.rounds)
            session.failed = missing | session.failed
            versions |= session.versions
            found.append(tables.compare(model, threads, session, judged))
            print(
                tables.text(found[-1]),
                file=sys.stderr if arguments.json else sys.stdout,
                flush=True,
            )
    return found, {"environment": environment(), "versions": versions}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--data", metavar="DIR", type=Path)
    parser.add_argument("--labels", metavar="FILE", type=Path)
    parser.add_argument("--only", metavar="NAME", action="append", default=[])
    parser.add_argument("--photos", metavar="N", type=int, help="answer no more (default: all)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--cache", metavar="DIR", type=Path, default=CACHE)
    parser.add_argument("--venvs", metavar="DIR", type=Path, help="default: in --cache")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if (arguments.data is None) is not (arguments.labels is None):
        parser.error("--data and --labels belong together")
    photos = (
        making.Photos.find(arguments.data, arguments.labels, arguments.photos)
        if arguments.data
        else None
    )
    found, about = compared(arguments, photos)
    for peer in venvs.names():
        needs = venvs.requirements(peer).needs
        if needs:
            print(f"- {peer} needs: {needs}", file=sys.stderr if arguments.json else sys.stdout)
    if arguments.json:
        print(json.dumps({**about, "compared": [tables.data(c) for c in found]}, indent=2))
    else:
        print(f"\n{json.dumps(about)}")


if __name__ == "__main__":
    main()
