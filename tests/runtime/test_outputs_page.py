"""The page about outputs says what the outputs take."""

import inspect
import re
import tomllib
from pathlib import Path

import pytest

from edgecls import plugins
from edgecls_runtime.telling.settings import KEYS
from output_kinds import ROOM

PAGE = (Path(__file__).parents[2] / "docs" / "outputs.md").read_text(encoding="utf-8")
EXAMPLES = [
    table
    for text in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    for table in tomllib.loads(text).get("outputs", ())
]


@pytest.mark.parametrize("kind", ["mqtt", "webhook", "prometheus"])
def test_each_key_of_a_kind_is_explained_and_each_example_has_only_such(kind: str) -> None:
    keys = {*inspect.signature(plugins.find(ROOM, kind)).parameters}
    section = PAGE.partition(f"\n## {kind}\n")[2].partition("\n## ")[0]

    explained = {key for key in keys if re.search(rf"\b{key}\b( =|`)", section)}
    shown = [{*table} - {"kind", *KEYS} for table in EXAMPLES if table["kind"] == kind]

    assert explained == keys
    assert shown
    assert all(table <= keys for table in shown)


def test_the_keys_that_all_outputs_have_are_explained() -> None:
    assert {*EXAMPLES[0]} == {"kind", *KEYS}
