"""The benchmark, specified: every speed beside its accuracy, and what disturbed it said."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from edgecls.bundle import Bundle, seal
from edgecls.cli import main
from edgecls.errors import DeviceError
from edgecls_runtime.measuring import environment
from edgecls_runtime.measuring.bench_picture import Point, draw
from edgecls_runtime.measuring.benchmark import Wanted, measure
from parts import INT8, Made

SVG = "{http://www.w3.org/2000/svg}"


def answer(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_bench_gives_speed_memory_placement_and_work_beside_the_accuracy(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "bench.svg"

    code, text, _ = answer(
        capsys, "bench", made.path, "--frames", "5", "--json", "--picture", picture
    )

    table = json.loads(text)
    assert code == 0
    assert table["environment"]["cores"] >= 1
    assert {"onnxruntime", "numpy", "opencv", "load_average"} <= table["environment"].keys()
    assert {line["variant"] for line in table["variants"]} == {"fp32", INT8}
    for line in table["variants"]:
        assert 0 < line["engine_ms_p50"] < line["latency_ms_p50"] < line["jpeg_ms_p50"]
        assert line["latency_ms_p50"] <= line["latency_ms_p99"] <= line["latency_ms_p99_9"]
        assert 0 < line["peak_memory_mb"] <= line["peak_memory_1080p_mb"]
        assert 0 < line["cpu_share_10_hz"] < 1
        assert line["accuracy"] > 0.9
        assert line["wrong"] == ""
        assert line["placement"]["flops_share"] == 1.0
    named = [text.text or "" for text in ET.parse(picture).iter(f"{SVG}text")]  # noqa: S314 - ours
    assert any(f"{INT8} on cpu: p50" in text for text in named)


def test_bench_measures_every_combination_that_is_asked_for(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--variant", "fp32", "--threads", "1", "--threads", "2", "--batch", "3"]

    code, text, _ = answer(capsys, "bench", made.path, "--frames", "3", *flags)

    assert code == 0
    assert "fp32 on cpu threads=1 batch=3: 100 % of the arithmetic" in text
    assert "fp32 on cpu threads=2 batch=3: 100 % of the arithmetic" in text
    assert "p99.9 of fewer than 1000 calls is about the slowest one" in text


def test_bench_says_that_a_variant_answers_wrongly_and_still_measures_it(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = Path(shutil.copytree(made.path, tmp_path / "strict.bundle"))
    manifest = Bundle.open(bundle).manifest
    strict = tuple(replace(variant, tolerance=1e-12) for variant in manifest.variants)
    seal(bundle, replace(manifest, variants=strict))

    code, text, said = answer(
        capsys, "bench", bundle, "--frames", "3", "--variant", "fp32", "--json"
    )

    assert code == 0
    assert "fp32 answers wrongly here on CPUExecutionProvider" in said
    assert "fp32 answers wrongly here" in json.loads(text)["variants"][0]["wrong"]


def test_bench_refuses_to_measure_nothing(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        answer(capsys, "bench", made.path, "--frames", "0")

    assert "argument --frames: 0: expected 1 or more" in capsys.readouterr().err


def test_what_ends_the_measured_process_is_one_line(made: Made, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(made.path, tmp_path / "odd.bundle"))
    (bundle / "model.fp32.onnx").write_bytes(b"not a model")
    seal(bundle, Bundle.open(made.path).manifest)

    with pytest.raises(DeviceError, match="fp32 on cpu spinning, exact: .*model.fp32.onnx") as told:
        measure(Wanted(bundle, "fp32", frames=3))

    assert "\n" not in str(told.value)


def test_work_of_others_is_told_and_a_quiet_machine_is_not_blamed() -> None:
    assert environment.warning(0.19, 2) == environment.warning(None, 2) == ""
    assert environment.warning(1.26, 2) == "busy: other programs used 1.3 of 2 cores meanwhile"


def test_busy_seconds_count_stolen_time_and_not_waiting(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 20 30 9999 8888 4 5 41 7 7\ncpu0 1 2\n", encoding="ascii")

    assert environment.busy_seconds(stat) == pytest.approx(2.0)
    assert environment.busy_seconds(tmp_path / "none") is None


def test_a_picture_names_what_is_wrong_and_escapes_names() -> None:
    points = [
        Point("fp32 <a> & b", 2.0, 3.0, 0.95),
        Point("int8", 1.0, 1.5, 0.94, wrong=True),
        Point("fp16", 1.2, 1.2, None),
    ]

    picture = draw(points, "disc 1", "accuracy", ["a quiet machine"])

    root = ET.fromstring(picture)  # noqa: S314 - ours
    assert "prefers-color-scheme: dark" in picture
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert "1  fp32 <a> & b: p50 2.00, p99 3.00 ms, accuracy 95.00 %" in texts
    assert "2  int8: p50 1.00, p99 1.50 ms, accuracy 94.00 %; ANSWERS WRONGLY HERE" in texts
    assert "3  fp16: p50 1.20, p99 1.20 ms, accuracy not measured" in texts
    assert len(list(root.iter(f"{SVG}circle"))) == 3
