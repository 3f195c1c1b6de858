"""The commands that ask a bundle, specified by what they print and how they exit."""

import json
import shutil
from pathlib import Path

import pytest

from edgecls.cli import main
from parts import INT8, Made, write_manifest


def answer(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_show_is_one_screen_and_its_json_is_the_manifest(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    _, screen, _ = answer(capsys, "show", made.path)
    code, text, _ = answer(capsys, "show", made.path, "--json")

    assert len(screen.splitlines()) < 25
    assert "disc 1   multiclass, 2 labels" in screen
    assert "stretch" not in screen
    manifest = json.loads((made.path / "manifest.json").read_text(encoding="utf-8"))
    assert manifest.items() <= json.loads(text).items()
    assert code == 0


def test_verify_says_right_for_each_variant(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = answer(capsys, "verify", made.path)
    _, table, _ = answer(capsys, "verify", made.path, "--json", "--variant", "fp32")

    assert code == 0
    assert f"{INT8}  right: 8 golden samples" in text
    assert [line["variant"] for line in json.loads(table)["variants"]] == ["fp32"]


def test_verify_answers_no_with_exit_code_1(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = Path(shutil.copytree(made.path, tmp_path / "strict.bundle"))
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    for variant in manifest["variants"]:
        variant["tolerance"] = 1e-12
    write_manifest(bundle, manifest)

    code, text, _ = answer(capsys, "verify", bundle)

    assert code == 1
    assert f"{'fp32':{len(INT8)}}  WRONG: 8 golden samples" in text


def test_classify_labels_what_it_can_read_and_names_what_it_cannot(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = min((made.photos / "scratch").iterdir())

    code, text, faults = answer(capsys, "classify", made.path, "nowhere.jpg", photo)

    assert code == 5
    assert text.startswith(f"{photo}: scratch ")
    assert faults == (
        "edgecls classify: nowhere.jpg: No such file or directory; expected an image file\n"
    )


def test_classify_as_json_gives_every_score_asked_for(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = min((made.photos / "good").iterdir())

    _, text, _ = answer(capsys, "classify", made.path, photo, "--json", "--top", "1")

    (table,) = json.loads(text)
    assert table["image"] == str(photo)
    assert [line["label"] for line in table["top"]] == [table["label"]] == ["good"]


def test_evaluate_measures_accuracy_escapes_and_overkill(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = Path(shutil.copytree(made.photos, tmp_path / "photos"))
    (photos / "good" / "notes.txt").write_text("x", encoding="utf-8")

    code, text, faults = answer(capsys, "evaluate", made.path, photos, "--good", "good")
    _, table, _ = answer(capsys, "evaluate", made.path, photos, "--good", "good", "--json")

    figures = json.loads(table)
    assert code == 0
    assert "images    80, 1 skipped" in text
    assert "notes.txt: not an image" in faults
    assert figures["top1"] > 0.9
    assert figures["escape_rate"] <= 0.1
    confusion = figures["confusion"]
    assert confusion[0][0] + confusion[1][1] == round(80 * figures["top1"])


def test_evaluate_refuses_folders_that_are_no_labels_and_data_without_labels(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = Path(shutil.copytree(made.photos, tmp_path / "photos"))
    (photos / "good").rename(photos / "okay")

    wrong = answer(capsys, "evaluate", made.path, photos)
    flat = answer(capsys, "evaluate", made.path, photos / "okay")

    assert wrong[0] == flat[0] == 2
    assert "okay: no label of the bundle; its labels are good, scratch" in wrong[2]
    assert "images without labels; expected" in flat[2]
