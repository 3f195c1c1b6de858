"""Frame health, specified: which frame is not fit to be judged, why, and how that was learned."""

import re
import threading
import tomllib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecls.errors import ConfigError
from edgecls.frame import Frame
from edgecls_runtime.cameras.fake import FakeCamera
from edgecls_runtime.capture.ahead import Ahead, PreparedFrame
from edgecls_runtime.health import kept
from edgecls_runtime.health.calibration import Calibrated, Gathered
from edgecls_runtime.health.frozen import Frozen
from edgecls_runtime.health.learning import learned
from edgecls_runtime.health.limits import SCALES, Limits, by_name
from edgecls_runtime.health.measures import Figures, measured
from edgecls_runtime.health.settings import HealthSettings
from edgecls_runtime.health.watch import Expected, Watch
from places import SIZE, Image, blurred, place
from servers import card

GOOD = 60


def gathered(count: int = GOOD, *, every: float = 0.1) -> Gathered:
    found = Gathered()
    for number in range(count):
        found.add(Frame(place(number), number, number * every, "usb camera 0"))
    return found


@pytest.fixture(scope="module")
def calibrated() -> Calibrated:
    return gathered().calibrated(0.5, live=True)


@pytest.fixture(scope="module")
def folder(calibrated: Calibrated, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what was learned of a camera without a name, as it is kept."""
    found = tmp_path_factory.mktemp("kept") / "line.health"
    kept.write(found, "", calibrated.kept, calibrated.png)
    return found


def fault(watch: Watch, image: Image, number: int = 0, at: float | None = None) -> str:
    return watch.fault(Frame(image, number, number / 10 if at is None else at, "usb camera 0"))


def learned_watch(folder: Path, **settings: object) -> Watch:
    return Watch(HealthSettings(limits=folder, **settings).expected("", live=True))  # type: ignore[arg-type]


def built_in() -> Watch:
    return Watch(HealthSettings().expected("", live=True))


def half_decoded(image: Image) -> Image:
    """Return an image whose lower part no data came for, as libjpeg leaves it."""
    return np.concatenate([image[:180], np.full_like(image[180:], 128)])


def without_chroma(image: Image) -> Image:
    """Return an image whose lower part is an empty buffer of YUV, as FFmpeg leaves it."""
    empty = np.broadcast_to(np.array([0, 135, 0], np.uint8), image[200:].shape)
    return np.concatenate([image[:200], empty])


FAULTS: dict[str, tuple[Callable[[], Image], str]] = {
    "too dark": (lambda: (place(900) * 0.5).astype(np.uint8), "too dark: brightness "),
    "too bright": (
        lambda: np.clip(place(900) * 1.6, 0, 255).astype(np.uint8),
        "too bright: brightness ",
    ),
    "out of focus": (lambda: blurred(place(900), 1.2), "blurred: sharpness "),
    "noisy": (lambda: place(900, noise=12), "noisy: sharpness "),
    "another light": (
        lambda: np.clip(place(900) * (1.12, 1, 0.9), 0, 255).astype(np.uint8),
        "colour cast: red ",
    ),
    "camera moved": (lambda: place(900, right_px=4), "camera moved: shift "),
    "camera turned": (
        lambda: np.ascontiguousarray(np.flipud(place(900))),
        "camera moved: shift ",
    ),
    "torn": (
        lambda: np.concatenate([place(900)[:130], np.roll(place(901)[130:], 12, 1)]),
        "torn: torn ",
    ),
    "half decoded": (lambda: half_decoded(place(900)), "incomplete: fill 25 % > 2 %"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named_with_its_figure_and_the_limit(folder: Path, name: str) -> None:
    made, reason = FAULTS[name]
    watch = learned_watch(folder)

    told = [fault(watch, place(800)), fault(watch, made(), 1)]

    assert told[0] == ""
    assert told[1].startswith(f"usb camera 0: {reason}")
    assert re.search(r" [-0-9.]+( %)? [<>] [-0-9.]+( %| px)?( \(also [a-z, ]+\))?$", told[1])


def test_good_frames_that_were_not_learned_from_are_fit(folder: Path) -> None:
    watch = learned_watch(folder)

    assert [fault(watch, place(n), n) for n in range(1000, 1150)] == [""] * 150


def test_a_part_that_lies_elsewhere_is_no_moved_camera(folder: Path) -> None:
    figures = learned_watch(folder).measured(place(905))

    assert figures.shift_px is not None
    assert figures.likeness is not None
    assert figures.shift_px < 0.5
    assert figures.likeness > 0.95


@pytest.mark.parametrize("moved", [4.0, 12.0, 30.0])
def test_a_shift_is_measured_in_pixels_of_the_camera(folder: Path, moved: float) -> None:
    figures = learned_watch(folder).measured(place(900, right_px=moved))

    assert figures.shift_px == pytest.approx(moved, abs=1)


def test_light_that_changes_is_no_moved_camera(folder: Path) -> None:
    figures = learned_watch(folder).measured((place(900) * 0.6).astype(np.uint8))

    assert figures.shift_px is not None
    assert figures.shift_px < 0.5


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2), (5, 5), (17, 4000), (1080, 1920)])
def test_an_image_of_any_size_is_measured(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)

    for image in (noise, np.zeros_like(noise), np.full_like(noise, 255)):
        figures = measured(image)
        assert figures.size == size
        assert all(np.isfinite(getattr(figures, n) or 0) for n in SCALES)


def test_figures_have_names_and_one_without_a_view_to_compare_with_has_no_shift() -> None:
    shown = by_name(measured(card(128, 128, 128)))

    assert (shown["brightness"], shown["dark"], shown["red"]) == (128.0, 0.0, 1.0)
    assert "shift_px" not in shown


def test_a_camera_that_nobody_calibrated_is_refused_only_what_is_no_picture() -> None:
    dark = np.random.default_rng(1).integers(0, 12, (*SIZE, 3), dtype=np.uint8)
    refused = {
        "too dark: black pixels 100 % > 99.9 %": dark,
        "too bright: white pixels 100 % > 99.9 %": card(255, 255, 255),
        "incomplete: fill 25 % > 2 %": half_decoded(place(1)),
        "incomplete: fill 16.67 % > 2 %": without_chroma(place(1)),
    }
    fit = [place(1), blurred(place(1), 5), place(1, noise=30), card(128, 128, 128), card(255, 0, 0)]

    assert [fault(built_in(), image) for image in refused.values()] == [
        f"usb camera 0: {reason}" for reason in refused
    ]
    assert [fault(built_in(), image) for image in fit] == [""] * len(fit)


def test_the_rest_of_a_real_jpeg_that_was_cut_off_is_seen_as_fill() -> None:
    from PIL import Image as Pillow  # noqa: PLC0415 - the only decoder here that goes on
    from PIL import ImageFile  # noqa: PLC0415

    jpeg = cv2.imencode(".jpg", place(1))[1].tobytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
        import io  # noqa: PLC0415

        image = np.asarray(Pillow.open(io.BytesIO(jpeg[: len(jpeg) // 2])), np.uint8)

    assert 0.3 < measured(image).fill < 0.7


def test_a_folder_is_held_to_nothing_that_nobody_learned() -> None:
    assert HealthSettings().expected("", live=False) == Expected()


def shown_for(watch: Watch, images: list[Image], rate_hz: float = 10.0) -> list[str]:
    found = [fault(watch, image, n, n / rate_hz) for n, image in enumerate(images)]
    return [text.removeprefix("usb camera 0: ") for text in found if text]


def test_a_lively_camera_that_stops_changing_is_frozen_after_two_seconds() -> None:
    lively = [place(n) for n in range(40)]

    told = shown_for(built_in(), lively + [lively[-1]] * 25)

    assert told[0] == "frozen: the same picture for 2.0 s > 2 s"
    assert len(told) == 6


def test_a_camera_that_is_frozen_for_a_moment_is_not_refused() -> None:
    lively = [place(n) for n in range(40)]

    assert shown_for(built_in(), lively + [lively[-1]] * 18 + lively) == []


def test_a_test_card_is_not_called_frozen_unless_the_station_file_says_so() -> None:
    cards = [place(1)] * 100

    assert shown_for(built_in(), cards) == []
    watch = Watch(HealthSettings(frozen_ms=500).expected("", live=True))
    assert shown_for(watch, cards)[0] == "frozen: the same picture for 0.5 s > 0.5 s"


def test_a_stream_that_is_wont_to_repeat_itself_is_not_called_frozen() -> None:
    habit = [place(n // 10) for n in range(400)]

    assert shown_for(built_in(), habit + [habit[-1]] * 50) == []


def test_a_camera_known_to_be_lively_is_frozen_from_its_first_frame_on(folder: Path) -> None:
    told = shown_for(learned_watch(folder), [place(900)] * 30)

    assert told[0] == "frozen: the same picture for 2.0 s > 2 s"


def test_a_picture_that_is_encoded_anew_is_as_frozen(folder: Path) -> None:
    again = place(900)
    again[::40, ::40] += 1

    told = shown_for(learned_watch(folder), [place(900), again] * 15)

    assert told[0] == "frozen: the same picture for 2.0 s > 2 s"


def test_frames_far_from_all_others_are_left_out_and_named() -> None:
    random = np.random.default_rng(0)
    brightness = random.normal(100, 2, 100)
    brightness[17] = 240

    found = learned({"brightness": brightness})

    assert found.left_out == {17: "brightness"}
    assert found.limits.most["brightness"] < 120
    assert found.warnings == []


def test_many_frames_far_from_the_others_are_how_this_place_is() -> None:
    random = np.random.default_rng(0)
    brightness = random.normal(100, 2, 100)
    brightness[::8] += 110

    found = learned({"brightness": brightness}, 0.1)

    assert found.left_out == {}
    assert found.limits.most["brightness"] > 210
    assert found.warnings[0] == (
        "13 of 100 frames are far from the others (brightness): too many to be left out, "
        "so limits allow them; were all of them good?"
    )
    assert found.warnings[1].startswith("brightness: 9")
    assert found.warnings[1].endswith(" in good frames; so wide a limit finds little")


def test_a_limit_lies_by_the_margin_beyond_the_farthest_good_frame() -> None:
    values = np.concatenate([np.linspace(80, 120, 41)])

    found = learned({"brightness": values}, 1.0)

    assert found.limits == Limits({"brightness": 60.0}, {"brightness": 140.0})


def test_light_that_drifts_is_seen_in_what_is_expected() -> None:
    steady = np.random.default_rng(0).normal(100, 1, 200)

    drifting = learned({"brightness": steady + np.linspace(0, 90, 200)}, 0.0)

    assert drifting.alarms.tenths > drifting.alarms.each
    assert drifting.alarms.at_most > learned({"brightness": steady}, 0.0).alarms.at_most


def test_what_is_expected_is_no_better_than_the_frames_can_tell(calibrated: Calibrated) -> None:
    alarms = calibrated.kept.false_alarms

    assert (alarms.of, alarms.each, alarms.tenths) == (GOOD, 0, 0)
    assert alarms.at_most == pytest.approx(3 / GOOD)


def test_too_few_frames_teach_nothing() -> None:
    with pytest.raises(ConfigError, match="^3 good frames; expected 20 or more; let more of"):
        gathered(3).calibrated(0.5, live=True)


def test_a_black_frame_is_no_good_one() -> None:
    found = gathered(2)

    found.add(Frame(card(0, 0, 0, SIZE), 2, 0.3, "usb camera 0"))

    assert (len(found), found.refused) == (2, {"too dark": 1})


def test_frames_of_two_sizes_are_not_one_camera() -> None:
    found = gathered(1)

    with pytest.raises(
        ConfigError, match="^usb camera 0: frames of 160 x 120 and of 320 x 240; expected one size$"
    ):
        found.add(Frame(card(9, 99, 9), 1, 0.1, "usb camera 0"))


def test_a_view_in_which_everything_moves_is_not_watched() -> None:
    found = Gathered()
    for number in range(30):
        image = np.roll(place(number), 37 * number, (0, 1))
        found.add(Frame(image, number, number / 10, "usb camera 0"))

    calibrated = found.calibrated(0.5, live=True)

    assert calibrated.png == b""
    assert "shift_px" not in calibrated.kept.most
    assert any(line.startswith("the view is not watched: ") for line in calibrated.learned.warnings)


def test_what_was_learned_is_read_as_it_was_written(folder: Path, calibrated: Calibrated) -> None:
    found, view = kept.read(folder, "")

    assert found.limits.most == pytest.approx(dict(calibrated.kept.limits.most), rel=1e-5)
    assert (found.size, found.frozen) == (SIZE, calibrated.kept.frozen)
    assert found.frozen == Frozen(2000, 0.05, at_once=True)
    assert view is not None
    assert view.size == SIZE


def test_what_is_set_by_hand_counts_before_what_was_learned(folder: Path) -> None:
    dim = (place(900) * 0.5).astype(np.uint8)
    hand = learned_watch(folder, least={"brightness": 200.0}, most={"contrast": 60.0})

    assert fault(hand, place(900)).startswith("usb camera 0: too dark: brightness 1")
    assert fault(hand, place(900)).endswith(" < 200.0")
    assert fault(learned_watch(folder, off=("all",)), dim) == ""
    off = ("brightness", "contrast", "red", "blue", "likeness", "dark", "sharpness")
    assert fault(learned_watch(folder, off=off), dim) == ""


def copied(folder: Path, target: Path) -> Path:
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("format = 1", "format = 2", ": format 2; this edgecls reads limits of format 1; run edge"),
        ("format = 1", "", ": format None; this edgecls reads limits of format 1; run edgecls cal"),
        ("[least]", "[least", ": not TOML: "),
        ("margin = 0.5", "", ".margin: required and not given"),
        ("[least]", "[least]\ngloss = 3", ".least.gloss: no such figure; known ones are brightn"),
        ("[least]", "[least]\ntorn = 3", ".least.torn: torn has no least; expected most.torn"),
        ("height_px = 240", "height_px = 480", ": not a view of 320 x 480; run edgecls calib"),
        ('view_sha256 = "', 'view_sha256 = "0', ": not the view that belongs to its limits; run e"),
    ],
)
def test_a_file_that_was_altered_is_refused_in_one_line(
    folder: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    target = copied(folder, tmp_path)
    file = target / "camera.toml"
    file.write_text(file.read_text().replace(old, new), encoding="utf-8")

    with pytest.raises(ConfigError) as raised:
        HealthSettings(limits=target).expected("", live=True)

    assert message in str(raised.value)
    assert str(raised.value).startswith(str(target / "camera."))
    assert "\n" not in str(raised.value)


def test_a_view_that_is_gone_is_refused(folder: Path, tmp_path: Path) -> None:
    target = copied(folder, tmp_path)
    (target / "camera.png").unlink()

    with pytest.raises(ConfigError, match="camera.png: No such file or directory; expected the v"):
        kept.read(target, "")


def test_limits_that_were_never_learned_are_refused_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        HealthSettings(limits=tmp_path).expected("left", live=True)

    assert str(raised.value) == (
        f"{tmp_path}/left.toml: No such file or directory; expected learned limits; "
        f"run: edgecls calibrate STATION.toml"
    )


def test_a_camera_of_another_size_is_refused_at_its_first_frame(folder: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        fault(learned_watch(folder), card(9, 99, 9))

    assert str(raised.value) == (
        f"{folder}/camera.toml: limits for frames of 320 x 240; usb camera 0 delivers 160 x 120; "
        f"set it to 320 x 240, or run edgecls calibrate again"
    )


def test_a_camera_that_changes_its_size_later_is_a_part_to_review(folder: Path) -> None:
    watch = learned_watch(folder)

    assert fault(watch, place(900)) == ""
    assert "; usb camera 0 delivers 160 x 120; " in fault(watch, card(9, 99, 9), 1)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"off": ("gloss",)}, "health.off: no figure 'gloss'; known ones are brightness, dark, "),
        ({"least": {"fill": 0.1}}, "health.least.fill: fill has no least; expected most.fill"),
        ({"most": {"dark": 20.0}}, "health.most.dark: 20; expected 0 to 1"),
        ({"most": {"brightness": float("nan")}}, "health.most.brightness: nan; expected 0 to 255"),
        ({"frozen_ms": 0.0}, "health.frozen_ms: 0; expected milliseconds above 0, at most a day"),
    ],
)
def test_a_setting_that_no_frame_can_have_is_refused(
    table: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        HealthSettings(**table)  # type: ignore[arg-type]

    assert str(raised.value).startswith(message)


def test_the_kept_file_is_toml_that_people_can_read(folder: Path) -> None:
    table = tomllib.loads((folder / "camera.toml").read_text(encoding="utf-8"))

    assert table["camera"] == "usb camera 0"
    assert table["seen"]["brightness"].keys() == {"low", "middle", "high"}
    assert sorted(file.name for file in folder.iterdir()) == ["camera.png", "camera.toml"]


def test_frames_that_are_prepared_ahead_are_measured_there() -> None:
    images = [place(number) for number in range(4)]
    threads: set[str] = set()

    def measure(image: Image) -> Figures:
        threads.add(threading.current_thread().name)
        return measured(image)

    ahead = Ahead(FakeCamera(images), lambda image, _: image[:8, :8], measure=measure)
    with closing(ahead):
        frames = [ahead.read(1.0) for _ in images]

    assert [f.health for f in frames if isinstance(f, PreparedFrame)] == [
        measured(image) for image in images
    ]
    assert all(name.startswith("prepare ") for name in threads)
