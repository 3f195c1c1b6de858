"""A bundle, specified: what was changed, is newer or is not ours is never opened."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgecls.bundle import Bundle, seal, writing
from edgecls.errors import BundleError, ConfigError
from parts import INT8, Made, write_manifest


@pytest.fixture
def bundle(made: Made, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made.path, tmp_path / "copy.bundle"))


def edit(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest, and its digest with it."""
    table = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    change(table)
    write_manifest(bundle, table)


def test_an_unchanged_bundle_opens_and_its_manifest_survives_a_round_trip(bundle: Path) -> None:
    opened = Bundle.open(bundle)

    assert opened.labels == ("good", "scratch")
    assert seal(bundle, opened.manifest) == opened.manifest
    assert Bundle.open(bundle).digest == opened.digest


def test_every_file_of_a_bundle_is_under_its_hash(bundle: Path) -> None:
    files = {f.relative_to(bundle).as_posix() for f in bundle.rglob("*") if f.is_file()}

    own = {"manifest.json", "manifest.sha256"}
    assert set(Bundle.open(bundle).manifest.files) == files - own


def test_the_digest_can_be_checked_without_edgecls(bundle: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", "manifest.sha256"], cwd=bundle, check=True)


def test_labels_that_were_swapped_by_hand_are_noticed(bundle: Path) -> None:
    file = bundle / "manifest.json"
    text = file.read_text(encoding="utf-8")
    swapped = (
        text.replace('"good"', '"?"').replace('"scratch"', '"good"').replace('"?"', '"scratch"')
    )
    file.write_text(swapped, encoding="utf-8")

    with pytest.raises(BundleError, match=r"manifest.json: altered: its SHA-256 is"):
        Bundle.open(bundle)


def test_a_bundle_without_its_digest_was_not_copied_whole(bundle: Path) -> None:
    (bundle / "manifest.sha256").unlink()

    with pytest.raises(
        BundleError, match=r"manifest.sha256: missing or empty; was the bundle copi"
    ):
        Bundle.open(bundle)


@pytest.mark.parametrize("file", ["model.fp32.onnx", "golden/00.png", "report.html"])
def test_one_changed_byte_anywhere_is_noticed(bundle: Path, file: str) -> None:
    raw = bytearray((bundle / file).read_bytes())
    raw[len(raw) // 2] ^= 1
    (bundle / file).write_bytes(raw)

    with pytest.raises(BundleError, match=rf"{file}: altered: its SHA-256 is .*; copy the bundle"):
        Bundle.open(bundle)


def test_a_missing_file_is_named(bundle: Path) -> None:
    (bundle / f"model.{INT8}.onnx").unlink()

    with pytest.raises(BundleError, match=rf"model.{INT8}.onnx: No such file .* copied whole\?"):
        Bundle.open(bundle)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update(format=2), "format 2; this edgecls reads format 1; upgrade edgecls"),
        (lambda t: t.pop("format"), "format None; this edgecls reads format 1; is this an edgecls"),
        (lambda t: t.update(color="red"), "color: unknown key; known keys are name, version, task"),
        (lambda t: t.pop("labels"), "manifest.json.labels: required and not given"),
        (lambda t: t.update(labels=["a", "a"]), "expected two or more, each once"),
        (lambda t: t.update(variants=[]), "variants []; expected one or more, each once"),
        (lambda t: t["variants"][0].update(tolerance=1e9), "tolerance 1e+09; expected above 0 and"),
        (lambda t: t.update(thresholds=[0.5]), "1 thresholds; multiclass has 0"),
        (
            lambda t: t["preprocessing"].update(interpolation="cubic"),
            "preprocessing.interpolation: expected one of nearest, box, bilinear, hamming,",
        ),
        (
            lambda t: t["preprocessing"].update(resize_size=[8, 8]),
            "resize_size (8, 8) is smaller than size (64, 64)",
        ),
        (lambda t: t["preprocessing"].update(std=[0.0, 1.0, 1.0]), "expected values above 0"),
        (
            lambda t: t["files"].pop(f"model.{INT8}.onnx"),
            f"model.{INT8}.onnx of variant {INT8} has no hash",
        ),
        (lambda t: t["files"].update({"../x": "0"}), "path '../x' leaves the bundle"),
        (lambda t: t["files"].update({"/etc/passwd": "0"}), "path '/etc/passwd' leaves the bundle"),
        (lambda t: t["files"].update({"a\\..\\b": "0"}), "leaves the bundle"),
        (lambda t: t["variants"][0].update(file="../m.onnx"), "path '../m.onnx' leaves the bundle"),
    ],
)
def test_a_manifest_that_cannot_be_trusted_is_refused_with_the_reason(
    bundle: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit(bundle, change)

    with pytest.raises(BundleError, match=re.escape(message)):
        Bundle.open(bundle)


def test_a_link_that_leaves_the_bundle_is_not_followed(bundle: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.html"
    shutil.move(bundle / "report.html", outside)
    (bundle / "report.html").symlink_to(outside)

    with pytest.raises(BundleError, match=r"report.html: a link that leaves the bundle"):
        Bundle.open(bundle)


def test_what_is_no_bundle_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")

    with pytest.raises(BundleError, match="nowhere: no such directory; expected a bundle"):
        Bundle.open(tmp_path / "nowhere")
    with pytest.raises(BundleError, match="file: not a directory; expected a bundle"):
        Bundle.open(tmp_path / "file")
    with pytest.raises(BundleError, match=r"manifest.json: not JSON .* copied whole\?"):
        Bundle.open(tmp_path)


def test_an_unknown_variant_is_answered_with_those_there_are(bundle: Path) -> None:
    opened = Bundle.open(bundle)

    with pytest.raises(ConfigError) as refused:
        opened.variant("fp8")

    known = ", ".join(variant.name for variant in opened.variants)
    assert INT8 in known
    assert str(refused.value) == f"{bundle}: no variant 'fp8'; it has {known}"


def test_a_failure_while_writing_leaves_the_old_bundle_and_nothing_else(bundle: Path) -> None:
    before = Bundle.open(bundle).digest

    with pytest.raises(RuntimeError), writing(bundle, force=True) as folder:
        (folder / "half").write_text("written", encoding="utf-8")
        raise RuntimeError

    assert Bundle.open(bundle).digest == before
    assert [f.name for f in bundle.parent.iterdir()] == [bundle.name]


def test_what_appears_at_the_target_while_writing_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "new.bundle"

    with pytest.raises(BundleError, match="exists and is not a bundle"), writing(target):
        target.mkdir()
        (target / "dear.jpg").write_text("x", encoding="utf-8")

    assert (target / "dear.jpg").is_file()


def test_what_stands_at_the_target_is_not_replaced_unasked(bundle: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "dear.jpg").write_text("x", encoding="utf-8")

    with (
        pytest.raises(BundleError, match="exists; choose another --to, or give --force"),
        writing(bundle),
    ):
        pass
    with (
        pytest.raises(BundleError, match="exists and is not a bundle"),
        writing(photos, force=True),
    ):
        pass
