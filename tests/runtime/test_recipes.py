"""Recipes of a station file: whole, chosen by name, and held to their bundle's labels."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from edgecls import schema
from edgecls.bundle import Bundle
from edgecls.errors import ConfigError
from edgecls_runtime import config, recording
from edgecls_runtime.changes import recipes
from edgecls_runtime.changes.recipes import Recipe
from edgecls_runtime.decision import Rule
from edgecls_runtime.decision.cameras import Cameras
from parts import Made

FILE = """
bundle = "bolt.bundle"
recipe = "m8"
[camera]
kind = "usb"
[rule]
good = ["ok"]
[recipes.m6]
[recipes.m8]
bundle = "m8.bundle"
[recipes.m8.rule]
good = ["ok", "dusty"]
[recipes.m8.rule.costs]
escape = 100
overkill = 1
review = 0.5
labels = { crack = 1000 }
"""


def read(folder: Path, text: str) -> config.Settings:
    (folder / "station.toml").write_text(text, encoding="utf-8")
    return config.read(folder / "station.toml")


def test_the_recipe_that_is_chosen_says_what_judges_at_the_beginning(tmp_path: Path) -> None:
    settings = read(tmp_path, FILE)

    assert settings.recipe == "m8"
    assert settings.bundle == tmp_path / "m8.bundle"
    assert settings.rule.good == ("ok", "dusty")
    assert settings.rule.costs is not None
    assert settings.rule.costs.labels == {"crack": 1000.0}


def test_what_a_recipe_does_not_say_is_as_the_top_of_the_file_says(tmp_path: Path) -> None:
    settings = read(tmp_path, FILE).with_recipe("m6")

    assert (settings.bundle, settings.rule.good) == (tmp_path / "bolt.bundle", ("ok",))
    assert settings.with_recipe("m8") == read(tmp_path, FILE)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('recipe = "m8"\n', "", "recipe: not given; expected the name of one of [recipes]: m6, m8"),
        (
            'recipe = "m8"',
            'recipe = "m10"',
            "recipe: 'm10' is no recipe of the file; its recipes are m6, m8",
        ),
        ("[recipes.m6]\n", '[recipes.""]\n', 'recipes."": a recipe without a name;'),
        ("[recipes.m6]\n", "[recipes.m6]\nrules = 1\n", ".recipes.m6.rules: unknown key; known"),
        (
            "[recipes.m6]\n",
            "[recipes.m6.rule]\ngood = []\nmost_bad = 1\n",
            "recipes.m6: rule: places and most_bad without [[views]]; a whole frame is one place",
        ),
    ],
)
def test_a_recipe_that_is_wrong_is_said_in_one_line(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        read(tmp_path, FILE.replace(before, after))


def test_each_recipe_is_held_to_the_labels_of_its_bundle(made: Made, tmp_path: Path) -> None:
    text = FILE.replace('"m8.bundle"', f'"{made.path}"').replace('"bolt.bundle"', f'"{made.path}"')
    text = text.replace('["ok"]', '["good"]').replace('"ok", ', '"good", ')

    with pytest.raises(ConfigError) as raised:
        recipes.check_labels(read(tmp_path, text).recipes)

    assert str(raised.value) == (
        "recipes.m8.rule.good: 'dusty' is no label of the bundle; its labels are good, scratch"
    )


def test_a_bundle_of_several_recipes_is_opened_once(made: Made) -> None:

    opened: list[Path] = []

    def count(path: Path) -> Bundle:
        opened.append(path)
        return Bundle.open(path)

    recipe = Recipe(Rule(("good",)), made.path)
    recipes.check_labels({"m6": recipe, "m8": recipe}, count)

    assert opened == [made.path]


TWO_CAMERAS = """
bundle = "bolt.bundle"
[cameras.left]
kind = "usb"
[cameras.right]
kind = "usb"
index = 1
[trigger]
kind = "software"
[rule]
good = ["ok"]
"""


def test_cameras_of_an_announced_part_can_be_put_together(tmp_path: Path) -> None:
    settings = read(tmp_path, 'name = "press"\n' + TWO_CAMERAS + '[parts]\ncameras = "together"\n')

    assert settings.parts.cameras is Cameras.TOGETHER
    assert settings.stations == ("press",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            TWO_CAMERAS.replace('[trigger]\nkind = "software"', "")
            + '[parts]\ncameras = "together"\n',
            "parts.cameras: 'together' with 2 of [cameras] and no [trigger]; expected two cameras",
        ),
        (
            FILE + '[parts]\ncameras = "together"\n',
            "parts.cameras: 'together' with 1 of [cameras] and no [trigger]; expected two cameras",
        ),
        (
            FILE + "[vote]\nframes = 3\n",
            "vote.frames: 3 without [trigger], which announces the part they show; expected cons",
        ),
        (
            TWO_CAMERAS + "[vote]\nframes = 9\n",
            "vote.frames: 9 of each of 8 parts that may wait (capture.queue); expected at most 64",
        ),
        (
            TWO_CAMERAS + "[vote]\nconsecutive = 3\n",
            "vote.consecutive: with parts that are announced, which have nothing to do with each",
        ),
        (
            FILE + '[vote]\nto_fail = 3\n[capture]\nkeep = "triggered"\n',
            "vote.consecutive: with parts that are announced, which have nothing to do with each",
        ),
    ],
)
def test_parts_that_no_station_can_make_are_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        read(tmp_path, text)


def test_what_the_journal_keeps_of_a_rule_can_be_read_back(tmp_path: Path) -> None:
    settings = read(tmp_path, FILE)
    limits = Rule(("ok",), min_scores={"ok": 0.95}, min_margins={"dusty": 0.5})

    for rule in (settings.rule, settings.with_recipe("m6").rule, limits):
        kept = json.dumps(recording.judging(replace(settings, rule=rule)))
        assert schema.call(Rule, json.loads(kept), "rule") == rule


def test_the_journal_keeps_who_decides_together(tmp_path: Path) -> None:
    file = TWO_CAMERAS + '[parts]\ncameras = "together"\n[vote]\nframes = 3\nneed = 2\n'

    kept = recording.judging(read(tmp_path, file))

    assert kept["vote"] == {
        "frames": 3, "need": 2, "tolerate": 0, "consecutive": 1
    }  # fmt: skip
    assert kept["parts"] == {"cameras": "together", "must_pass": "all", "most_bad": 0}
    assert not {"vote", "parts"} & set(recording.judging(read(tmp_path, FILE)))
