"""Opening, specified: the first that is here, answers rightly and runs where it should."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgecls.bundle import Bundle, seal
from edgecls.errors import ConfigError, ProviderError
from edgecls_runtime import golden
from edgecls_runtime.opening import Allowed, open_classifier
from edgecls_runtime.placement import Limits
from parts import INT8, Made


def quiet(_: str) -> None:
    """Hear what is said, and forget it."""


@pytest.fixture
def bundle(made: Made, tmp_path: Path) -> Path:
    """Return a copy whose int8 variant is preferred."""
    copy = Path(shutil.copytree(made.path, tmp_path / "copy.bundle"))
    change(copy, lambda table: table["variants"].sort(key=lambda v: v["name"] != INT8))
    return copy


def change(bundle: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit a manifest and seal the bundle anew, as a forger would."""
    table = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    edit(table)
    manifest = type(Bundle.open(bundle).manifest).from_json(json.dumps(table))
    seal(bundle, manifest)


def edit_model(bundle: Path, variant: str, edit: Callable[[onnx.ModelProto], object]) -> None:
    """Edit a variant's file and seal the bundle anew."""
    opened = Bundle.open(bundle)
    file = bundle / opened.variant(variant).file
    model = onnx.load(file)
    edit(model)
    onnx.save(model, file)
    seal(bundle, opened.manifest)


def swap_red_and_blue(model: onnx.ModelProto) -> None:
    """Turn the input channels of the first layer."""
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    name = first.input[1]
    makers = {node.output[0]: node for node in model.graph.node}
    while name in makers:
        name = makers[name].input[0]
    (weight,) = (tensor for tensor in model.graph.initializer if tensor.name == name)
    turned = np.ascontiguousarray(numpy_helper.to_array(weight)[:, ::-1])
    weight.CopyFrom(numpy_helper.from_array(turned, name))


def test_the_preferred_variant_is_opened_without_a_word(bundle: Path) -> None:
    said: list[str] = []

    opened = open_classifier(Bundle.open(bundle), Allowed(), said.append)

    assert (opened.variant.name, opened.provider.name) == (INT8, "CPUExecutionProvider")
    assert said == []


def test_a_variant_that_answers_wrongly_is_passed_over_and_said(bundle: Path) -> None:
    edit_model(bundle, INT8, swap_red_and_blue)
    said: list[str] = []

    opened = open_classifier(Bundle.open(bundle), Allowed(), said.append)

    assert opened.variant.name == "fp32"
    (line,) = said
    assert f"{bundle}: {INT8} answers wrongly here on CPUExecutionProvider: golden/" in line
    assert line.endswith("; choose another variant (edgecls verify); trying fp32 on cpu")


def test_a_wrong_crop_under_a_new_hash_is_caught_by_every_variant(bundle: Path) -> None:
    def crop(table: dict[str, Any]) -> None:
        done = table["preprocessing"]
        done["resize_size"] = [2 * side for side in done["resize_size"]]

    change(bundle, crop)

    with pytest.raises(ProviderError, match=f"{INT8} answers wrongly .*fp32 answers wrongly"):
        open_classifier(Bundle.open(bundle), Allowed(), quiet)


def test_a_variant_asked_for_by_name_is_never_replaced(bundle: Path) -> None:
    edit_model(bundle, INT8, swap_red_and_blue)

    with pytest.raises(ProviderError, match=f"{INT8} answers wrongly"):
        open_classifier(Bundle.open(bundle), Allowed(variant=INT8), quiet)


def test_every_reason_is_given_when_nothing_works(bundle: Path) -> None:
    for variant in (INT8, "fp32"):
        edit_model(bundle, variant, swap_red_and_blue)
    providers = ({"kind": "cpu"}, {"kind": "cpu", "threads": 1})

    with pytest.raises(ProviderError) as caught:
        open_classifier(Bundle.open(bundle), Allowed(providers), quiet)

    assert str(caught.value).count("answers wrongly here") == 2
    assert "\n" not in str(caught.value)


def test_a_placement_below_its_limit_is_passed_over(bundle: Path) -> None:
    opened = open_classifier(Bundle.open(bundle), Allowed(limits=Limits(1.0)), quiet)

    assert opened.placement.flops_share == 1.0


def test_a_wrong_table_is_an_error_of_the_station_file(bundle: Path) -> None:
    with pytest.raises(ConfigError, match="providers.thread: unknown key"):
        open_classifier(Bundle.open(bundle), Allowed(({"kind": "cpu", "thread": 1},)), quiet)


def test_golden_samples_are_of_the_classifier_that_is_given(bundle: Path) -> None:
    opened = open_classifier(Bundle.open(bundle), Allowed(), quiet)

    assert all(check.passed for check in golden.check(opened))
