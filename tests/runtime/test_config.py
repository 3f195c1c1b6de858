"""A station file, specified: what it says is what runs, and a wrong key is named."""

import re
from pathlib import Path

import pytest

from edgecls.errors import ConfigError
from edgecls_runtime import config
from edgecls_runtime.config import JournalSettings
from edgecls_runtime.views.settings import View

MINIMAL = """
bundle = "bolt.bundle"
[camera]
kind = "usb"
[rule]
good = ["ok"]
"""
WHOLE = """
format = 1
bundle = "/bundles/bolt.bundle"
variant = "int8"
timeout_ms = 250
max_age_ms = 100.5

[[providers]]
kind = "cpu"
threads = 1

[camera]
kind = "rtsp"
url = "rtsp://camera/line"

[rule]
good = ["ok", "dusty"]
min_score = 0.8
min_margin = 0

[journal]
path = "verdicts.db"

[[outputs]]
kind = "terminal"
json = true
"""


def read(folder: Path, text: str) -> config.Settings:
    (folder / "station.toml").write_text(text, encoding="utf-8")
    return config.read(folder / "station.toml")


def test_three_things_are_enough_and_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    settings = read(tmp_path, MINIMAL)

    assert settings.bundle == tmp_path / "bolt.bundle"
    assert (settings.rule.min_score, settings.rule.min_margin) == (0.9, 0.2)
    assert (settings.timeout_ms, settings.journal) == (1000, None)


def test_every_setting_is_taken_as_it_stands(tmp_path: Path) -> None:
    settings = read(tmp_path, WHOLE)

    assert settings.bundle == Path("/bundles/bolt.bundle")
    assert settings.providers == ({"kind": "cpu", "threads": 1},)
    assert settings.camera == {"kind": "rtsp", "url": "rtsp://camera/line"}
    assert (settings.rule.good, settings.rule.min_margin) == (("ok", "dusty"), 0.0)
    assert settings.journal == JournalSettings(tmp_path / "verdicts.db")
    assert settings.outputs == ({"kind": "terminal", "json": True},)
    assert (settings.variant, settings.timeout_ms, settings.max_age_ms) == ("int8", 250, 100.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("timeout = 5\n" + MINIMAL, ".timeout: unknown key; known keys are bundle, rule, camera,"),
        (MINIMAL + "min_scor = 1", ".rule.min_scor: unknown key; known keys are good, min_score,"),
        (MINIMAL + "min_score = 90", "rule.min_score: 90; expected a score from 0 to 1"),
        (MINIMAL.replace("[rule]", "[rules]"), ".rules: unknown key; known keys are bundle,"),
        ("bundle = 'b'", ".rule: required and not given"),
        ("format = 2\n" + MINIMAL, "format: 2; this edgecls reads station files of format 1"),
        ("timeout_ms = 0\n" + MINIMAL, "timeout_ms: 0; expected milliseconds above 0"),
        ("providers = []\n" + MINIMAL, "providers: none given; expected at least one"),
        (MINIMAL + "most_bad = 2", "rule: places and most_bad without [[views]]; a whole frame is"),
        (MINIMAL + "places = 'some'", ".rule.places: expected one of all, any, got 'some'"),
        (MINIMAL + "[[views]]\nname = 'a'\nrio = 1", ".views[0].rio: unknown key; known keys are"),
        (MINIMAL + "[[views]]\nroi = [0, 0, 9, 9]", ".views[0].name: required and not given"),
        (
            MINIMAL + "[[views]]\nname = 'a'\nroi = [0, 0, 9]",
            ".views[0].roi: expected 4 values, got 3",
        ),
        (
            MINIMAL + "[[views]]\nname = 'a'\nroi = [0, 0.5, 9, 9]",
            ".views[0].roi[1]: expected int, got 0.5",
        ),
        (
            MINIMAL + "[[views]]\nname = 'a'\nroi = [0, 0, 9, 9]",
            "view 'a': roi without frame_px; add at the top of the file: frame_px = [width, heig",
        ),
        ("bundle = ", "station.toml: not TOML: Invalid value (at end of document)"),
    ],
)
def test_a_wrong_file_is_refused_by_naming_the_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        read(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no.toml: No such file .*; expected a station file"):
        config.read(tmp_path / "no.toml")


def test_views_are_taken_as_they_stand_and_masks_are_relative_to_the_file(tmp_path: Path) -> None:
    text = f"""
frame_px = [1920, 1080]
{WHOLE.replace("min_margin = 0", "most_bad = 1")}
[[views]]
name = "lid"
roi = [10, 20, 300, 200]
rotate_deg = -12
mask = "lid.png"
mask_rgb = [0, 0, 0]
good = ["ok"]
[[views]]
name = "plate"
corners = [[0, 0], [100.5, 0], [100, 90], [0, 90]]
size_px = [224, 112]
tile_px = 112
overlap = 0.25
"""

    settings = read(tmp_path, text)

    assert settings.frame_px == (1920, 1080)
    assert settings.rule.most_bad == 1
    assert settings.views_of("") == (
        View(
            "lid",
            roi=(10, 20, 300, 200),
            rotate_deg=-12.0,
            mask=tmp_path / "lid.png",
            mask_rgb=(0, 0, 0),
            good=("ok",),
        ),
        View(
            "plate",
            corners=((0.0, 0.0), (100.5, 0.0), (100.0, 90.0), (0.0, 90.0)),
            size_px=(224, 112),
            tile_px=112,
            overlap=0.25,
        ),
    )
