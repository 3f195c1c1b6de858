"""Which variant runs where, specified: never one that was made for other kernels, unless asked."""

import json
import platform
import re
import shutil
from pathlib import Path

import pytest

from edgecls.cli import main
from edgecls.errors import ProviderError
from edgecls_runtime import Classifier, machine
from parts import ARM, INT8, Made, write_manifest

NVIDIA = "TensorrtExecutionProvider"


@pytest.fixture
def bundle(made: Made, tmp_path: Path) -> Path:
    """Return a bundle whose int8 variant is preferred."""
    copy = Path(shutil.copytree(made.path, tmp_path / "copy.bundle"))
    table = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    table["variants"].sort(key=lambda variant: variant["name"] != INT8)
    write_manifest(copy, table)
    return copy


def made_for(bundle: Path, variant: str, **where: list[str]) -> None:
    """Say in the manifest what a variant was made for: ``providers``, ``machines``."""
    table = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    (found,) = (entry for entry in table["variants"] if entry["name"] == variant)
    found.update(where)
    write_manifest(bundle, table)


def test_the_preferred_variant_runs_where_it_was_made_for_this_machine(bundle: Path) -> None:
    here = [platform.machine(), "riscv64"]
    made_for(bundle, INT8, providers=["CPUExecutionProvider"], machines=here)

    assert Classifier(bundle).variant.name == INT8


@pytest.mark.parametrize(
    "where",
    [
        {"machines": ["s390x"]},
        {"machines": [f"{platform.machine()}+no_such_instructions"]},
        {"providers": [NVIDIA]},
        {"providers": [NVIDIA], "machines": [platform.machine()]},
    ],
)
def test_a_variant_for_other_kernels_is_passed_over(
    bundle: Path, where: dict[str, list[str]]
) -> None:
    made_for(bundle, INT8, **where)

    assert Classifier(bundle).variant.name == "fp32"


def test_a_bundle_without_a_variant_for_this_place_is_refused_with_every_reason(
    bundle: Path,
) -> None:
    made_for(bundle, INT8, machines=["s390x"])
    made_for(bundle, ARM, machines=["sparc64"])
    made_for(bundle, "fp32", providers=[NVIDIA, "CUDAExecutionProvider"])
    message = (
        f"{bundle}: no variant for CPUExecutionProvider on this machine: "
        f"{INT8} is for s390x, which this {platform.machine()} is not; "
        f"{ARM} is for sparc64, which this {platform.machine()} is not; "
        f"fp32 is for TensorrtExecutionProvider or CUDAExecutionProvider; "
        f"export one with --target, or name the one to run with --variant"
    )

    with pytest.raises(ProviderError, match=re.escape(message)):
        Classifier(bundle)


def test_a_variant_asked_for_by_name_runs_whatever_it_was_made_for(bundle: Path) -> None:
    made_for(bundle, INT8, machines=["s390x"])

    assert Classifier(bundle, variant=INT8).variant.name == INT8


def test_the_reference_provider_takes_the_preferred_variant_whatever_it_was_made_for(
    bundle: Path,
) -> None:
    made_for(bundle, INT8, machines=["s390x"], providers=[NVIDIA])

    assert Classifier(bundle, "reference").variant.name == INT8


@pytest.mark.parametrize("key", ["flags", "Features"])
def test_a_processor_is_known_by_the_instructions_that_linux_lists(
    tmp_path: Path, key: str
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    text = f"processor\t: 0\n{key}\t: fma avx2 avx512_vnni\n\nprocessor\t: 1\n{key}\t: sse\n"
    cpuinfo.write_text(text, encoding="utf-8")
    here = platform.machine()

    assert machine.is_this(here, cpuinfo)
    assert machine.is_this(f"{here}+avx2+fma", cpuinfo)
    assert not machine.is_this(f"{here}+avx2+amx_int8", cpuinfo)
    assert not machine.is_this(f"{here}+avx", cpuinfo)
    assert not machine.is_this("s390x+avx2", cpuinfo)


def test_where_nobody_lists_instructions_none_is_taken_for_granted(tmp_path: Path) -> None:
    nowhere = tmp_path / "cpuinfo"

    assert machine.is_this(platform.machine(), nowhere)
    assert not machine.is_this(f"{platform.machine()}+avx2", nowhere)


def test_verify_runs_what_fits_and_names_what_it_did_not_run(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made_for(bundle, INT8, machines=["s390x"])
    why = f"is for s390x, which this {platform.machine()} is not"

    code = main(["verify", str(bundle)])
    screen = capsys.readouterr().out
    main(["verify", str(bundle), "--json"])
    table = json.loads(capsys.readouterr().out)

    assert code == 0
    assert f"{INT8}  not run: {why}\n" in screen
    assert [line["variant"] for line in table["variants"]] == ["fp32"]
    assert table["not_run"][INT8] == why


def test_verify_by_the_reference_runs_every_variant(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made_for(bundle, INT8, machines=["s390x"])

    code = main(["verify", str(bundle), "--provider", "reference", "--json"])

    table = json.loads(capsys.readouterr().out)
    assert code == 0
    assert {line["variant"] for line in table["variants"]} == {"fp32", INT8, ARM}
    assert table["not_run"] == {}


def test_verify_of_a_bundle_for_other_machines_is_an_error(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for variant in (INT8, ARM, "fp32"):
        made_for(bundle, variant, machines=["s390x"])

    code = main(["verify", str(bundle)])

    assert code == ProviderError.exit_code
    assert "no variant for CPUExecutionProvider on this machine" in capsys.readouterr().err


def test_bench_measures_what_fits(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made_for(bundle, INT8, machines=["s390x"])

    main(["bench", str(bundle), "--frames", "2", "--json"])

    printed = capsys.readouterr()
    assert [line["variant"] for line in json.loads(printed.out)["variants"]] == ["fp32"]
    assert f"{INT8} on cpu: not run: is for s390x" in printed.err


def test_show_says_what_each_variant_was_made_for(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made_for(bundle, INT8, machines=["aarch64"], providers=["CPUExecutionProvider"])

    main(["show", str(bundle)])

    screen = capsys.readouterr().out.splitlines()
    (int8,) = (line for line in screen if line.startswith(f"{INT8} "))
    (fp32,) = (line for line in screen if line.startswith("fp32 "))
    assert int8.endswith("  CPU on aarch64")
    assert fp32.endswith("  any on any machine")
