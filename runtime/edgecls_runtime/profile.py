"""Where nodes ran, from onnxruntime's own profile: for a version that does not tell it itself.

A profile names the nodes that optimisations left, not those of the file. So what ran elsewhere is
counted by the shapes that the profile has of it, and the table in the file's metadata says how much
there is in all.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from edgecls_runtime.placement import Node

CONVOLUTIONS = frozenset({"Conv", "FusedConv", "NhwcFusedConv"})
PRODUCTS = frozenset({"Gemm", "FusedGemm", "MatMul", "FusedMatMul"})
# Of integer layers a profile leaves the weights out that kernels have packed.
KINDS = {"float", "float16"}


def nodes(file: Path) -> list[Node]:
    """Return each node that a profile saw running, once.

    Args:
        file: What ``InferenceSession.end_profiling`` wrote, of one run of one image.

    """
    return list(_nodes(json.loads(file.read_text(encoding="utf-8"))))


def _nodes(events: Iterable[Mapping[str, Any]]) -> Iterator[Node]:
    seen = set()
    for event in events:
        name, _, kind = event.get("name", "").rpartition("_kernel")
        if event.get("cat") != "Node" or kind != "_time" or name in seen:
            continue
        seen.add(name)
        given = event["args"]
        yield Node(name, given["op_name"], given["provider"], _cost(given))


def _cost(given: Mapping[str, Any]) -> float | None:
    """Return 2 x the output's elements x the products that each is a sum of; None if not known."""
    taken = [shape for typed in given["input_type_shape"] for shape in typed.values()]
    made = [shape for typed in given["output_type_shape"] for shape in typed.values()]
    kinds = {kind for typed in given["input_type_shape"] for kind in typed}
    if not made or len(taken) < 2 or not kinds <= KINDS or not taken[1]:
        return None
    if given["op_name"] in CONVOLUTIONS:  # weights: (out, in / group, *kernel)
        return 2.0 * float(math.prod(made[0]) * math.prod(taken[1][1:]))
    if given["op_name"] in PRODUCTS:
        return 2.0 * float(math.prod(made[0]) * taken[0][-1])
    return None
