"""A watched folder: each image once, whole, in the order of arrival, whatever happens to it."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecls.errors import CameraError, ConfigError, Fault, ImageError, NoPart
from edgecls_runtime import cameras
from edgecls_runtime.arrivals import is_being_written
from edgecls_runtime.cameras import folder
from edgecls_runtime.cameras.folder import WatchedFolder
from servers import card

WAIT_S = 10.0
QUIET_S = 0.4
PNG: bytes = cv2.imencode(".png", card(0, 0, 255))[1].tobytes()


@contextmanager
def watched(
    path: Path, *, existing: bool = True, settle_ms: float = 60.0
) -> Iterator[WatchedFolder]:
    opened = folder.open(
        path=path, watch=True, existing=existing, poll_ms=10.0, settle_ms=settle_ms
    )
    assert isinstance(opened, WatchedFolder)
    with closing(opened) as camera:
        yield camera


def parts(camera: WatchedFolder, count: int) -> list[str | None]:
    return [camera.read(WAIT_S).part for _ in range(count)]


def is_quiet(camera: WatchedFolder) -> bool:
    with pytest.raises(NoPart):
        camera.read(QUIET_S)
    return True


def test_files_are_delivered_as_they_arrive_and_silence_is_no_fault(tmp_path: Path) -> None:
    with watched(tmp_path) as camera:
        with pytest.raises(NoPart) as raised:
            camera.read(0.05)
        (tmp_path / "b.png").write_bytes(PNG)
        first = camera.read(WAIT_S)
        (tmp_path / "a.png").write_bytes(PNG)
        second = camera.read(WAIT_S)

        assert is_quiet(camera)

    assert str(raised.value) == f"folder {tmp_path}: no new file within 0.05 s"
    assert [(f.part, f.number) for f in (first, second)] == [("b.png", 0), ("a.png", 1)]
    assert np.array_equal(first.image, card(255, 0, 0))
    assert not camera.live


@pytest.mark.parametrize("existing", [True, False])
def test_what_is_there_at_the_start_is_delivered_unless_it_is_not_wanted(
    tmp_path: Path, existing: bool
) -> None:
    for name in ("z.png", "y.png"):
        (tmp_path / name).write_bytes(PNG)
        time.sleep(0.02)  # a file system's clock has steps
    with watched(tmp_path, existing=existing) as camera:
        found = parts(camera, 2) if existing else []
        (tmp_path / "new.png").write_bytes(PNG)
        found += parts(camera, 1)

        assert is_quiet(camera)

    assert found == (["z.png", "y.png"] if existing else []) + ["new.png"]


def test_a_file_that_is_still_being_written_waits_until_it_is_whole(tmp_path: Path) -> None:
    """Written by the byte, with pauses longer than a file must be quiet."""
    if not can_lease(tmp_path):
        pytest.skip("this file system does not tell who has a file open")
    with watched(tmp_path, settle_ms=20) as camera:
        with (tmp_path / "slow.png").open("wb") as file:
            for part in (PNG[:20], PNG[20:]):
                file.write(part)
                file.flush()
                assert is_quiet(camera)

        assert camera.read(WAIT_S).part == "slow.png"
        assert is_quiet(camera)


def test_a_file_that_grows_waits_where_nobody_tells_who_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecls_runtime.arrivals.is_being_written", lambda _: False)
    with watched(tmp_path, settle_ms=250) as camera:
        grown = tmp_path / "slow.png"
        for end in range(0, len(PNG), len(PNG) // 5):
            grown.write_bytes(PNG[:end])
            with pytest.raises(NoPart):
                camera.read(0.08)
        grown.write_bytes(PNG)

        assert np.array_equal(camera.read(WAIT_S).image, card(255, 0, 0))
        assert is_quiet(camera)


def test_a_file_that_is_moved_in_is_delivered_and_its_unfinished_name_is_not(
    tmp_path: Path,
) -> None:
    with watched(tmp_path) as camera:
        (tmp_path / "1.png.part").write_bytes(PNG[:30])
        (tmp_path / ".2.png.x7f").write_bytes(PNG[:30])
        assert is_quiet(camera)
        (tmp_path / "1.png.part").write_bytes(PNG)
        (tmp_path / "1.png.part").rename(tmp_path / "1.png")

        assert parts(camera, 1) == ["1.png"]
        assert is_quiet(camera)


def test_a_file_that_was_judged_may_be_moved_to_a_folder_inside(tmp_path: Path) -> None:
    with watched(tmp_path) as camera:
        (tmp_path / "1.png").write_bytes(PNG)
        camera.read(WAIT_S)
        (tmp_path / "judged").mkdir()
        (tmp_path / "1.png").rename(tmp_path / "judged" / "1.png")

        assert is_quiet(camera)


@pytest.mark.parametrize("how", ["in place", "by a new file"])
def test_a_name_that_is_used_again_is_a_new_part(tmp_path: Path, how: str) -> None:
    latest = tmp_path / "latest.png"
    with watched(tmp_path) as camera:
        for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255)):
            raw = cv2.imencode(".png", card(*colour)[..., ::-1])[1].tobytes()
            target = latest if how == "in place" else tmp_path / ".latest"
            target.write_bytes(raw)
            target.rename(latest)

            frame = camera.read(WAIT_S)
            assert frame.part == "latest.png"
            assert np.array_equal(frame.image, card(*colour))


def test_thousands_of_files_are_each_delivered_once_while_they_are_moved_away(
    tmp_path: Path,
) -> None:
    count = 3000
    line, judged = tmp_path / "line", tmp_path / "judged"
    for place in (line, judged):
        place.mkdir()

    def write() -> None:
        for number in range(count):
            hidden = line / f".{number}"
            hidden.write_bytes(PNG)
            hidden.rename(line / f"{number % 7}-{number}.png")

    writer = threading.Thread(target=write)
    seen: list[str] = []
    with watched(line) as camera:
        writer.start()
        while len(seen) < count:
            part = camera.take(WAIT_S).part
            assert part is not None
            seen.append(part)
            if len(seen) % 3 == 0:
                (line / part).rename(judged / part)
        writer.join()

        assert is_quiet(camera)

    assert sorted(seen) == sorted(f"{number % 7}-{number}.png" for number in range(count))
    assert len(set(seen)) == count


def test_files_that_arrive_between_two_looks_come_in_the_order_of_their_arrival(
    tmp_path: Path,
) -> None:
    (tmp_path / "line").mkdir()
    names = [f"{number * 37 % 11}.png" for number in range(11)]
    for name in names:
        (tmp_path / name).write_bytes(PNG)
    with watched(tmp_path / "line") as camera:
        for name in names:
            (tmp_path / name).rename(tmp_path / "line" / name)
            time.sleep(0.01)  # a file system's clock has steps

        assert parts(camera, 11) == names


def test_a_file_that_is_no_image_is_a_part_to_review_and_the_next_one_comes(
    tmp_path: Path,
) -> None:
    with watched(tmp_path) as camera:
        (tmp_path / "1.txt").write_text("drawing number 7", encoding="utf-8")
        with pytest.raises(ImageError) as raised:
            camera.read(WAIT_S)
        (tmp_path / "2.png").write_bytes(PNG)

        assert parts(camera, 1) == ["2.png"]

    assert raised.value.part == "1.txt"


def test_a_folder_that_is_deleted_is_gone_at_each_timeout_until_it_is_back(tmp_path: Path) -> None:
    line = tmp_path / "line"
    line.mkdir()
    (line / "1.png").write_bytes(PNG)
    with watched(line) as camera:
        camera.read(WAIT_S)
        shutil.rmtree(line)
        began = time.monotonic()
        with pytest.raises(CameraError) as raised:
            camera.read(0.3)
        waited = time.monotonic() - began
        line.mkdir()
        (line / "2.png").write_bytes(PNG)

        assert parts(camera, 1) == ["2.png"]

    assert waited >= 0.3
    assert not isinstance(raised.value, NoPart)
    assert raised.value.fault is Fault.GONE
    assert str(raised.value) == (
        f"folder {line}: No such file or directory; 1 files delivered before; "
        f"is its disk or share still there?"
    )


def test_a_share_that_is_not_mounted_for_a_while_brings_nothing_twice(tmp_path: Path) -> None:
    line, aside = tmp_path / "line", tmp_path / "aside"
    line.mkdir()
    (line / "1.png").write_bytes(PNG)
    with watched(line) as camera:
        camera.read(WAIT_S)
        line.rename(aside)
        line.mkdir()
        assert is_quiet(camera)
        line.rmdir()
        aside.rename(line)

        assert is_quiet(camera)


def test_closing_ends_a_wait(tmp_path: Path) -> None:
    with watched(tmp_path) as camera:
        threading.Timer(0.1, camera.close).start()
        began = time.monotonic()

        with pytest.raises(NoPart):
            camera.read(WAIT_S)

    assert time.monotonic() - began < 2


def test_a_large_folder_is_looked_at_less_so_that_little_time_goes_into_it(
    tmp_path: Path,
) -> None:
    for number in range(3000):
        (tmp_path / str(number)).touch()
    with watched(tmp_path, existing=False) as camera:
        is_quiet(camera)
        began, used = time.monotonic(), time.thread_time()
        with pytest.raises(NoPart):
            camera.read(1.0)

        assert time.thread_time() - used < 0.25 * (time.monotonic() - began)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (
            {"existing": False},
            "camera.existing: false is for watch = true; else nothing is left",
        ),
        ({"watch": True, "poll_ms": 0}, "camera.poll_ms: 0; expected 1 to 3600000"),
        ({"watch": True, "settle_ms": -1}, "camera.settle_ms: -1; expected 0 to 3600000"),
    ],
    ids=["existing", "poll", "settle"],
)
def test_a_wrong_key_says_what_is_expected(
    tmp_path: Path, keys: dict[str, object], text: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        cameras.open_table({"kind": "folder", "path": str(tmp_path), **keys})

    assert str(raised.value) == text


def can_lease(path: Path) -> bool:
    with (path / "probe").open("wb") as file:
        held = is_being_written(file.name)
    (path / "probe").unlink()
    return held


def test_who_has_a_file_open_for_writing_is_known_and_reading_is_no_matter(
    tmp_path: Path,
) -> None:
    if not can_lease(tmp_path):
        pytest.skip("this file system does not tell who has a file open")
    file = tmp_path / "1.png"
    with file.open("wb"):
        assert is_being_written(str(file))
    with file.open("rb"):
        assert not is_being_written(str(file))
    assert not is_being_written(str(tmp_path / "none.png"))
