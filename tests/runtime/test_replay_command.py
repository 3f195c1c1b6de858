"""``edgecls replay``, specified: a station runs, its evidence is judged again, changes are told."""

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import cv2
import onnx
import pytest

from edgecls.cli import main
from edgecls_runtime.evidence import relabels
from edgecls_runtime.evidence.reading import Evidence, Kept
from parts import INT8, Made, tray, write_manifest
from trigger_sources import until

WAIT_S = 60.0
JOURNAL, EVIDENCE = "verdicts.db", "evidence"
EXPECTED = "expected JPEG, PNG, TIFF, BMP"
VIEWS = """
frame_px = [200, 100]
[[views]]
name = "left"
roi = [0, 0, 100, 100]
[[views]]
name = "right"
roi = [100, 0, 100, 100]
"""


def station(
    folder: Path, made: Made, images: Path, *, rule: str = 'good = ["good"]', more: str = ""
) -> Path:
    file = folder / "station.toml"
    file.write_text(
        f"format = 1\nbundle = {json.dumps(str(made.path))}\nvariant = 'fp32'\n"
        f"{more}\n"
        f"[camera]\nkind = 'folder'\npath = {json.dumps(str(images))}\n"
        f"[rule]\n{rule}\nmin_score = 0.6\n"
        f"[journal]\npath = '{JOURNAL}'\n"
        f"[[outputs]]\nkind = 'image'\npath = '{EVIDENCE}'\npass_share = 1.0\nmin_free_mb = 0\n",
        encoding="utf-8",
    )
    return file


def mixed(folder: Path, made: Made) -> Path:
    """Return a folder of some photos of both labels."""
    folder.mkdir()
    for label in ("good", "scratch"):
        for photo in sorted((made.photos / label).iterdir())[:6]:
            shutil.copy(photo, folder / f"{label}-{photo.name}")
    return folder


@pytest.fixture(scope="module")
def ran(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a station that judged twelve photos and kept them all."""
    folder = tmp_path_factory.mktemp("ran")
    assert main(["run", str(station(folder, made, mixed(folder / "photos", made)))]) == 0
    assert len(Evidence(folder / EVIDENCE).listed()) == 12
    return folder


@pytest.fixture
def own(ran: Path, tmp_path: Path) -> Path:
    """Return a copy of it that may be changed."""
    return Path(shutil.copytree(ran, tmp_path / "own"))


def replay(folder: Path, bundle: Path, *flags: str, journal: bool = True) -> list[str]:
    kept = [str(folder / JOURNAL)] if journal else []
    return ["replay", *kept, "--evidence", str(folder / EVIDENCE), "--bundle", str(bundle), *flags]


def answered(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> tuple[int, dict[str, object]]:
    """Run the command; return its exit code and its JSON."""
    capsys.readouterr()
    code = main([*arguments, "--json"])
    said = capsys.readouterr()
    assert said.out, said.err
    table: dict[str, object] = json.loads(said.out)
    return code, table


def newest(folder: Path) -> Kept:
    return Evidence(folder / EVIDENCE).listed(most=1)[0]


def test_the_same_bundle_gives_the_very_same_answers_and_pixels(
    ran: Path, made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    code, table = answered(capsys, replay(ran, made.path, "--variant", "fp32"))

    assert code == 0
    assert (table["judged"], table["changed"], table["left_out"]) == (12, 0, [])
    assert table["proof"] == {
        "holds": True,
        "compared": 12,
        "other_pixels": [],
        "answers": 12,
        "other_answers": [],
    }


def test_so_does_it_at_several_places_of_a_frame(
    tmp_path: Path, made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "trays").mkdir()
    for number, labels in enumerate((["good", "good"], ["good", "scratch"], ["scratch", "good"])):
        cv2.imwrite(str(tmp_path / "trays" / f"{number}.png"), tray([labels], number)[..., ::-1])
    assert main(["run", str(station(tmp_path, made, tmp_path / "trays", more=VIEWS))]) == 0

    code, table = answered(capsys, replay(tmp_path, made.path, "--variant", "fp32"))

    assert code == 0
    assert table["proof"] == {
        "holds": True,
        "compared": 3,
        "other_pixels": [],
        "answers": 3,
        "other_answers": [],
    }


def test_another_variant_is_no_proof_of_answers_but_of_pixels(
    ran: Path, made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    code, table = answered(capsys, replay(ran, made.path, "--variant", INT8))

    assert code == 0
    assert table["proof"] == {
        "holds": True,
        "compared": 12,
        "other_pixels": [],
        "answers": 0,
        "other_answers": [],
    }


def test_another_rule_shows_which_parts_would_have_gone_elsewhere(
    ran: Path, made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = station(ran, made, ran / "photos", rule='good = ["scratch"]')
    arguments = replay(ran, made.path, "--variant", "fp32", "--rule", str(rule))

    code, table = answered(capsys, arguments)
    strict = main([*arguments, "--max-changes", "11"])
    lenient = main([*arguments, "--max-changes", "12"])

    assert table["outcomes"] == {
        "pass": {"pass": 0, "fail": 6, "review": 0},
        "fail": {"pass": 6, "fail": 0, "review": 0},
        "review": {"pass": 0, "fail": 0, "review": 0},
    }
    assert table["labels"] == {
        "good": {"images": 6, "changed": 6, "other_label": 0},
        "scratch": {"images": 6, "changed": 6, "other_label": 0},
    }
    parts = table["parts"]
    assert isinstance(parts, list)
    assert {part["part"] for part in parts} == {p.name for p in (ran / "photos").iterdir()}
    assert all(part["score_then"] == part["score_now"] for part in parts)
    assert (code, strict, lenient) == (0, 1, 0)


def with_labels(made: Made, bundle: Path, *labels: str) -> Path:
    """Return a bundle that gives other labels to the same scores."""
    shutil.copytree(made.path, bundle)
    file = bundle / "model.fp32.onnx"
    model = onnx.load(file)
    for entry in model.metadata_props:
        if entry.key == "labels":
            entry.value = json.dumps(labels)
    onnx.save(model, file)
    table = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    table["labels"] = labels
    table["files"][file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    write_manifest(bundle, table)
    return bundle


def test_another_bundle_is_compared_with_what_people_said(
    own: Path, made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = {one.part: one.id for one in Evidence(own / EVIDENCE).listed()}
    for part, verdict_id in kept.items():
        relabels.add(own / EVIDENCE, verdict_id, "dent" if "scratch" in part else "good")
    relabels.add(own / EVIDENCE, kept["good-000.png"], "scratch")  # it escaped
    bundle = with_labels(made, tmp_path / "other.bundle", "scratch", "good")

    code, table = answered(capsys, replay(own, bundle, "--variant", "fp32"))
    main(replay(own, bundle, "--variant", "fp32"))

    assert code == 0
    assert table["proof"] is None
    assert table["changed"] == 12
    assert table["truth"] == {
        "parts": 12,
        "good": 5,
        "escapes": [1, 6],
        "overkill": [0, 5],
        "right": [11, 1],
        "p": pytest.approx(2 * 13 / 2**12),
    }
    screen = capsys.readouterr().out
    assert "escapes   1 -> 6 of 7 defective parts passed\n" in screen
    assert "overkill  0 -> 5 of 5 good parts failed\n" in screen
    assert "right     11 -> 1; McNemar p = 0.00635\n" in screen
    assert "PASS              0       6       0\n" in screen
    assert "good-000.png" in screen
    assert "  is scratch\n" in screen


def test_a_journal_that_was_changed_is_found_out(
    own: Path, made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(own / JOURNAL)) as database, database:
        database.execute("UPDATE verdicts SET score = 0.7 WHERE id = 3")
        database.execute("UPDATE verdicts SET image_sha256 = ? WHERE id = 4", ["0" * 64])

    code, table = answered(capsys, replay(own, made.path, "--variant", "fp32"))

    assert code == 1
    proof = table["proof"]
    assert isinstance(proof, dict)
    assert [one.rpartition("-")[2] for one in proof["other_answers"]] == ["3"]
    assert [one.rpartition("-")[2] for one in proof["other_pixels"]] == ["4"]
    assert not proof["holds"]


def test_parts_of_several_frames_are_said_to_be_judged_by_one_of_them(
    own: Path, made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(own / JOURNAL)) as database, database:
        (rule,) = database.execute("SELECT rule FROM sessions").fetchone()
        voted = json.dumps({**json.loads(rule), "vote": {"frames": 3}})
        database.execute("UPDATE sessions SET rule = ?", [voted])
        database.execute("UPDATE verdicts SET outcome = 'review' WHERE id = 2")

    code, table = answered(capsys, replay(own, made.path, "--variant", "fp32"))
    main(replay(own, made.path, "--variant", "fp32"))

    proof = table["proof"]
    assert isinstance(proof, dict)
    assert (code, proof["holds"], proof["answers"]) == (0, True, 12)
    assert (table["changed"], table["of_several_frames"]) == (1, 12)
    said = "mind      12 were judged by several frames then, here by the one kept\n"
    assert said in capsys.readouterr().out


def test_images_that_are_gone_damaged_or_changed_cost_a_line_each(
    own: Path, made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = Evidence(own / EVIDENCE).listed()
    kept[0].path.unlink()
    kept[1].path.write_bytes(kept[2].path.read_bytes())
    kept[3].path.write_bytes(b"half")
    kept[3].beside.unlink()
    stranger = kept[4].path.with_name("120000.000_x_ffff-1.png")
    kept[4].path.rename(stranger)
    capsys.readouterr()

    code = main(replay(own, made.path, "--variant", "fp32"))

    said = capsys.readouterr()
    left_out = [line for line in said.err.splitlines() if line.startswith("left out: ")]
    assert code == 0
    assert "images    8 of 11 judged again; 0 were not judged then, 3 left out\n" in said.out
    assert sorted(left_out) == sorted(
        [
            f"left out: {kept[1].path}: not the file that was kept; it was changed or is damaged",
            f"left out: {kept[3].path}: not an image, or a damaged one; {EXPECTED}",
            f"left out: {stranger}: nobody knows its verdict",
        ]
    )


def test_without_a_journal_what_stands_beside_the_images_tells(
    ran: Path, made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = station(ran, made, ran / "photos")
    flags = ("--variant", "fp32", "--rule", str(rule))

    code, table = answered(capsys, replay(ran, made.path, *flags, journal=False))

    assert code == 0
    assert (table["judged"], table["changed"]) == (12, 0)
    proof = table["proof"]
    assert isinstance(proof, dict)
    assert (proof["holds"], proof["compared"]) == (True, 12)


def test_only_the_newest_may_be_judged(
    ran: Path, made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    _, table = answered(capsys, replay(ran, made.path, "--limit", "3"))

    assert (table["images"], table["judged"]) == (3, 3)


def test_what_cannot_be_replayed_is_said_in_one_line(
    ran: Path, made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = with_labels(made, tmp_path / "labels.bundle", "ok", "nok")
    capsys.readouterr()

    codes = [
        main(replay(ran, made.path, journal=False)),
        main(["replay", "--evidence", str(tmp_path), "--bundle", "b", "--rule", str(ran / "x")]),
        main(replay(tmp_path, made.path)),
        main(["replay", "j", "--evidence", str(tmp_path), "--bundle", str(made.path)]),
        main(replay(ran, labels, "--variant", "fp32")),
    ]

    lines = [line for line in capsys.readouterr().err.splitlines() if "judging" not in line]
    assert codes == [2, 2, 2, 2, 2]
    no_rule = "an evidence folder does not know by which rule it was judged"
    no_label = "rule.good: 'good' is no label of the bundle; its labels are ok, nok"
    assert [line.removeprefix("edgecls replay: ") for line in lines] == [
        f"replay: neither a journal nor --rule; {no_rule}",
        f"{ran / 'x'}: No such file or directory; expected a station file",
        f"evidence {tmp_path / EVIDENCE}: no such folder; expected the path of an image output",
        f"evidence {tmp_path}: no image in it; expected those of an image output",
        f"the rule of then: {no_label}; say with --rule STATION.toml how this bundle is judged",
    ]


def test_ctrl_c_reports_what_was_judged_so_far(own: Path, made: Made) -> None:
    """The sixth of 2,000 images is a pipe: whoever can open it knows that it is being read."""
    first = newest(own)
    images = [first.path.with_name(f"{n:06}.000_again_{first.id}.png") for n in range(2000)]
    for number, image in enumerate(images):
        if number == 5:
            os.mkfifo(image)
        else:
            image.hardlink_to(first.path)
    command = [sys.executable, "-m", "edgecls", *replay(own, made.path, "--json")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        until(lambda: is_read(images[5]), WAIT_S)
        # NumPy takes a Ctrl-C at the very moment at which it cannot read for its own error.
        enough = has_read(process.pid) + 5 * first.path.stat().st_size
        until(lambda: has_read(process.pid) > enough, WAIT_S)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=WAIT_S)

    table = json.loads(out)
    assert process.returncode == 130, err
    assert table["interrupted"]
    assert 5 <= table["judged"] < 2000
    assert "Traceback" not in err


def is_read(pipe: Path) -> bool:
    """Return whether somebody reads a pipe; he finds it empty then."""
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def has_read(process: int) -> int:
    """Return how many bytes a process has read so far."""
    counts = Path(f"/proc/{process}/io").read_text(encoding="ascii").split()
    return int(counts[counts.index("rchar:") + 1])
