"""Reading image files, specified: Pillow's pixels, upright, or an error that names the file."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from edgecls.errors import ConfigError, ImageError
from edgecls.manifest import Preprocessing
from edgecls_runtime.images import find_labelled, label_names, read_image, readable
from edgecls_runtime.preprocessing import prepare

RANDOM = np.random.default_rng(0)
SMOOTH = np.asarray(
    Image.fromarray(RANDOM.integers(0, 256, (8, 9, 3), dtype=np.uint8)).resize((90, 70))
)


def saved(folder: Path, image: Image.Image, name: str, exif: Image.Exif | None = None) -> Path:
    if exif is None:
        image.save(folder / name)
    else:
        image.save(folder / name, exif=exif)
    return folder / name


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.bmp", "a.tiff", "a.webp"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_colour_and_grey_files_give_pillow_s_pixels(tmp_path: Path, name: str, mode: str) -> None:
    path = saved(tmp_path, Image.fromarray(SMOOTH).convert(mode), name)

    found = read_image(path)

    with Image.open(path) as image:
        assert np.array_equal(found, np.asarray(image.convert("RGB")))
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_rotated_photo_is_seen_upright(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, Image.fromarray(SMOOTH), "rotated.jpg", exif=exif)

    found = read_image(path)

    with Image.open(path) as image:
        assert np.array_equal(found, np.asarray(ImageOps.exif_transpose(image)))


def test_transparency_is_dropped_and_of_sixteen_bits_the_upper_eight_are_kept(
    tmp_path: Path,
) -> None:
    rgba = RANDOM.integers(0, 256, (20, 30, 4), dtype=np.uint8)
    deep = RANDOM.integers(0, 65536, (20, 30), dtype=np.uint16)

    flat = read_image(saved(tmp_path, Image.fromarray(rgba), "rgba.png"))
    shallow = read_image(saved(tmp_path, Image.fromarray(deep), "deep.png"))

    assert np.array_equal(flat, rgba[..., :3])
    assert np.array_equal(shallow, np.repeat((deep >> 8).astype(np.uint8)[..., None], 3, axis=2))


@pytest.mark.parametrize("kind", ["jpeg", "png"])
@pytest.mark.parametrize("kept", [0.5, 0.98])
def test_a_truncated_file_is_an_error_and_never_half_an_image(
    tmp_path: Path, kind: str, kept: float
) -> None:
    buffer = io.BytesIO()
    Image.fromarray(RANDOM.integers(0, 256, (99, 99, 3), dtype=np.uint8)).save(buffer, kind)
    path = tmp_path / "cut"
    path.write_bytes(buffer.getvalue()[: int(kept * buffer.tell())])

    with pytest.raises(ImageError, match="cut: not an image, or a damaged one; expected JPEG, PNG"):
        read_image(path)


def test_what_is_missing_empty_or_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("hello", encoding="utf-8")

    with pytest.raises(ImageError, match="none.jpg: No such file or directory; expected an image"):
        read_image(tmp_path / "none.jpg")
    with pytest.raises(ImageError, match="empty.jpg: empty file; expected an image"):
        read_image(tmp_path / "empty.jpg")
    with pytest.raises(ImageError, match="text.jpg: not an image, or a damaged one"):
        read_image(tmp_path / "text.jpg")
    with pytest.raises(ImageError, match="Is a directory"):
        read_image(tmp_path)


def test_a_transparent_tiff_is_refused_rather_than_seen_in_other_colours(tmp_path: Path) -> None:
    rgba = RANDOM.integers(0, 256, (20, 30, 4), dtype=np.uint8)
    path = saved(tmp_path, Image.fromarray(rgba), "clear.tiff")

    with pytest.raises(
        ImageError, match="clear.tiff: a TIFF with transparency; save it without, or"
    ):
        read_image(path)


def test_an_image_too_large_to_decode_is_named_like_any_other(tmp_path: Path) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (tmp_path / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)

    with pytest.raises(ImageError, match="huge.png: not an image, or a damaged one"):
        read_image(tmp_path / "huge.png")


def test_a_data_folder_is_read_by_label_sorted_and_without_hidden_files(tmp_path: Path) -> None:
    for file in ("ok/b.png", "ok/a.png", "dent/c.png", "ok/.hidden", ".git/x"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()

    data = find_labelled(tmp_path)

    assert [(item.label, item.path.name) for item in data] == [
        ("dent", "c.png"),
        ("ok", "a.png"),
        ("ok", "b.png"),
    ]
    assert label_names(data) == ("dent", "ok")


def test_unreadable_files_are_skipped_and_said(tmp_path: Path) -> None:
    saved(tmp_path, Image.fromarray(SMOOTH), "good.png")
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    skipped: list[str] = []

    read = list(readable(find_labelled(tmp_path), skipped))

    assert [item.path.name for item, _ in read] == ["good.png"]
    assert len(skipped) == 1
    assert "notes.txt: not an image" in skipped[0]


def test_a_missing_or_empty_data_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere: no such folder; expected a folder of images"):
        find_labelled(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="no files in it; expected images"):
        find_labelled(tmp_path)


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)],
    ids=["float", "grey", "empty"],
)
def test_an_array_that_is_no_rgb_image_is_refused(image: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match=r"expected uint8 \(height, width, 3\), RGB"):
        prepare(image, Preprocessing((2, 2), (2, 2)))
