"""The stored choice, specified: used where it holds, named where it does not, never a crash."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgecls.bundle import Bundle
from edgecls.errors import DeviceError
from edgecls.manifest import Resampling
from edgecls_runtime import Classifier, golden, machine
from edgecls_runtime.measuring import tuned, versions
from edgecls_runtime.measuring.tuned import Aim, Choice, Figures, Record
from edgecls_runtime.opening import Allowed, open_classifier
from edgecls_runtime.providers import cpu
from parts import INT8, Made

CHOICE = Choice(
    {"kind": "cpu", "threads": 1},
    "fp32",
    Resampling.EXACT,
    1,
    Aim.LATENCY,
    Figures(1.0, 2.0, 1000.0),
    "latency: 1.00 ms a frame",
)


@pytest.fixture
def bundle(made: Made) -> Bundle:
    return Bundle.open(made.path)


@pytest.fixture
def stored(bundle: Bundle) -> Path:
    """Return a tune file that holds here."""
    record = Record(
        "disc 1", bundle.digest, machine.device(), versions.here(), "2026-01-01T00:00:00", CHOICE
    )
    return tuned.store(record, bundle)


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    table = json.loads(path.read_text(encoding="utf-8"))
    change(table)
    path.write_text(json.dumps(table), encoding="utf-8")


def found(bundle: Bundle) -> tuple[Choice | None, list[str]]:
    lines: list[str] = []
    return tuned.find(bundle, lines.append), lines


@pytest.mark.usefixtures("stored")
def test_a_choice_that_holds_is_found_without_a_word(bundle: Bundle) -> None:
    assert found(bundle) == (CHOICE, [])


def test_without_a_tune_file_there_is_no_choice_and_no_word(bundle: Bundle) -> None:
    assert found(bundle) == (None, [])


@pytest.mark.usefixtures("stored")
def test_auto_runs_what_was_chosen(made: Made) -> None:
    classify = Classifier(made.path)

    assert classify.variant.name == "fp32"
    assert classify.provider == cpu.open(threads=1)
    golden.require(classify)


@pytest.mark.usefixtures("stored")
def test_a_choice_is_for_its_variant_and_a_named_provider_is_not_overruled(made: Made) -> None:
    other, named = Classifier(made.path, variant=INT8), Classifier(made.path, "cpu")

    assert other.variant.name == INT8
    assert other.provider == named.provider == cpu.open()


def test_a_station_on_auto_opens_what_was_chosen_and_without_it_the_processor(
    bundle: Bundle, stored: Path
) -> None:
    lines: list[str] = []

    chosen = open_classifier(bundle, Allowed(), lines.append)
    edit(stored, lambda table: table["versions"].update(numpy="0.1"))
    untuned = open_classifier(bundle, Allowed(), lines.append)

    assert chosen.provider == cpu.open(threads=1)
    assert chosen.variant.name == "fp32"
    assert untuned.provider == cpu.open()
    assert [line.partition("; ")[2] for line in lines] == [
        f"not used; run: edgecls tune {bundle.path}"
    ]


def test_a_choice_for_another_version_is_not_used_and_named(bundle: Bundle, stored: Path) -> None:
    edit(stored, lambda table: table["versions"].update(onnxruntime="1.0"))

    choice, (line,) = found(bundle)

    here = versions.here()["onnxruntime"]
    assert choice is None
    assert line == (
        f"{stored}: measured with onnxruntime 1.0, here is {here}; not used; "
        f"run: edgecls tune {bundle.path}"
    )


def test_a_choice_with_a_package_or_driver_that_is_gone_is_not_used(
    bundle: Bundle, stored: Path
) -> None:
    gone = {"package onnxruntime-ep-nobody": "1.2", "rknpu driver": "0.9"}
    edit(stored, lambda table: table["versions"].update(gone))

    choice, (line,) = found(bundle)

    assert choice is None
    assert "package onnxruntime-ep-nobody 1.2, here is none; rknpu driver 0.9, here is none" in line


def test_a_choice_of_another_device_is_not_used_and_named(bundle: Bundle, stored: Path) -> None:
    edit(stored, lambda table: table["device"].update(processor="Cortex-A76", cores=64))
    stored.rename(stored.with_name(f"{bundle.digest[:16]}-00000000.json"))

    choice, (line,) = found(bundle)

    assert choice is None
    assert f"measured on Cortex-A76, 64 cores, {machine.device().memory_gb:g} GB; this is" in line


DAMAGES: dict[str, tuple[str | Callable[[dict[str, Any]], object], str]] = {
    "empty": ("", "damaged"),
    "cut off": ('{"format": 1, "bun', "damaged"),
    "no table": ("[1, 2]", "format None; this edgecls reads format 1"),
    "deep": ("[" * 100_000, "damaged"),
    "newer": (lambda table: table.update(format=2), "format 2; this edgecls reads format 1"),
    "unknown key": (lambda table: table.update(x=1), ".x: unknown key"),
    "missing key": (lambda table: table.pop("choice"), ".choice: required and not given"),
    "another type": (lambda table: table["choice"].update(batch="1"), "expected int, got '1'"),
    "no batch": (lambda table: table["choice"].update(batch=0), "batch 0; expected 1 or more"),
    "no such variant": (
        lambda table: table["choice"].update(variant="int4"),
        "variant 'int4'; the bundle has ",
    ),
    "no such provider": (
        lambda table: table["choice"].update(provider={"kind": "abacus"}),
        "no kind 'abacus'",
    ),
    "a setting that no provider has": (
        lambda table: table["choice"].update(provider={"kind": "cpu", "threads": -1}),
        "cpu: threads -1; expected 0 to 1024",
    ),
    "a faster rung than the export proved": (
        lambda table: table["choice"].update(resampling="coarse"),
        "resampling coarse; the export proved exact",
    ),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_tune_file_is_ignored_with_a_line(
    bundle: Bundle,
    stored: Path,
    capsys: pytest.CaptureFixture[str],
    damage: str | Callable[[dict[str, Any]], object],
    message: str,
) -> None:
    if isinstance(damage, str):
        stored.write_text(damage, encoding="utf-8")
    else:
        edit(stored, damage)

    classify = Classifier(bundle)

    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert line.endswith(f"not used; run: edgecls tune {bundle.path}")
    assert classify.provider == cpu.open()


def test_a_more_exact_rung_is_run_as_chosen(bundle: Bundle) -> None:
    proven = replace(bundle.preprocessing, resampling=Resampling.COARSE)
    faster = replace(bundle, manifest=replace(bundle.manifest, preprocessing=proven))

    assert CHOICE.applied(faster).preprocessing.resampling is Resampling.EXACT
    assert CHOICE.applied(faster).digest == bundle.digest


def test_a_cache_that_cannot_be_written_is_a_device_error(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    record = Record("disc 1", bundle.digest, machine.device(), {}, "", CHOICE)

    with pytest.raises(DeviceError, match="the choice is not stored; set XDG_CACHE_HOME"):
        tuned.store(record, bundle)

    assert found(bundle) == (None, [])


def test_a_board_is_named_by_its_device_tree(tmp_path: Path) -> None:
    cpuinfo, board = tmp_path / "cpuinfo", tmp_path / "model"
    cpuinfo.write_text("processor\t: 0\nFeatures\t: asimd\n", encoding="ascii")
    board.write_bytes(b"Raspberry Pi 5 Model B Rev 1.0\0")

    assert machine.processor(cpuinfo, board) == "Raspberry Pi 5 Model B Rev 1.0"
