"""The proof as a table for the terminal, ``report.json`` and one self-contained ``report.html``."""

import html
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from edgecls.manifest import Manifest
from edgecls.metrics import wilson
from edgecls.prediction import Task
from edgecls_exporters.proof import Row


@dataclass(frozen=True, slots=True)
class Report:
    """What an export proved.

    Attributes:
        name: Of the bundle.
        task: How scores are read.
        rows: The original first, then each variant; empty without images.
        left_out: Why a variant is not in the bundle, by its name.
        calibrated: Images that calibration used; none of them is measured.
        duplicates: Files with the content of another, left out.
        skipped: Messages of the files that could not be read.

    """

    name: str
    task: Task
    rows: tuple[Row, ...]
    left_out: dict[str, str]
    calibrated: int
    duplicates: int
    skipped: tuple[str, ...]

    def text(self) -> str:
        """Return the table for a terminal."""
        if not self.rows:
            return self.images() + "\n"
        head = "variant    top-1    95 % interval      agreement  p        size      engine"
        lines = [head, *(_line(row) for row in self.rows), self.images()]
        lines += [f"left out: {name}: {reason}" for name, reason in self.left_out.items()]
        return "\n".join(lines) + "\n"

    def images(self) -> str:
        """Say what was measured on what."""
        if not self.rows:
            return "no images (--data DIR): nothing was measured but the golden samples"
        return (
            f"measured on {self.rows[0].images} images, calibrated on {self.calibrated} others; "
            f"{self.duplicates} duplicates and {len(self.skipped)} unreadable files left out"
        )


HEAD = ("variant", "top-1", "95 % interval", "agreement", "p", "size", "engine, here")


def _line(row: Row) -> str:
    name, top1, interval, agreement, p, size, engine = _cells(row)
    return f"{name:9}  {top1:7}  {interval:17}  {agreement:9}  {p:7}  {size:8}  {engine}"


def _cells(row: Row) -> tuple[str, ...]:
    interval = top1 = p = "-"
    if row.accuracy is not None and row.drop_p is not None:
        low, high = wilson(round(row.accuracy * row.images), row.images)
        top1, interval = _percent(row.accuracy), f"{_percent(low)} .. {_percent(high)}"
        p = f"{row.drop_p:.2f}"
    size = "-" if row.size_bytes is None else f"{row.size_bytes / 1e6:.1f} MB"
    engine = "-" if row.engine_ms is None else f"{row.engine_ms:.1f} ms"
    if row.name == "pytorch":
        return row.name, top1, interval, "-", "-", size, engine
    return row.name, top1, interval, _percent(row.agreement), p, size, engine


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.2f} %"


def write(folder: Path, report: Report, manifest: Manifest) -> None:
    """Write ``report.json`` and ``report.html`` into a bundle's folder."""
    text = json.dumps(asdict(report), indent=2, ensure_ascii=False) + "\n"
    (folder / "report.json").write_text(text, encoding="utf-8")
    (folder / "report.html").write_text(_page(report, manifest), encoding="utf-8")


STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { text-align: left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid #8884 }
td { font-variant-numeric: tabular-nums }
.out { color: #c33 }
img { width: 9rem; height: 9rem; object-fit: cover; margin: 0 .3rem .3rem 0 }
"""


def _page(report: Report, manifest: Manifest) -> str:
    title = html.escape(report.name)
    body = [
        f"<h1>{title}</h1>",
        f"<p>{report.task}, {len(manifest.labels)} labels. {html.escape(report.images())}</p>",
        "<h2>Proof</h2>",
        _table(HEAD, [_cells(row) for row in report.rows]),
        *(
            f'<p class="out">{html.escape(name)} left out: {html.escape(reason)}</p>'
            for name, reason in report.left_out.items()
        ),
        "<h2>Recall per label</h2>",
        _recalls(report),
        "<h2>Golden samples</h2>",
        *(f'<img src="{name}" alt="">' for name in manifest.files if name.endswith(".png")),
        "<h2>Where it comes from</h2>",
        _table(("what", "value"), list(manifest.provenance.items())),
        *(f"<p>skipped: {html.escape(message)}</p>" for message in report.skipped),
    ]
    head = (
        f'<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>{title}: export report</title><style>{STYLE}</style>"
    )
    return "\n".join([head, *body, "</html>\n"])


def _recalls(report: Report) -> str:
    names = list(report.rows[0].recall) if report.rows else []
    head = ("label", *(row.name for row in report.rows))
    return _table(
        head, [(name, *(_percent(row.recall[name]) for row in report.rows)) for name in names]
    )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    def line(cells: tuple[str, ...], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

    return f"<table>{line(head, 'th')}{''.join(line(cells, 'td') for cells in rows)}</table>"
