"""Attention in plain matrix products, for where torch.onnx cannot export the fused one.

torch.onnx knows the fused operator in four dimensions only, and of some layouts it decomposes it
into a view that the tensor's strides forbid (timm's BEiT, for one).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class PlainAttention(TorchFunctionMode):
    """While entered, fused attention is computed as matrix products."""

    def __init__(self) -> None:
        """Note that none was met yet."""
        super().__init__()
        self.met = False

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function returns
        """Replace the one function, pass the others on."""
        if func is functional.scaled_dot_product_attention:
            self.met = True
            return plain(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def plain(  # noqa: PLR0913, PLR0917 - the signature of torch
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,  # noqa: ARG001 - there is none when a model answers
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Compute attention, (..., n, d) each, as torch documents scaled_dot_product_attention."""
    if enable_gqa:
        repeats = query.shape[-3] // key.shape[-3]
        key, value = (part.repeat_interleave(repeats, -3) for part in (key, value))
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    weights = (query * factor) @ key.transpose(-2, -1)
    if is_causal:
        attn_mask = torch.ones(weights.shape[-2:], dtype=torch.bool).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        weights = weights.masked_fill(~attn_mask, float("-inf"))
    elif attn_mask is not None:
        weights = weights + attn_mask
    return torch.softmax(weights, -1) @ value
