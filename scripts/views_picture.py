"""Draw the picture of docs/views.md: a tray of made-up parts, judged tile by tile.

    python scripts/views_picture.py [docs/views.jpg]

Trains and exports the small network of the tests, then does what a person does: ``edgecls look``.
"""

import sys
import tempfile
from pathlib import Path

import cv2
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from edgecls import cli
from edgecls.prediction import Task
from edgecls_exporters.export import export
from edgecls_exporters.inputs import Job
from parts import NETWORK, PREPROCESSING, trained_network, tray, write_photos

TRAY = [["good", "good", "scratch"], ["good", "good", "good"]]
STATION = """
bundle = "disc.bundle"
[camera]
kind = "folder"
path = "trays"
[rule]
good = ["good"]
min_score = 0.6
[[views]]
name = "tile"
tile_px = 100
"""


def bundle(folder: Path) -> None:
    """Write ``folder/disc.bundle``."""
    (folder / "small_network.py").write_text(NETWORK, encoding="utf-8")
    module: dict[str, object] = {}
    exec(NETWORK, module)  # noqa: S102 - the text of the tests
    torch.save(trained_network(module).state_dict(), folder / "small.pth")
    sys.path.insert(0, str(folder))
    export(
        Job(
            source="small_network:network",
            target=folder / "disc.bundle",
            weights=folder / "small.pth",
            data=write_photos(folder / "photos", 40),
            task=Task.MULTICLASS,
            targets=(),
            overrides=dict(PREPROCESSING),
        )
    )


def main(to: Path) -> int:
    """Make everything in a folder of its own; write the picture."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle(folder)
        (folder / "trays").mkdir()
        cv2.imwrite(str(folder / "trays" / "tray.png"), tray(TRAY)[..., ::-1])
        (folder / "station.toml").write_text(STATION, encoding="utf-8")
        return cli.main(["look", str(folder / "station.toml"), "--to", str(to)])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/views.jpg")))
