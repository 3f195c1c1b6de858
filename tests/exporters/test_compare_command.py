"""``edgecls compare``: what it prints where, how it ends, and what cannot be compared."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from edgecls import cli
from edgecls.manifest import Precision
from edgecls_exporters.export import export
from edgecls_exporters.inputs import Job
from parts import INT8, LABELS, PREPROCESSING, Made

NETWORK = "small_network:network"
SETTINGS = ["--size", "64", *("--mean", "0.4", "0.4", "0.4"), *("--std", "0.2", "0.2", "0.2")]
Called = Callable[..., tuple[int, str, list[str]]]


@pytest.fixture
def called(
    checkpoint: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Called:
    """Return how to call ``edgecls compare`` here: exit code, stdout, lines of stderr."""
    monkeypatch.chdir(checkpoint[0].parent)
    monkeypatch.syspath_prepend(str(checkpoint[0].parent))

    def call(*flags: object) -> tuple[int, str, list[str]]:
        code = cli.main(["compare", *map(str, flags)])
        out, err = capsys.readouterr()
        return code, out, err.splitlines()

    return call


@pytest.fixture
def wrong(
    tmp_path: Path, checkpoint: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Return how to export the small network with flags that are not what training did."""
    monkeypatch.syspath_prepend(str(checkpoint[0].parent))
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(LABELS), encoding="utf-8")

    def exported(**flags: Any) -> Path:  # noqa: ANN401 - fields of any type
        target = tmp_path / "wrong.bundle"
        export(
            Job(
                source=NETWORK,
                target=target,
                weights=checkpoint[1],
                labels=labels,
                precision=Precision.FP32,
                overrides={**PREPROCESSING, **flags},
            )
        )
        return target

    return exported


def test_a_bundle_agrees_with_the_checkpoint_it_was_made_from(made: Made, called: Called) -> None:
    code, out, _ = called(
        *(f"{made.path}:fp32", NETWORK, "--weights-b", made.checkpoint, "--data", made.photos),
        *SETTINGS,
    )

    assert code == 0
    assert f"A  {made.path} (fp32)\nB  small_network:network (small.pth)\n80 images, 0 " in out
    assert "agreement           100.00 %, 0 images flipped" in out
    assert out.endswith("\nthey agree\n")


def test_variants_of_a_bundle_are_compared_with_each_other(made: Made, called: Called) -> None:
    code, out, _ = called(
        *(f"{made.path}:fp32", f"{made.path}:{INT8}", "--data", made.photos, "--json"),
        *("--limit", "90"),
    )

    found = json.loads(out)
    a, b = found["rows"]
    assert code == 0
    assert list(found) == [
        *("agrees", "a", "b", "task", "labels", "rows", "flips", "disagreements"),
        *("explanations", "sought", "skipped"),
    ]
    assert (found["a"], found["b"]) == (f"{made.path} (fp32)", f"{made.path} ({INT8})")
    assert (a["name"], a["after"], b["name"], b["after"]) == ("A", None, "B", "A")
    assert b["agreement"] >= 0.9
    assert b["largest_difference"] > 0
    assert set(b["recall"]) == set(LABELS)
    assert len(found["flips"]) == b["changed"]


def test_an_onnx_file_alone_says_everything_that_is_needed(
    made: Made, called: Called, tmp_path: Path
) -> None:
    shutil.copy(made.path / "model.fp32.onnx", tmp_path / "alone.onnx")

    code, out, _ = called(
        tmp_path / "alone.onnx", f"{made.path}:fp32", "--data", made.photos, "--max-difference", "0"
    )

    assert code == 0
    assert out.startswith(f"A  {tmp_path}/alone.onnx\n")


def test_a_bundle_that_normalises_otherwise_is_named_and_ends_with_1(
    made: Made, called: Called, wrong: Callable[..., Path]
) -> None:
    target = wrong(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))

    code, out, _ = called(
        *(NETWORK, target, "--weights-a", made.checkpoint, "--data", made.photos), *SETTINGS
    )

    agreement = re.findall(r"agreement +(\d+\.\d\d %)", out)[0]
    assert code == 1
    assert (
        "fault: B leaves mean and std out: it sees 0..1, where A takes mean (0.4, 0.4, 0.4) and "
        "std (0.2, 0.2, 0.2): made to do the same, A answers like B on 100.00 % of the images "
        f"(now {agreement}); give --mean and --std as they were in training\n"
    ) in out
    assert out.endswith(
        f"they disagree: the same answer on {agreement} of 80 images; the limit is 99 % (--limit)\n"
    )
    assert "flipped images\n" in out
    assert re.search(r"\n  \.\.\. \d+ more: --json has all\n", out)


def test_a_bundle_that_resizes_otherwise_is_named(
    made: Made, called: Called, wrong: Callable[..., Path]
) -> None:
    target = wrong(resize="stretch")

    code, out, _ = called(
        *(f"{made.path}:fp32", target, "--data", made.photos, "--max-difference", "0.01", "--json")
    )

    assert code == 1
    assert [found["faults"] for found in json.loads(out)["explanations"]] == [
        ["stretched, no crop"]
    ]


def test_photos_without_labels_are_compared_too(made: Made, called: Called) -> None:
    code, out, _ = called(f"{made.path}:fp32", f"{made.path}:fp32", "--data", made.photos / "good")

    assert code == 0
    assert "top-1" not in out


def test_what_is_no_image_is_named_and_left_out(made: Made, called: Called, tmp_path: Path) -> None:
    shutil.copytree(made.photos / "good", tmp_path / "flat")
    (tmp_path / "flat" / "notes.txt").write_text("not an image", encoding="utf-8")
    (tmp_path / "flat" / "empty.png").touch()

    code, out, err = called(f"{made.path}:fp32", f"{made.path}:fp32", "--data", tmp_path / "flat")

    assert code == 0
    assert "40 images, 2 unreadable files left out" in out
    assert err[-2] == f"skipped: {tmp_path}/flat/empty.png: empty file; expected an image"
    assert err[-1].startswith(f"skipped: {tmp_path}/flat/notes.txt: not an image, or a damaged one")


def test_labels_in_another_order_are_an_error_that_says_so(
    made: Made, called: Called, tmp_path: Path
) -> None:
    (tmp_path / "labels.txt").write_text("scratch\ngood\n", encoding="utf-8")

    code, out, err = called(
        *(made.path, NETWORK, "--weights-b", made.checkpoint, "--data", made.photos),
        *("--labels", tmp_path / "labels.txt", *SETTINGS),
    )

    assert (code, out) == (1, "")
    assert err[-1] == (
        "edgecls compare: B: small_network:network (small.pth) has its labels in another order "
        "than A: label 1 is 'scratch', A has 'good' there; expected the order of the logits; was "
        "one of them made from sorted folders?"
    )


def test_other_labels_are_refused(made: Made, called: Called, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("good\ndent\n", encoding="utf-8")

    code, _, err = called(
        *(made.path, NETWORK, "--weights-b", made.checkpoint, "--data", made.photos),
        *("--labels", tmp_path / "labels.txt", *SETTINGS),
    )

    assert code == 2
    assert err[-1].endswith(
        "has other labels than A: only A has scratch; only B has dent; expected the same labels"
    )


def test_another_task_is_refused(made: Made, called: Called, tmp_path: Path) -> None:
    shutil.copy(made.path / "model.fp32.onnx", tmp_path / "other.onnx")
    model = onnx.load(tmp_path / "other.onnx")
    stated = {entry.key: entry for entry in model.metadata_props}
    stated["task"].value, stated["thresholds"].value = "binary", "[0.5]"
    onnx.save(model, tmp_path / "other.onnx")

    code, _, err = called(made.path, tmp_path / "other.onnx", "--data", made.photos)

    assert code == 2
    assert err[-1].endswith("is binary, A is multiclass; only one task can be compared")


def test_an_onnx_file_of_an_older_edgecls_is_told_apart(
    made: Made, called: Called, tmp_path: Path
) -> None:
    model = onnx.load(made.path / "model.fp32.onnx")
    entry = next(e for e in model.metadata_props if e.key == "preprocessing_json")
    model.metadata_props.remove(entry)
    onnx.save(model, tmp_path / "old.onnx")

    code, _, err = called(tmp_path / "old.onnx", made.path, "--data", made.photos)

    assert code == 3
    assert "old.onnx: made by an older edgecls, which wrote its preprocessing for people" in err[-1]


@pytest.mark.parametrize(
    ("sides", "flags", "expected"),
    [
        (
            ("nowhere", "BUNDLE"),
            (),
            (2, "nowhere: nothing of that name; expected a bundle, BUNDLE:"),
        ),
        (("no.bundle:int8", "BUNDLE"), (), (3, "no.bundle: no such directory; expected a bundle")),
        (("BUNDLE:int4", "BUNDLE"), (), (2, "/disc.bundle: no variant 'int4'; it has ")),
        (("no.onnx", "BUNDLE"), (), (3, "no.onnx: no such file; expected an ONNX file")),
        (
            ("small.pth.onnx", "BUNDLE"),
            (),
            (3, "small.pth.onnx: not an ONNX file, or a damaged one"),
        ),
        (("BUNDLE", "BUNDLE"), ("--weights-b", "x"), (2, "--weights-b: ")),
        (("timm:resnet18", "BUNDLE"), (), (4, "timm:resnet18: untrained without --weights-a FILE")),
        (("BUNDLE", NETWORK), ("--weights-b", "x"), (4, "x: no such file; expected .pth, .pt")),
        (
            ("BUNDLE", NETWORK),
            (),
            (4, "says nothing of its preprocessing; give --size, --mean, --s"),
        ),
        (("BUNDLE", "BUNDLE"), ("--limit", "101"), (2, "--limit: 101; expected 0 to 100 %")),
        (
            ("BUNDLE", "BUNDLE"),
            ("--max-difference", "2"),
            (2, "--max-difference: 2; expected 0 to"),
        ),
        (("BUNDLE", "BUNDLE"), ("--data", "no"), (2, "no: no such folder; expected a folder of")),
        (("BUNDLE", "BUNDLE"), ("--labels", "no"), (4, "no: [Errno 2] No such file or directory")),
    ],
)
def test_a_mistake_is_answered_in_one_line_with_its_exit_code(
    made: Made,
    called: Called,
    sides: tuple[str, str],
    flags: tuple[str, ...],
    expected: tuple[int, str],
) -> None:
    Path("small.pth.onnx").write_bytes(b"not an ONNX file")
    a, b = (side.replace("BUNDLE", str(made.path)) for side in sides)

    ended, out, err = called(a, b, "--data", made.photos, *flags)

    assert (ended, out) == (expected[0], "")
    assert expected[1] in err[-1]
    assert err[-1].startswith("edgecls compare: ")


def test_a_folder_that_is_no_label_is_refused(made: Made, called: Called, tmp_path: Path) -> None:
    shutil.copytree(made.photos / "good", tmp_path / "photos" / "dent")

    code, _, err = called(made.path, made.path, "--data", tmp_path / "photos")

    assert code == 2
    assert err[-1].endswith("photos/dent: no label of A and B; their labels are good, scratch")


def test_ctrl_c_ends_with_130(made: Made, checkpoint: tuple[Path, Path]) -> None:
    command = [sys.executable, "-m", "edgecls", "compare", NETWORK, str(made.path)]
    command += ["--weights-a", str(made.checkpoint), "--data", str(made.photos), *SETTINGS]
    process = subprocess.Popen(
        command,
        cwd=checkpoint[0].parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stderr is not None
    while "data: checking" not in process.stderr.readline():
        assert process.poll() is None

    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out) == (130, "")
    assert err.endswith("edgecls compare: interrupted\n")
    assert "Traceback" not in err
