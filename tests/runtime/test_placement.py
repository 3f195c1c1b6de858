"""Placement, specified: which node ran where, what share of the work that is, what is enough."""

from dataclasses import replace

import pytest

from edgecls.errors import ConfigError, ProviderError
from edgecls_runtime import Classifier, placement
from edgecls_runtime.placement import Limits, Node, OnViolation, Placement, Proof
from parts import INT8, Made

NPU, CPU = "NpuExecutionProvider", "CPUExecutionProvider"
FLOPS = {"stem": 900.0, "head": 100.0}
STEM = Node("stem", "Conv", NPU)
HEAD = Node("head", "Gemm", CPU)


def placed(*nodes: Node, flops: dict[str, float] = FLOPS) -> Placement:
    return placement.placed(NPU, nodes, flops, Proof.ASSIGNMENT)


def test_the_share_counts_arithmetic_and_not_nodes() -> None:
    found = placed(STEM, HEAD, Node("a", "Reshape", CPU), Node("b", "Softmax", CPU))

    assert found.flops_share == 0.9
    assert found.nodes_share == 0.25
    assert str(found) == (
        "90 % of the arithmetic and 1 of 4 nodes on Npu; CPU: 1 Gemm, 1 Reshape, 1 Softmax"
    )


def test_a_provider_that_runs_everything_needs_no_table_of_costs() -> None:
    assert placed(STEM, replace(HEAD, provider=NPU), flops={}).flops_share == 1.0


def test_a_node_that_an_optimisation_renamed_is_known_by_the_name_it_began_with() -> None:
    assert placed(STEM, replace(HEAD, name="head/MatMulAddFusion")).flops_share == 0.9


def test_a_heavy_node_that_nobody_knows_leaves_the_share_unknown() -> None:
    assert placed(STEM, replace(HEAD, name="made up")).flops_share is None
    assert placed(STEM, HEAD, flops={}).flops_share is None


def test_light_nodes_elsewhere_cost_nothing() -> None:
    found = placed(STEM, replace(HEAD, provider=NPU), Node("cast", "Cast", CPU))

    assert found.flops_share == 1.0


def test_too_little_on_the_provider_is_refused_with_what_ran_elsewhere() -> None:
    said: list[str] = []
    message = (
        r"NpuExecutionProvider: 90 % of the arithmetic and 1 of 2 nodes on Npu; CPU: 1 Gemm; "
        r"expected at least 95 %; choose another variant, or lower placement.min_flops_share"
    )

    with pytest.raises(ProviderError, match=message):
        placement.require(placed(STEM, HEAD), Limits(0.95), said.append)

    placement.require(placed(STEM, HEAD), Limits(0.9), said.append)
    assert said == []


def test_a_limit_that_only_warns_is_said_and_passed() -> None:
    said: list[str] = []

    placement.require(placed(STEM, HEAD), Limits(0.95, OnViolation.WARN), said.append)

    (line,) = said
    assert line.endswith("1 of 2 nodes on Npu; CPU: 1 Gemm; expected at least 95 %")


def test_an_unknown_share_is_no_proof() -> None:
    with pytest.raises(ProviderError, match="a bundle exported again knows what each node costs"):
        placement.require(placed(STEM, HEAD, flops={}), Limits(0.5), list[str]().append)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="placement.min_flops_share: .*; expected 0 to 1"):
        Limits(share)


@pytest.mark.parametrize("variant", ["fp32", INT8])
@pytest.mark.parametrize("provider", ["cpu", "reference"])
def test_a_live_session_tells_of_every_node(made: Made, variant: str, provider: str) -> None:
    found = Classifier(made.path, provider, variant).placement

    assert found.proof is Proof.ASSIGNMENT
    assert found.nodes[CPU]["Conv"] == 3
    assert found.flops_share == found.nodes_share == 1.0
