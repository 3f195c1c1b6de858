"""How often an int8 model saturates on x86 without VNNI, by layer, and what it does to answers.

The model is run twice, image by image: by exact arithmetic, and by the kernel (``pair_kernel``).
Neither depends on the processor that this runs on. Layers are measured on what reaches them in the
second run, as on a processor that saturates.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto

from edgecls_exporters.int8_nodes import OPERANDS, UNREAD, Result, kind, run, worst_reach
from edgecls_exporters.interpreter import Network
from edgecls_exporters.pair_kernel import HIGHEST, Saturation

Array = NDArray[Any]
# What a model answers, from its outputs: any value that can be compared, or None if it has none.
Answer = Callable[[list[Array]], object]


@dataclass(slots=True)
class Layer:
    """What one layer went through.

    Attributes:
        name: Of its node, or of its output where the node has no name.
        operator: Such as ``QLinearConv``.
        reach: Largest magnitude of a pair with any activations; None if its weights are computed.
        saturation: Counts over all images.
        magnitude: Sum of the magnitudes of the exact sums.
        lost: Sum of the magnitudes of what saturation took from them.
        steps: Sum over all outputs of how many steps of 8 bits an output changed; 0 if not 8 bits.
        most_steps: Largest such change.
        has_steps: Whether the output has 8 bits.

    """

    name: str
    operator: str
    reach: int | None
    saturation: Saturation = field(default_factory=Saturation)
    magnitude: int = 0
    lost: int = 0
    steps: int = 0
    most_steps: int = 0
    has_steps: bool = False

    def add(self, result: Result) -> None:
        """Count one run."""
        self.saturation += result.saturation
        self.magnitude += result.magnitude
        self.lost += result.lost
        self.has_steps = result.exact.dtype.itemsize == 1
        if self.has_steps and result.seen is not result.exact:
            steps = np.abs(result.seen.astype(np.int16) - result.exact)
            self.steps += int(steps.sum(dtype=np.int64))
            self.most_steps = max(self.most_steps, int(steps.max()))

    @property
    def possible(self) -> bool:
        """Whether some activations could saturate it."""
        return self.reach is None or self.reach > HIGHEST

    @property
    def pair_share(self) -> float:
        """Share of pairs that saturated, 0..1."""
        return self.saturation.saturated / max(self.saturation.pairs, 1)

    @property
    def output_share(self) -> float:
        """Share of sums that came out changed, 0..1."""
        return self.saturation.touched / max(self.saturation.outputs, 1)

    @property
    def lost_share(self) -> float:
        """What was lost, as a share of the sums' magnitudes."""
        return self.lost / max(self.magnitude, 1)

    @property
    def mean_steps(self) -> float | None:
        """Mean change of an output in its own steps; None if it is not 8 bits."""
        return self.steps / max(self.saturation.outputs, 1) if self.has_steps else None


@dataclass(frozen=True, slots=True)
class Check:
    """What was found.

    Attributes:
        images: How many inputs were run.
        layers: Every layer of the kernel that saturates, in the graph's order.
        spared: Integer layers of other kernels, counted by kernel.
        unread: Layers that were not looked into, by operator.
        changed: Inputs whose answer differs between both runs; None if the model has no answer.
        largest_difference: Of any number the model gives, between both runs.

    """

    images: int
    layers: tuple[Layer, ...]
    spared: dict[str, int]
    unread: dict[str, int]
    changed: int | None
    largest_difference: float

    @property
    def possible(self) -> bool:
        """Whether any input could saturate the model."""
        return any(layer.possible for layer in self.layers)

    @property
    def total(self) -> Saturation:
        """Counts over all layers."""
        return sum((layer.saturation for layer in self.layers), Saturation())


def has_integers(model: ModelProto) -> bool:
    """Return whether any operator multiplies 8-bit integers."""
    return any(node.op_type in (*OPERANDS, *UNREAD) for node in model.graph.node)


def check(model: ModelProto, inputs: Iterable[dict[str, Array]], answer: Answer) -> Check:
    """Run a model both ways.

    Args:
        model: As ``interpreter.fused`` returns it.
        inputs: By the names of the model's inputs; one image, or one batch, each.
        answer: Reads the model's outputs.

    """
    network = Network(model)
    watch = _Watch(network)
    images, changed, largest, answered = 0, 0, 0.0, True
    for feeds in inputs:
        exact = network.run(feeds, watch.exactly)
        seen = network.run(feeds, watch.as_kernel)
        images += 1
        largest = max(largest, *map(_difference, exact, seen))
        before, after = answer(exact), answer(seen)
        answered &= before is not None
        changed += before != after
    return Check(
        images,
        tuple(watch.layers.values()),
        dict(watch.spared),
        dict(Counter(node.op_type for node in network.nodes if node.op_type in UNREAD)),
        changed if answered else None,
        largest,
    )


class _Watch:
    """Computes the nodes that can saturate in the place of onnxruntime, and keeps count."""

    def __init__(self, network: Network) -> None:
        self._constants = network.constants
        self.layers: dict[str, Layer] = {}
        self.spared: Counter[str] = Counter()
        self._spared: set[str] = set()

    def exactly(self, node: NodeProto, values: list[Array | None]) -> Array | None:
        if kind(node, values) != "pairs":
            return None
        return run(node, values, saturating=False).exact

    def as_kernel(self, node: NodeProto, values: list[Array | None]) -> Array | None:
        kernel, key = kind(node, values), node.output[0]
        if kernel != "pairs":
            if kernel and key not in self._spared:
                self._spared.add(key)
                self.spared[kernel] += 1
            return None
        if key not in self.layers:
            self.layers[key] = Layer(node.name or key, node.op_type, self._reach(node))
        result = run(node, values, saturating=True)
        self.layers[key].add(result)
        return result.seen

    def _reach(self, node: NodeProto) -> int | None:
        weights = self._constants.get(node.input[OPERANDS[node.op_type][1]])
        return None if weights is None else worst_reach(node, weights)


def _difference(first: Array, second: Array) -> float:
    if first.size == 0:
        return 0.0
    return float(np.abs(first.astype(np.float64) - second.astype(np.float64)).max())
