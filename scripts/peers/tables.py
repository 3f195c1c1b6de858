"""From times to a verdict: ratios, who is as good, the best of them, and what was to be reached."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from peers.fidelity import Fidelity
from peers.model import Model
from peers.rounds import Session, Timed, ratios
from peers.venvs import OURS
from peers.worker import NETWORK

BASELINE = ("onnxruntime", "fp32")
PILLOW = "PIL"
# What a network's answers may turn from PyTorch's before it is another network.
LEAST_COSINE = 0.9
FROM_FRAME = {
    "mobilenetv3_small_100": 3.5,
    "mobilenetv4_conv_small": 2.5,
    "tf_efficientnet_lite0": 2.5,
    "resnet50": 1.9,
    "vit_tiny_patch16_224": 1.4,
}
BEST_PIPELINE, BEST_NETWORK = 1.2, 1.0


@dataclass(frozen=True, slots=True)
class Row:
    """One way to answer, beside plain onnxruntime.

    Attributes:
        name: Peer and engine.
        way: ``network``, or the pipeline.
        ms: Median over rounds.
        ratio: Of plain onnxruntime's time to this one's: median over rounds; likewise the others.
        cosine: Between its logits and PyTorch's, around their mean, at worst.
        fidelity: Of a pipeline.
        equal: Whether its answers are as good as the baseline's.

    """

    name: str
    way: str
    ms: float
    ratio: float
    least: float
    most: float
    cosine: float | None
    fidelity: Fidelity | None
    equal: bool

    @property
    def ours(self) -> bool:
        """Tell our rows from the peers'."""
        return self.name.startswith(OURS)


@dataclass(frozen=True, slots=True)
class Target:
    """Something to reach: our best against one or all peers.

    Attributes:
        what: In words.
        wanted: Ratio.
        median: Ratio of the peer's time to ours, median over rounds; likewise the others.
        ours: The way of ours that was taken.
        peer: The way that it stands against.

    """

    what: str
    wanted: float
    median: float
    least: float
    most: float
    ours: str
    peer: str

    @property
    def reached(self) -> bool:
        """Tell whether the median reaches what was wanted."""
        return self.median >= self.wanted


@dataclass(frozen=True, slots=True)
class Compared:
    """One model on one number of threads."""

    model: str
    threads: int
    networks: list[Row]
    pipelines: list[Row]
    targets: list[Target]
    failed: dict[str, str]


def compare(
    model: Model,
    threads: int,
    session: Session,
    fidelity: dict[tuple[str, str], Fidelity],
) -> Compared:
    """Build both tables and say what was reached."""
    timed = {(t.subject.name, t.way): t for t in session.timed}
    plain, pillow = ((" ".join(BASELINE), way) for way in (NETWORK, PILLOW))
    reference = fidelity[pillow].top1 if pillow in fidelity else None

    def row(key: tuple[str, str]) -> Row:
        base = timed[plain] if key[1] == NETWORK else timed[pillow]
        median, least, most = spread(ratios(base, timed[key]))
        cosine, seen = session.cosines[key[0]], fidelity.get(key)
        equal = (cosine is None or cosine >= LEAST_COSINE) and (
            key[1] == NETWORK or (seen is not None and seen.equal(reference))
        )
        ms = statistics.median(timed[key].ms)
        return Row(*key, ms, median, least, most, cosine, seen, equal)

    if plain not in timed:
        return Compared(model.name, threads, [], [], [], session.failed)
    rows = sorted((row(key) for key in timed), key=lambda r: -r.ratio)
    networks = [r for r in rows if r.way == NETWORK]
    pipelines = [r for r in rows if r.way != NETWORK]
    targets = [*_targets(model, timed, networks, pipelines)]
    return Compared(model.name, threads, networks, pipelines, targets, session.failed)


def _targets(
    model: Model,
    timed: dict[tuple[str, str], Timed],
    networks: Sequence[Row],
    pipelines: Sequence[Row],
) -> Iterable[Target]:
    def target(what: str, wanted: float, peer: Row | None, mine: Row | None) -> Iterable[Target]:
        if peer is None or mine is None:
            return
        found = ratios(timed[peer.name, peer.way], timed[mine.name, mine.way])
        yield Target(what, wanted, *spread(found), _named(mine), _named(peer))

    mine = best(row for row in pipelines if row.ours and row.equal)
    baseline = best(r for r in pipelines if r.name == " ".join(BASELINE) and r.way == PILLOW)
    yield from target("frame to top-1, against PIL", FROM_FRAME[model.name], baseline, mine)
    others = best(row for row in pipelines if not row.ours and row.equal)
    yield from target("frame to top-1, against the best equal peer", BEST_PIPELINE, others, mine)
    alone = best(row for row in networks if row.ours and row.equal)
    others = best(row for row in networks if not row.ours and row.equal)
    yield from target("network alone, against the best peer", BEST_NETWORK, others, alone)
    # bf16 and int8 are other arithmetic: what float32 alone does is a question of its own.
    alone = best(row for row in networks if row.ours and row.name.endswith("fp32"))
    others = best(row for row in networks if not row.ours and row.equal and _is_float(row))
    yield from target("network alone, fp32 against the best fp32", BEST_NETWORK, others, alone)


def _is_float(row: Row) -> bool:
    return row.name.split()[-1] in {"fp32", "eager", "compile"}


def best(rows: Iterable[Row]) -> Row | None:
    """Return the fastest; None of none."""
    return max(rows, key=lambda row: row.ratio, default=None)


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Return median, least, most."""
    return statistics.median(values), min(values), max(values)


def _named(row: Row) -> str:
    return row.name if row.way == NETWORK else f"{row.name} + {row.way}"


def text(compared: Compared) -> str:
    """Return both tables and the targets, for people."""
    title = f"{compared.model}, {compared.threads} thread{'s' * (compared.threads > 1)}"
    lines = [
        f"\n## {title}\n",
        "| network alone | ms | x onnxruntime | cosine |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {_bold(row)} | {row.ms:.2f} | {_ratio(row)} | {_number(row.cosine, 4)} |"
        for row in compared.networks
    ]
    lines += [
        "\n| 1080p frame to top-1 | ms | x onnxruntime + PIL | grey: 1080p, own | top-1 | equal |",
        "|---|---|---|---|---|---|",
    ]
    for row in compared.pipelines:
        seen = row.fidelity or Fidelity(None, None, None)
        right = "-" if seen.top1 is None else f"{100 * seen.top1:.1f} %"
        grey = f"{_number(seen.large, 2)}, {_number(seen.own, 2)}"
        lines.append(
            f"| {_bold(row)} + {row.way} | {row.ms:.2f} | {_ratio(row)} | {grey} | {right} "
            f"| {'yes' if row.equal else 'no'} |"
        )
    lines.append("")
    for t in compared.targets:
        verdict = "reached" if t.reached else f"MISSED by {100 * (1 - t.median / t.wanted):.0f} %"
        lines.append(
            f"- {t.what}: **{t.median:.2f}x** ({t.least:.2f} to {t.most:.2f}), wanted "
            f"{t.wanted:g}x: {verdict}. Ours: {t.ours}. Peer: {t.peer}."
        )
    lines += [f"- not here: {name}: {reason}" for name, reason in compared.failed.items()]
    return "\n".join(lines)


def _bold(row: Row) -> str:
    return f"**{row.name}**" if row.ours else row.name


def _ratio(row: Row) -> str:
    return f"{row.ratio:.2f} ({row.least:.2f} to {row.most:.2f})"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def data(compared: Compared) -> dict[str, object]:
    """Return the same for JSON."""
    found = asdict(compared)
    for target, entry in zip(compared.targets, found["targets"], strict=True):
        entry["reached"] = target.reached
    return found
