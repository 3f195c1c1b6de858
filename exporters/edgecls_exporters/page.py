"""``report.html``: one self-contained page that needs no network."""

import html

from edgecls.manifest import Manifest
from edgecls_exporters.report import HEAD, Report, cells, percent

STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { text-align: left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid #8884 }
td { font-variant-numeric: tabular-nums }
.out { color: #c33 }
img { width: 9rem; height: 9rem; object-fit: cover; margin: 0 .3rem .3rem 0 }
"""


def render(report: Report, manifest: Manifest) -> str:
    """Return the page of an export."""
    title = html.escape(report.name)
    body = [
        f"<h1>{title}</h1>",
        f"<p>{report.task}, {len(manifest.labels)} labels. {html.escape(report.images())}</p>",
        "<h2>Proof</h2>",
        _table(HEAD, [cells(row) for row in report.rows]),
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
        head,
        [(name, *(percent(row.recall[name]) for row in report.rows)) for name in names],
    )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    def line(cells: tuple[str, ...], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

    return f"<table>{line(head, 'th')}{''.join(line(cells, 'td') for cells in rows)}</table>"
