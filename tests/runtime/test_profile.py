"""What a profile tells of placement, specified against what the session itself tells."""

import pytest

from edgecls.bundle import Bundle
from edgecls_runtime import Classifier, placement, session
from edgecls_runtime.placement import Node, Proof
from edgecls_runtime.providers import cpu
from parts import INT8, Made

CPU, NPU = "CPUExecutionProvider", "NpuExecutionProvider"


def profiled(made: Made, variant: str) -> list[Node]:
    bundle = Bundle.open(made.path)
    return session.profiled(bundle.path / bundle.variant(variant).file, cpu.open())


@pytest.mark.parametrize("variant", ["fp32", INT8])
def test_a_profile_says_what_the_session_says(made: Made, variant: str) -> None:
    told = Classifier(made.path, "cpu", variant).placement

    found = placement.placed(CPU, profiled(made, variant), {}, Proof.PROFILE)

    assert found.flops_share == told.flops_share == 1.0
    assert found.nodes.keys() == told.nodes.keys()


def test_float_layers_that_ran_elsewhere_count_by_their_shapes(made: Made) -> None:
    nodes = profiled(made, "fp32")
    cost = sum(node.cost or 0.0 for node in nodes)

    found = placement.placed(NPU, nodes, {"all": 4 * cost}, Proof.PROFILE)

    assert cost > 1e6
    assert found.flops_share == pytest.approx(0.75)


def test_integer_layers_that_ran_elsewhere_leave_the_share_unknown(made: Made) -> None:
    found = placement.placed(NPU, profiled(made, INT8), {"all": 1e9}, Proof.PROFILE)

    assert found.flops_share is None
