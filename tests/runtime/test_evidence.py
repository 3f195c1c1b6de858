"""Evidence, specified: what is kept is what the camera sent, whole, and never above the quota."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecls.errors import ConfigError, OutputError
from edgecls_runtime import cameras
from edgecls_runtime.evidence.picture import Format, image_of
from edgecls_runtime.evidence.reading import Evidence
from edgecls_runtime.images import read_file, read_image
from edgecls_runtime.outputs import image
from kept_images import NOISE, frame, of, sized
from servers import MjpegServer

WAIT_S = 30.0
MB = 2**20


def files(folder: Path) -> list[str]:
    """Return the kept images by their paths, in the order of time."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.name[0] != "."]
    images = [path.relative_to(folder) for path in found if path.suffix != ".json"]
    assert sorted(f"{folder / path}.json" for path in images) == sorted(
        str(path) for path in found if path.suffix == ".json"
    )
    return [str(path) for path in sorted(images, key=lambda path: (path.parts[0], path.name))]


def total(folder: Path) -> int:
    """Return what all files of a folder take, in whole blocks; one may vanish meanwhile."""
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                size += -(-(Path(parent) / name).stat().st_size // 4096) * 4096
            except FileNotFoundError:
                continue
    return size


def test_a_fail_is_kept_with_what_a_person_asks_for_later(tmp_path: Path) -> None:
    told = of("fail", 1, label="dent")
    with closing(image.open(path=tmp_path / "evidence", min_free_mb=0)) as output:
        output.send(told)

    (name,) = files(tmp_path / "evidence")
    file = tmp_path / "evidence" / name
    beside = json.loads(file.with_name(f"{file.name}.json").read_text(encoding="utf-8"))
    assert name == "2026-11-28/fail/dent/000001.000_1_0a1b2c3d4e5f-1.png"
    assert np.array_equal(read_image(file), NOISE)
    assert {key: beside[key] for key in told.table()} == told.table()
    assert beside["counts_as"] == "fail"
    assert beside["scores"] == {"dent": 0.98, "scratch": 0.02}
    assert beside["image"] == {
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "bytes": file.stat().st_size,
        "source": "png",
        "upright": True,
        "size_px": [160, 120],
    }


@pytest.mark.parametrize(
    ("counts_as", "kept"),
    [
        ("pass", False),
        ("fail", True),
        ("review", True),
        ("error", True),
        ("missed", True),
        ("incident", False),
    ],
)
def test_what_is_no_pass_and_has_a_frame_is_kept(
    tmp_path: Path, counts_as: str, *, kept: bool
) -> None:
    with closing(image.open(path=tmp_path, pass_share=0, min_free_mb=0)) as output:
        output.send(of(counts_as, 1))
        output.send(replace(of(counts_as, 2), frame=None))

    assert len(files(tmp_path)) == kept


def test_the_jpeg_of_a_camera_is_kept_byte_for_byte_as_it_was_sent(tmp_path: Path) -> None:
    with MjpegServer(NOISE) as server:
        with cameras.open_camera("http", url=server.url) as camera:
            shown = camera.read(WAIT_S)
        with closing(image.open(path=tmp_path, min_free_mb=0)) as output:
            output.send(of("fail", 1, shown))

        (name,) = files(tmp_path)
        assert name.endswith(".jpg")
        assert (tmp_path / name).read_bytes() == server.jpeg


def test_a_file_of_a_folder_is_kept_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "a.tif"), NOISE)
    with (
        cameras.open_camera("folder", path=str(tmp_path / "photos")) as camera,
        closing(image.open(path=tmp_path / "kept", min_free_mb=0)) as output,
    ):
        output.send(of("review", 1, camera.read(WAIT_S)))

    (name,) = files(tmp_path / "kept")
    assert (tmp_path / "kept" / name).read_bytes() == (tmp_path / "photos" / "a.tif").read_bytes()


def test_pixels_may_be_kept_as_jpeg_to_save_room(tmp_path: Path) -> None:
    smooth = cv2.GaussianBlur(NOISE, (0, 0), 5)
    with closing(
        image.open(path=tmp_path, format=Format.JPEG, quality=80, min_free_mb=0)
    ) as output:
        output.send(of("fail", 1, frame(np.asarray(smooth, np.uint8))))

    (name,) = files(tmp_path)
    assert name.endswith(".jpg")
    assert np.abs(read_image(tmp_path / name).astype(int) - smooth).mean() < 3


def test_a_jpeg_that_asks_to_be_turned_is_read_back_as_it_was_judged(tmp_path: Path) -> None:
    jpeg = turned_jpeg()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(jpeg)
    with cameras.open_camera("folder", path=str(tmp_path / "photos")) as camera:
        upright = camera.read(WAIT_S)
    with MjpegServer(NOISE) as server:
        server.jpeg = jpeg
        with cameras.open_camera("http", url=server.url) as camera:
            lying = camera.read(WAIT_S)
    with closing(image.open(path=tmp_path / "kept", min_free_mb=0)) as output:
        output.send(of("fail", 1, upright))
        output.send(of("fail", 2, lying))

    assert (upright.image.shape, lying.image.shape) == ((160, 120, 3), (120, 160, 3))
    newest_first = Evidence(tmp_path / "kept").listed()
    for one, judged in zip(newest_first, (lying, upright), strict=True):
        told = one.table()["image"]
        assert isinstance(told, dict)
        again = image_of(read_file(one.path), str(one.path), upright=told["upright"])
        assert np.array_equal(again, judged.image)


def turned_jpeg() -> bytes:
    """Return a JPEG with an EXIF orientation of 6: to be turned a quarter clockwise."""
    jpeg = cv2.imencode(".jpg", NOISE)[1].tobytes()
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
    exif = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01" + entry + b"\x00\x00\x00\x00"
    return jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2) + exif + jpeg[2:]


def test_which_passes_are_kept_follows_from_their_ids_alone(tmp_path: Path) -> None:
    passes = [of("pass", number) for number in range(2000)]
    small = frame(NOISE[:8, :8])
    with closing(
        image.open(path=tmp_path, pass_share=0.1, most_per_label=5000, min_free_mb=0)
    ) as output:
        for told in passes:
            output.send(replace(told, frame=small))

    kept = {one.id for one in Evidence(tmp_path).listed(most=5000)}
    assert kept == {told.id for told in passes if image.is_drawn(told.id, 0.1)}
    assert 150 < len(kept) < 250
    assert {i for i in range(2000) if image.is_drawn(f"j-{i}", 0.05)} <= {
        i for i in range(2000) if image.is_drawn(f"j-{i}", 0.1)
    }


def test_a_share_of_all_or_none_is_that() -> None:
    ids = [f"j-{number}" for number in range(1000)]

    assert all(image.is_drawn(one, 1.0) for one in ids)
    assert not any(image.is_drawn(one, 0.0) for one in ids)


def test_only_the_owner_writes_and_only_the_group_reads(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with closing(image.open(path=tmp_path / "kept", min_free_mb=0)) as output:
            output.send(of("fail", 1))
    finally:
        os.umask(before)

    for path in (tmp_path / "kept").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o750 if path.is_dir() else 0o640)


def test_a_verdict_that_is_told_twice_is_kept_once(tmp_path: Path) -> None:
    with closing(image.open(path=tmp_path, min_free_mb=0)) as output:
        output.send(of("fail", 1))
        output.send(of("fail", 1))

    assert len(files(tmp_path)) == 1


def send_at_random(output: image.ImageOutput, seed: int, quota: int) -> Iterator[None]:
    """Send images of sizes at random, some nearly as large as the quota."""
    draw = np.random.default_rng(seed)
    kinds = ("pass", "fail", "review", "error")
    for number in range(400):
        most = quota * 9 // 10 if number % 7 == 0 else quota // 4
        shown = sized(int(draw.integers(2, most)))
        output.send(of(kinds[draw.integers(4)], number, shown, "abc"[draw.integers(3)]))
        yield


@pytest.mark.parametrize("seed", range(4))
def test_after_each_image_the_folder_is_within_its_quota(tmp_path: Path, seed: int) -> None:
    most = 0
    with closing(image.open(path=tmp_path, quota_mb=1, pass_share=1, min_free_mb=0)) as output:
        for _ in send_at_random(output, seed, MB):
            most = max(most, total(tmp_path))

    assert 0.7 * MB < most <= MB


@pytest.mark.parametrize("seed", range(4))
def test_nor_is_it_above_while_an_image_is_written(small_disk: Path, seed: int) -> None:
    """The disk is as large as the quota: a byte too many, for how short a moment, would fail."""
    with closing(image.open(path=small_disk, quota_mb=4, pass_share=1, min_free_mb=0)) as output:
        for _ in send_at_random(output, seed, 4 * MB):
            pass

    assert total(small_disk) > 2 * MB


def test_an_image_larger_than_the_quota_is_said_and_costs_no_other(tmp_path: Path) -> None:
    with closing(image.open(path=tmp_path, quota_mb=1, min_free_mb=0)) as output:
        output.send(of("fail", 1))

        with pytest.raises(OutputError) as raised:
            output.send(of("fail", 2, sized(2 * MB)))

    assert str(raised.value) == (
        f"image output {tmp_path}: an image of 2.0 MB; expected at most quota_mb, 1; it is not kept"
    )
    assert len(files(tmp_path)) == 1


def test_what_was_kept_before_counts_when_the_station_starts_again(tmp_path: Path) -> None:
    for number in range(20):
        with closing(image.open(path=tmp_path, quota_mb=1, min_free_mb=0)) as output:
            output.send(of("fail", number, sized(200_000)))

    assert [Path(name).name[4:6] for name in files(tmp_path)] == ["16", "17", "18", "19"]
    assert total(tmp_path) <= MB


def test_empty_folders_do_not_stay_behind(tmp_path: Path) -> None:
    with closing(image.open(path=tmp_path, most_per_label=1, min_free_mb=0)) as output:
        for day in range(1, 10):
            told = of("fail", 1)
            output.send(replace(told, recorded_at=f"2026-11-{day:02}T12:00:00.000+00:00"))

    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["2026-11-09"]


def test_relabels_and_foreign_files_are_never_removed_and_relabels_count(tmp_path: Path) -> None:
    (tmp_path / "relabels.jsonl").write_bytes(b"\n" * 500_000)
    (tmp_path / "2026-11-01" / "fail" / "ok").mkdir(parents=True)
    foreign = tmp_path / "2026-11-01" / "fail" / "ok" / "holiday.jpg"
    foreign.write_bytes(b"sun")
    with closing(image.open(path=tmp_path, quota_mb=1, min_free_mb=0)) as output:
        for number in range(20):
            output.send(of("fail", number, sized(100_000)))

    assert foreign.exists()
    assert total(tmp_path) - 4096 <= MB
    assert (tmp_path / "relabels.jsonl").stat().st_size == 500_000


KILLED = """
import sys
import numpy as np
sys.path[:0] = {paths!r}
from pathlib import Path
from edgecls_runtime.outputs import image
from kept_images import of, sized
output = image.open(path=Path(sys.argv[1]), quota_mb=4, min_free_mb=0)
number = int(sys.argv[2])
print("ready", flush=True)
while True:
    number += 1
    output.send(of("fail", number, sized(2 + 997 * number % 600_000)))
"""


def test_kill_9_at_any_moment_leaves_whole_images_only(tmp_path: Path) -> None:
    paths = [str(Path(__file__).parents[1])]
    draw = np.random.default_rng(2)
    for attempt in range(12):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED.format(paths=paths), str(tmp_path), str(3000 * attempt)],
            stdout=subprocess.PIPE,
        ) as child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(float(draw.uniform(0, 0.15)))  # a random moment is the point
            child.send_signal(signal.SIGKILL)
        assert total(tmp_path) <= 4 * MB

    with closing(image.open(path=tmp_path, quota_mb=4, min_free_mb=0)) as output:
        output.send(of("fail", 3000 * 12 + 1))
    kept = Evidence(tmp_path).listed(most=10_000)
    assert len(files(tmp_path)) == len(kept) > 3
    for one in kept:
        told = one.table()["image"]
        assert isinstance(told, dict)
        assert hashlib.sha256(one.path.read_bytes()).hexdigest() == told["sha256"]
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {".lock"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_with_too_little_free_space_nothing_is_kept_until_there_is_room(small_disk: Path) -> None:
    with closing(image.open(path=small_disk / "kept", min_free_mb=2)) as output:
        output.send(of("fail", 1, sized(100_000)))
        (small_disk / "others").write_bytes(bytes(5 * MB // 2))

        with pytest.raises(OutputError) as raised:
            output.send(of("fail", 2, sized(100_000)))

        kept = len(files(small_disk / "kept"))
        (small_disk / "others").unlink()
        output.send(of("fail", 3, sized(100_000)))
        assert (kept, len(files(small_disk / "kept"))) == (1, 2)

    assert str(raised.value) == (
        f"image output {small_disk / 'kept'}: 1 MB free on its disk; expected 2 (min_free_mb); "
        f"no image is kept until there is room"
    )


def test_a_disk_that_is_full_all_the_same_leaves_no_half_image(small_disk: Path) -> None:
    with closing(image.open(path=small_disk / "kept", min_free_mb=0)) as output:
        output.send(of("fail", 1, sized(100_000)))
        free = os.statvfs(small_disk).f_bavail * 4096
        (small_disk / "others").write_bytes(bytes(free - 50_000))

        with pytest.raises(OutputError) as raised:
            output.send(of("fail", 2, sized(1_000_000)))

        assert len(files(small_disk / "kept")) == 1
        assert {path.name for path in (small_disk / "kept").iterdir()} == {".lock", "2026-11-28"}
        (small_disk / "others").unlink()
        output.send(of("fail", 2, sized(1_000_000)))

    assert "no image is kept until there is room" in str(raised.value)
    assert len(files(small_disk / "kept")) == 2


def test_a_name_without_content_as_a_power_cut_leaves_it_is_taken_away(tmp_path: Path) -> None:
    with closing(image.open(path=tmp_path, min_free_mb=0)) as output:
        output.send(of("fail", 1))
    (name,) = files(tmp_path)
    (tmp_path / name).write_bytes(b"")

    with closing(image.open(path=tmp_path, min_free_mb=0)) as output:
        output.send(of("fail", 2))

    assert [one[-5] for one in files(tmp_path)] == ["2"]


def test_two_outputs_never_share_a_folder(tmp_path: Path) -> None:
    with closing(image.open(path=tmp_path)), pytest.raises(OutputError) as raised:
        image.open(path=tmp_path)

    assert str(raised.value) == (
        f"image output {tmp_path}: another output writes there; give each its own path"
    )
    image.open(path=tmp_path).close()


def test_values_that_keep_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="outputs.pass_share: 1.5; expected a share from 0 to 1"):
        image.open(path=tmp_path, pass_share=1.5)
    with pytest.raises(ConfigError, match="outputs.quota_mb: nan; expected 1 or more"):
        image.open(path=tmp_path, quota_mb=float("nan"))

    assert not (tmp_path / ".lock").exists()


def test_memory_does_not_grow_with_what_passes_through(tmp_path: Path) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096

    with closing(image.open(path=tmp_path, quota_mb=2, min_free_mb=0)) as output:
        for number in range(100):
            output.send(of("fail", number, sized(500_000)))
        before = resident()
        for number in range(100, 1100):
            output.send(of("fail", number, sized(500_000)))

    assert resident() - before < 20 * MB  # of 500 MB that went through
