"""The targets, specified: each is complete, and says where its claims come from."""

import pytest

from edgecls.errors import ConfigError
from edgecls.manifest import Precision
from edgecls_exporters import targets

WANTED = {
    "arm",
    "coreml",
    "openvino",
    "qnn",
    "qnn-u16",
    "rockchip",
    "tensorrt",
    "webgpu",
    "x86-avx2",
    "x86-vnni",
    "xnnpack",
}


def test_every_family_of_kernels_has_a_file() -> None:
    assert set(targets.names()) == WANTED


@pytest.mark.parametrize("name", sorted(WANTED))
def test_a_target_says_what_it_wants_and_who_says_so(name: str) -> None:
    target = targets.find(name)

    assert target.name == name
    assert target.source
    assert (target.scheme is not None) == (target.precision is Precision.INT8)
    assert all(provider.endswith("ExecutionProvider") for provider in target.providers)


@pytest.mark.parametrize("name", sorted(WANTED))
def test_a_scheme_is_one_that_exists(name: str) -> None:
    scheme = targets.find(name).scheme
    if scheme is None:
        return

    assert scheme.activations in ("u8", "s8", "u16")
    assert scheme.weights in ("u8", "s8")
    assert not (scheme.symmetric and scheme.activations != "s8")
    # Only this pairing is multiplied by the instruction that saturates.
    assert not scheme.bounded or (scheme.activations, scheme.weights) == ("u8", "s8")


def test_a_file_that_is_wrong_without_vnni_names_the_instructions() -> None:
    machines = targets.find("x86-vnni").machines

    assert machines
    assert all("+" in machine for machine in machines)


def test_a_target_that_nobody_knows_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ConfigError, match="--target: no target 'x86'; known are arm, coreml, "):
        targets.find("x86")
