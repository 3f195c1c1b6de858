"""Scout a field of strawberries: which photos of a drone show sick leaves, where to go first.

    python scripts/examples/leaf_scouting.py leaf.bundle photos/ --good healthy --to found.csv

Each photo is cut into tiles, so that a leaf is as large to the network as it was in training; all
tiles of a photo are judged in one call. A photo that is blurred or broken is not left out in
silence: it is a REVIEW, to be taken again.
"""

import argparse
import csv
from pathlib import Path

from edgecls import Bundle, Outcome, Verdict
from edgecls.errors import EndOfStream, ImageError
from edgecls.progress import tell
from edgecls_runtime import Rule, open_camera, open_classifier
from edgecls_runtime.failover import Failover
from edgecls_runtime.views.looking import Looking
from edgecls_runtime.views.settings import View

COLUMNS = ("photo", "outcome", "sick tiles", "of", "worst", "reason")


def scout(bundle: Path, photos: Path, good: list[str], tile_px: int) -> list[dict[str, object]]:
    """Return a row a photo, those with the most sick tiles first."""
    classify = Failover(lambda: open_classifier(Bundle.open(bundle)), tell)
    look = Looking([View("tile", tile_px=tile_px)], None, classify)
    judge = Rule(good=tuple(good), min_score=0.6, min_margin=0.1)
    found = []
    with open_camera("folder", path=photos) as camera:
        while True:
            try:
                frame = camera.read(timeout=1.0)
            except EndOfStream:
                break
            except ImageError as error:
                found.append(row(Verdict(Outcome.REVIEW, str(error), part=error.part or "")))
                continue
            verdict = judge.judge_places(look(frame))
            found.append(row(verdict, frame.part or ""))
    return sorted(found, key=lambda one: -int(str(one["sick tiles"])))


def row(verdict: Verdict, photo: str = "") -> dict[str, object]:
    """Return what the table says of one photo."""
    sick = [look for look in verdict.looks if look.outcome is Outcome.FAIL]
    worst = max(sick, key=lambda look: look.score, default=None)
    return {
        "photo": photo or verdict.part,
        "outcome": verdict.outcome.upper(),
        "sick tiles": len(sick),
        "of": len(verdict.looks),
        "worst": f"{worst.name}: {worst.label} {worst.score:.2f}" if worst else "",
        "reason": verdict.reason,
    }


def main() -> None:
    """Scout, write the table, and say where to go."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("bundle", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--good", action="append", required=True, help="a label of healthy leaves")
    parser.add_argument("--tile-px", type=int, default=400, help="side of a tile of the photo")
    parser.add_argument("--to", type=Path, default=Path("found.csv"))
    arguments = parser.parse_args()
    rows = scout(arguments.bundle, arguments.photos, arguments.good, arguments.tile_px)
    with arguments.to.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)
    sick = [one for one in rows if one["sick tiles"]]
    print(f"{len(rows)} photos, {len(sick)} with sick leaves; {arguments.to}")
    for one in sick[:5]:
        print(f"  {one['photo']}: {one['sick tiles']} of {one['of']} tiles, {one['worst']}")


if __name__ == "__main__":
    main()
