"""What was learned of a camera, for people and for programs."""

from dataclasses import asdict

from edgecls_runtime.health.calibration import Calibrated
from edgecls_runtime.health.kept import Kept
from edgecls_runtime.health.limits import SCALES, label


def lines(found: Calibrated) -> list[str]:
    """Return the table of one camera: where its good frames lie, and how far the next ones may."""
    kept = found.kept
    head = f"{kept.camera}: {kept.frames} good frames of {kept.width_px} x {kept.height_px}"
    said = [head, f"{'':12}" + "".join(f"{title:>11}" for title in TITLES)]
    for name, seen in kept.seen.items():
        limits = kept.least.get(name), kept.most.get(name)
        written = [
            "-" if value is None else SCALES[name].written(value)
            for value in (seen.low, seen.middle, seen.high, *limits)
        ]
        said.append(f"{label(name):12}" + "".join(f"{value:>11}" for value in written))
    if kept.frozen:
        said.append(f"frozen: the same picture for more than {kept.frozen.after_ms / 1000:g} s")
    return [*said, *_strange(found), _expectation(kept), *_warned(found)]


def as_json(found: Calibrated) -> dict[str, object]:
    """Return what was learned, as plain values."""
    kept = found.kept
    return {
        **{key: value for key, value in asdict(kept).items() if key != "view_sha256"},
        "view": bool(found.png),
        "left_out": {str(number): name for number, name in found.learned.left_out.items()},
        "false_alarms_at_most": round(kept.false_alarms.at_most, 6),
        "warnings": found.learned.warnings,
    }


TITLES = ("lowest", "middle", "highest", "least", "most")


def _strange(found: Calibrated) -> list[str]:
    strange = found.learned.left_out
    if not strange:
        return []
    few = ", ".join(f"{number} ({label(name)})" for number, name in [*strange.items()][:5])
    more = ", ..." if len(strange) > 5 else ""
    return [f"left out, far from all others: {len(strange)} frames: {few}{more}"]


def _expectation(kept: Kept) -> str:
    alarms = kept.false_alarms
    return (
        f"false alarms on these frames: {alarms.each} of {alarms.of} when each is left out in "
        f"turn, {alarms.tenths} when each tenth is; if the next ones are like these, expect at "
        f"most {100 * alarms.at_most:.2g} %"
    )


def _warned(found: Calibrated) -> list[str]:
    return [f"warning: {line}" for line in found.learned.warnings]
