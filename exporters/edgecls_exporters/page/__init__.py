"""``report.html``: one self-contained page, without scripts and without the network.

Each file here is one part of the page. A part that has nothing to show returns an empty text, and
is left away with its entry in the list of contents.
"""

from importlib import resources
from pathlib import Path

from edgecls.manifest import Manifest
from edgecls_exporters.page import (
    confusions,
    flipped,
    golden_samples,
    origin,
    quantized,
    recalls,
    reliability,
    resizing,
    stages,
    tradeoff,
    verdict,
)
from edgecls_exporters.page.markup import Html, element, joined
from edgecls_exporters.page.thumbnails import read
from edgecls_exporters.report import Report
from edgecls_runtime import golden

FILE = "report.html"


def write(folder: Path, report: Report, manifest: Manifest, data: Path | None) -> None:
    """Write the page into a bundle's folder.

    Args:
        folder: Holds the golden samples already; its page is replaced.
        report: What was proven.
        manifest: Of the bundle.
        data: The images of ``report.flips`` are named relative to it; None without any.

    """
    samples = golden.read(folder)
    files = {sample.file: folder / sample.file for sample in samples}
    if data is not None:
        files |= {flip.file: data / flip.file for flip in flipped.shown(report)}
    text = render(report, manifest, read(files), samples)
    (folder / FILE).write_text(text, encoding="utf-8")


def render(
    report: Report,
    manifest: Manifest,
    thumbnails: dict[str, bytes] | None = None,
    samples: tuple[golden.Sample, ...] = (),
) -> str:
    """Return the page of an export.

    Args:
        report: What was proven.
        manifest: Of the bundle.
        thumbnails: JPEGs by the name of their file, in the data folder or in the bundle; an image
            that is missing leaves an empty frame.
        samples: The bundle's golden samples.

    """
    pictures = thumbnails or {}
    parts = {
        "verdict": ("Verdict", verdict.part(report, manifest)),
        "plot": ("Size, accuracy, time", tradeoff.part(report)),
        "ledger": ("Step by step", stages.part(report, manifest)),
        "changed": ("Changed answers", flipped.part(report, pictures)),
        "recall": ("Recall per label", recalls.part(report)),
        "confusions": ("Confusions", confusions.part(report)),
        "reliability": ("Reliability of scores", reliability.part(report)),
        "quantization": ("Quantization", quantized.part(report)),
        "resize": ("Resize", resizing.part(report)),
        "golden": ("Golden samples", golden_samples.part(report, samples, pictures)),
        "origin": ("Where it comes from", origin.part(report, manifest)),
    }
    shown = {name: found for name, found in parts.items() if found[1]}
    body = [
        _top(report, manifest, {name: title for name, (title, _) in shown.items()}),
        *(
            element("section", element("h2", title), content, id=name)
            for name, (title, content) in shown.items()
        ),
    ]
    return f"<!doctype html>\n{_document(report.name, joined(body, Html(chr(10))))}\n"


def _document(name: str, body: Html) -> Html:
    style = resources.files(__name__).joinpath("style.css").read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{name}: export report"),
        element("style", Html(style)),
    )
    return element("html", head, element("body", element("main", body)), lang="en")


def _top(report: Report, manifest: Manifest, titles: dict[str, str]) -> Html:
    facts = [
        report.task,
        f"{len(report.labels)} labels",
        f"version {manifest.version}",
        manifest.provenance.get("made", "")[:10],
    ]
    links = (element("a", title, href=f"#{name}") for name, title in titles.items())
    return element(
        "header",
        element("p", "edgecls export report", class_="over"),
        element("h1", report.name),
        element("p", joined(filter(None, facts), " · "), class_="note"),
        element("nav", joined(links, " "), aria_label="Contents"),
    )
