"""The page of an export, specified: what it shows, what it leaves away, and what it never does."""

import html
import io
import json
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drawn_reports import Drawn, drawn_report, empty_report, manifest_of
from edgecls.bundle import Bundle
from edgecls_exporters import page
from edgecls_exporters.ledger import Flip
from edgecls_exporters.page import flipped, thumbnails
from edgecls_exporters.report import Report
from edgecls_runtime.golden import Sample
from parts import Made

VOID = {"meta", "img"}
PARTS = [
    "verdict",
    "plot",
    "ledger",
    "changed",
    "recall",
    "confusions",
    "reliability",
    "quantization",
    "resize",
    "origin",
]
TRUTH = {"recall", "confusions", "reliability"}
EVIL = """<script>alert("1")</script>' onload='x"""
CHROMIUM = shutil.which("chromium")


class Outline(HTMLParser):
    """The structure of a page; every tag must be closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sections: list[str] = []
        self.tags = Counter[str]()
        self.attributes: list[tuple[str, str]] = []
        self.words: dict[str, str] = {}
        self.tables: list[list[int]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag == "section":
            self.sections.append(dict(attrs)["id"] or "")
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append(0)
        if tag in {"td", "th"}:
            self.tables[-1][-1] += 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            where = self.sections[-1] if self.sections else "header"
            self.words[where] = self.words.get(where, "") + data + " "


def rendered(report: Report, pictures: dict[str, bytes] | None = None) -> str:
    return page.render(report, manifest_of(report), pictures)


def outlined(report: Report) -> Outline:
    return Outline(rendered(report))


def noise_png(seed: int) -> bytes:
    """Return noise: no image makes a larger thumbnail."""
    pixels = np.random.default_rng(seed).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


REPORTS = {
    "four labels": drawn_report(Drawn()),
    "two labels": drawn_report(Drawn(labels=("good", "bad"), images=40)),
    "many labels": drawn_report(Drawn(labels=tuple(f"label {i}" for i in range(1000)))),
    "one image": drawn_report(Drawn(images=1)),
    "one layer": drawn_report(Drawn(layers=1)),
    "no layers": drawn_report(Drawn(layers=0)),
    "nothing changed": drawn_report(Drawn(noise=0)),
    "unlabelled": drawn_report(Drawn(labelled=False)),
    "no images": empty_report(),
    "markup in labels": drawn_report(Drawn(labels=("ok", EVIL))),
}


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_a_page_is_whole_needs_nobody_and_runs_nothing(report: Report) -> None:
    text = rendered(report)
    outline = Outline(text)

    links = [value for name, value in outline.attributes if name in {"src", "href"}]
    assert links == [f"#{name}" for name in outline.sections]
    assert outline.tags["script"] == 0
    assert not any(name.startswith("on") for name, _ in outline.attributes)
    assert not re.search(r"http|@import|url\(", text)


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_every_row_of_a_table_has_a_cell_for_each_column(report: Report) -> None:
    for rows in outlined(report).tables:
        assert len(set(rows)) == 1


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_every_table_and_chart_says_what_it_is(report: Report) -> None:
    outline = outlined(report)

    regions = outline.attributes.count(("role", "region"))
    charts = outline.attributes.count(("role", "img"))
    labels = [value for name, value in outline.attributes if name == "aria-label"]
    assert outline.tags["svg"] == charts
    assert len(labels) == regions + charts + 1  # the list of contents
    assert all(labels)
    assert regions >= outline.tags["table"]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("four labels", PARTS),
        ("many labels", PARTS),
        ("nothing changed", [part for part in PARTS if part != "changed"]),
        ("unlabelled", [part for part in PARTS if part not in TRUTH]),
        ("no images", ["verdict", "origin"]),
    ],
)
def test_a_page_has_the_parts_that_there_is_something_to_show_of(
    name: str, parts: list[str]
) -> None:
    assert outlined(REPORTS[name]).sections == parts


def test_labels_and_names_are_text_even_where_they_look_like_tags() -> None:
    report = replace(
        REPORTS["markup in labels"],
        name=EVIL,
        left_out={EVIL: EVIL},
        skipped=(EVIL,),
        flips=(Flip(EVIL, EVIL, "ok", {"int8-arm": EVIL}),),
    )
    manifest = replace(manifest_of(report), version=EVIL, provenance={EVIL: EVIL})

    text = page.render(report, manifest, {EVIL: b"jpeg"})

    assert EVIL not in text
    assert Outline(text).tags["script"] == 0
    for part in ("header", "verdict", "changed", "recall", "confusions", "origin"):
        assert EVIL in Outline(text).words[part]
    assert any(name == "alt" and EVIL in value for name, value in Outline(text).attributes)


def test_a_file_name_that_is_no_text_breaks_neither_the_page_nor_the_data() -> None:
    odd = b"caf\xe9\x07.jpg".decode("utf-8", "surrogateescape")
    report = replace(REPORTS["four labels"], skipped=(odd,))

    assert "caf?\ufffd.jpg" in rendered(report).encode().decode()
    assert json.loads(report.to_json().encode())["skipped"] == [odd]


def test_what_is_not_a_number_is_a_dash() -> None:
    nan = float("nan")
    report = REPORTS["four labels"]
    rows = tuple(
        replace(
            row,
            agreement=nan,
            largest_difference=nan,
            accuracy=nan,
            drop=nan,
            drop_interval=(nan, float("inf")),
            drop_p=nan,
            recall=dict.fromkeys(row.recall, nan),
            reliability=tuple(replace(b, score=nan, right=nan) for b in row.reliability),
            engine_ms=nan,
        )
        for row in report.rows
    )
    quantizations = tuple(
        replace(
            found,
            temperature=nan,
            attempts=tuple(replace(a, divergence=nan, agreement=nan) for a in found.attempts),
            layers=tuple(
                replace(layer, noise_db=nan, sensitivity=nan, weight_growth=nan)
                for layer in found.layers
            ),
        )
        for found in report.quantizations
    )
    rungs = tuple(replace(rung, agreement=nan, milliseconds=nan) for rung in report.rungs)

    text = rendered(replace(report, rows=rows, quantizations=quantizations, rungs=rungs))

    assert not re.search(r"\b(nan|inf|None)\b", text)
    assert Outline(text).sections == PARTS


def test_the_verdict_says_what_ships_and_why_the_rest_does_not() -> None:
    words = outlined(REPORTS["four labels"]).words["verdict"]

    assert "The bundle holds fp32, int8-x86-avx2 and int8-arm. int8-tensorrt was left out." in words
    assert re.search(r"int8-tensorrt left out:\s+\d+\.\d\d points of top-1 lost on 372", words)
    assert "Measured on 372 images, calibrated on 128 others, chosen on 64 others" in words


@pytest.mark.parametrize(
    ("images", "proven", "more"),
    [
        (372, "0.81", "1\u202f000 images would prove a drop below 0.3 points"),
        (1000, "0.3", "3\u202f000 images would prove a drop below 0.1 points"),
        (20, "15", "300 images would prove a drop below 1 point"),
        (2, "100", "300 images would prove a drop below 1 point"),
    ],
)
def test_where_no_answer_changed_the_page_says_what_that_proves(
    images: int, proven: str, more: str
) -> None:
    report = drawn_report(Drawn(images=images, noise=0))

    words = outlined(report).words["verdict"]

    bound = f"the true drop is below {proven} points (rule of three: 3 / {images})"
    assert bound in words
    assert f"With no answer changed, {more}" in words


def test_where_answers_changed_the_page_says_between_what_the_true_drop_lies() -> None:
    report = REPORTS["four labels"]
    row = next(row for row in report.rows if row.name == "int8-x86-avx2")
    changed = round((1 - row.agreement) * row.images)

    words = outlined(report).words["verdict"]

    assert changed > 0
    assert f"int8-x86-avx2: {changed} answers changed." in words
    assert row.drop_interval is not None
    assert f"and {row.drop_interval[1]:.2f} points (below 0 is a gain)" in words
    assert "The budget of 1 is kept here, but so few images do not prove it." in words


def test_the_ledger_names_each_step_with_what_changed_in_it() -> None:
    report = REPORTS["four labels"]

    words = outlined(report).words["ledger"]

    assert all(f"{row.name} " in words for row in report.rows)
    assert "made for arm; after fp32" in words
    assert "its integers computed exactly, without a kernel" in words
    assert "new escapes" in words


def test_matrices_count_every_image_and_only_where_they_differ() -> None:
    text = rendered(REPORTS["four labels"])

    first = text.split("<caption>pytorch</caption>")[1].split("</table>")[0]
    cells = re.findall(r'<td class="[he]\d">(\d+)', first)
    assert sum(map(int, cells)) == 372
    assert "<caption>int8-tensorrt</caption>" in text
    assert "<caption>fp32</caption>" not in text


def test_of_many_labels_the_most_confused_pairs_are_listed() -> None:
    report = REPORTS["many labels"]
    worst = Counter(
        {(t, a): n for row in report.rows for t, a, n in row.confusions if t != a}
    ).most_common(1)[0][1]

    words = outlined(report).words["confusions"]

    assert "The 25 most frequent of" in words
    assert re.search(rf"label \d+\s+label \d+\s+[\d ]*\b{worst}\b", words)


def test_layers_that_stay_in_float_are_marked() -> None:
    text = rendered(REPORTS["four labels"])

    assert text.count('<path d="M') >= 4
    assert 'class="layer kept"' in text
    assert "51 of 53 layers run on integers" in text
    assert "Logits are divided by 1.03" in text


def test_the_gallery_shows_the_worst_first_and_not_more_than_it_may() -> None:
    report = drawn_report(Drawn(images=2000))

    shown = flipped.shown(report)

    def lost(flip: Flip) -> int:
        right = flip.original == flip.label
        return right * sum(flip.answers[name] != flip.original for name in report.variants)

    assert len(shown) == flipped.MOST < len(report.flips)
    assert [lost(flip) for flip in shown] == sorted(map(lost, shown), reverse=True)
    assert lost(shown[0]) == max(map(lost, report.flips))


def test_a_flip_of_a_label_that_is_not_the_first_is_told_as_such() -> None:
    flip = Flip("part.png", "good", "good", {"fp32": "good", "int8-arm": "good"})

    words = outlined(replace(REPORTS["four labels"], flips=(flip,))).words["changed"]

    assert "1 image that a variant answers otherwise than the original." in words
    assert "differs in another label" in words


def test_an_image_that_is_gone_leaves_a_frame(tmp_path: Path) -> None:
    report = REPORTS["four labels"]
    first, second, *_ = flipped.shown(report)
    (tmp_path / "there.png").write_bytes(noise_png(0))
    (tmp_path / "broken.png").write_bytes(b"no image")

    found = thumbnails.read(
        {
            first.file: tmp_path / "there.png",
            second.file: tmp_path / "gone.png",
            "broken": tmp_path / "broken.png",
        }
    )
    text = rendered(report, found)

    assert set(found) == {first.file}
    assert max(Image.open(io.BytesIO(found[first.file])).size) == thumbnails.SIDE
    assert text.count('<img src="data:image/jpeg;base64,') == 1
    assert text.count('class="missing">no image<') == len(flipped.shown(report)) - 1


def test_a_page_of_a_thousand_labels_and_full_galleries_stays_below_a_megabyte(
    tmp_path: Path,
) -> None:
    labels = tuple(f"a label of usual length, number {i}" for i in range(1000))
    report = drawn_report(Drawn(labels=labels, images=1500, layers=200))
    files = {flip.file: tmp_path / f"{i}.png" for i, flip in enumerate(flipped.shown(report))}
    files |= {f"golden/{i:02}.png": tmp_path / f"{i}.png" for i in range(8)}
    for number in range(len(files) - 8):
        (tmp_path / f"{number}.png").write_bytes(noise_png(number))
    scores = tuple([0.001] * 1000)
    samples = tuple(Sample(f"golden/{i:02}.png", scores, {"fp32": scores}) for i in range(8))

    pictures = thumbnails.read(files)
    text = page.render(report, manifest_of(report), pictures, samples)

    assert Outline(text).tags["img"] == 24 + 8
    assert len(text.encode()) < 1_000_000


def test_the_page_of_a_bundle_shows_its_golden_samples_inside_itself(
    made: Made, tmp_path: Path
) -> None:
    folder = tmp_path / "disc.bundle"
    shutil.copytree(made.path, folder)
    manifest = Bundle.open(made.path).manifest

    page.write(folder, made.report, manifest, made.photos)

    text = (folder / page.FILE).read_text(encoding="utf-8")
    outline = Outline(text)
    pictures = [value for name, value in outline.attributes if name == "src"]
    assert "golden" in outline.sections
    assert len(pictures) == 8 + len(flipped.shown(made.report))
    assert all(source.startswith("data:image/jpeg;base64,") for source in pictures)
    assert "golden/07.png" in outline.words["golden"]


FRAME = """<!doctype html><title>waiting</title><iframe id="f" width="390" height="800"
srcdoc="PAGE"></iframe><script>
f.onload = () => { document.title = JSON.stringify([f.contentWindow.innerWidth,
  f.contentDocument.documentElement.scrollWidth, f.contentDocument.body.scrollWidth]) }
</script>"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_on_a_phone_nothing_sticks_out_and_the_browser_has_no_complaint(
    report: Report, tmp_path: Path
) -> None:
    file = tmp_path / "frame.html"
    # Chromium's own window is never narrower than 500 px; a frame in it is.
    text = FRAME.replace("PAGE", html.escape(rendered(report)))
    file.write_text(text, encoding="utf-8")

    done = subprocess.run(
        [
            CHROMIUM or "",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            file.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title is not None
    window, whole, body = json.loads(title[1])
    assert window == 390
    assert max(whole, body) <= window
    assert "CONSOLE" not in done.stderr
