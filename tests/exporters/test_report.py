"""The report as data and as a table for a terminal."""

import json
import math
from dataclasses import replace

from drawn_reports import Drawn, drawn_report, empty_report
from edgecls_exporters.report import COLUMNS, Quantization, QuantizedLayer

REPORT = drawn_report(Drawn())


def test_the_table_shows_the_original_and_the_variants_and_no_step_between() -> None:
    lines = REPORT.text().splitlines()

    names = [line.split()[0] for line in lines[:6]]
    variants = ["fp32", "int8-x86-avx2", "int8-arm", "int8-tensorrt"]
    assert names == ["variant", "pytorch", *variants]
    assert lines[6].startswith("measured on 372 images, calibrated on 128 others, chosen on 64")
    assert lines[7] == "2 duplicates and 1 unreadable files left out"
    told = " ".join(" ".join(lines[8:]).split())
    assert told.startswith(f"left out: int8-tensorrt: {REPORT.left_out['int8-tensorrt']}; most ")


def test_a_variant_that_is_left_out_names_the_layers_that_broke_it() -> None:
    def layer(name: str, noise_db: float, sensitivity: float | None, *, integer: bool) -> None:
        layers.append(QuantizedLayer(name, "Conv", integer, noise_db, sensitivity, 1.0))

    layers: list[QuantizedLayer] = []
    layer("stem", 30.0, None, integer=True)
    layer("deep", 12.0, None, integer=True)
    layer("last", 20.0, None, integer=True)
    layer("wide", 14.0, None, integer=True)
    noisy = Quantization("int8-a", "a", (), tuple(layers), 1.0)
    layers.clear()
    layer("stem", 30.0, 0.2, integer=True)
    layer("deep", 12.0, -0.1, integer=True)
    layer("last", 20.0, 0.9, integer=False)
    layer("wide", 14.0, 0.4, integer=True)
    felt = Quantization("int8-b", "b", (), tuple(layers), 1.0)
    reasons = {"int8-a": "1.00 points lost", "int8-b": "2.00 points lost", "int8-c": "not made"}

    text = replace(REPORT, left_out=reasons, quantizations=(noisy, felt)).text()

    assert text.splitlines()[-3:] == [
        "left out: int8-a: 1.00 points lost; noisiest layers: deep, wide, last",
        "left out: int8-b: 2.00 points lost; most sensitive layers: wide, stem",
        "left out: int8-c: not made",
    ]


def test_the_columns_of_the_table_stand_below_each_other() -> None:
    head, *lines = REPORT.text().splitlines()[:6]

    for name in ("top-1", "95 %", "agreement", "p ", "size", "engine"):
        start = head.index(name)
        assert all(line[start - 1] == " " != line[start] for line in lines)


def test_a_table_of_an_export_fits_the_terminal_and_says_all() -> None:
    reasons = {
        "int8-tensorrt": "4.03 points of top-1 lost on 372 images; " + "most in layer conv_1, " * 9,
        "int8-qnn": "not made",
        "int8-a-very-long-name-of-a-target": "",
    }

    text = replace(REPORT, left_out=reasons, quantizations=()).text()

    assert max(map(len, text.splitlines())) <= COLUMNS
    folded = text.split("left out: int8-tensorrt:")[1].split("left out: int8-qnn:")
    assert " ".join(folded[0].split()) == reasons["int8-tensorrt"].strip()
    starts = {
        line.index(words)
        for line in text.splitlines()
        for words in ("4.03 points", "not made")
        if words in line
    }
    assert len(starts) == 1


def test_without_images_the_text_says_so_and_why_a_variant_is_left_out() -> None:
    report = replace(empty_report(), left_out={"int8": "there are no images"})

    assert report.text() == (
        "no images (--data DIR): nothing was measured but the golden samples\n"
        "left out: int8: there are no images\n"
    )


def test_without_labels_the_table_has_agreement_only() -> None:
    lines = drawn_report(Drawn(labelled=False)).text().splitlines()

    assert lines[2].split()[:6] == ["fp32", "-", "-", "100.00", "%", "-"]


def test_data_are_json_that_every_reader_takes() -> None:
    first, *others = REPORT.rows
    broken = replace(REPORT, rows=(replace(first, largest_difference=math.nan), *others))

    found = json.loads(broken.to_json(), parse_constant=lambda name: f"no JSON: {name}")

    assert found["rows"][0]["largest_difference"] is None
    assert found["rows"][1]["drop_interval"] == list(others[0].drop_interval or ())
    assert found["quantizations"][0]["layers"][0]["operator"] == "Conv"
    assert found["max_drop"] == 1.0
