"""Which node of a model runs on which provider, as the live session tells, and what is enough."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from edgecls.errors import ConfigError, ProviderError

# Where nearly all of a network's arithmetic is. Moved elsewhere, one of them is worth a look.
HEAVY = frozenset(
    [
        "Conv",
        "ConvTranspose",
        "FusedConv",
        "Gemm",
        "FusedGemm",
        "MatMul",
        "FusedMatMul",
        "MatMulNBits",
        "ConvInteger",
        "MatMulInteger",
        "QLinearConv",
        "QLinearMatMul",
        "QGemm",
        "Attention",
        "MultiHeadAttention",
        "Einsum",
    ]
)


class Proof(StrEnum):
    """How it is known."""

    ASSIGNMENT = "assignment"
    """The session told it of every node."""
    PROFILE = "profile"
    """From the profile of one run: an onnxruntime before 1.24 does not tell."""
    ENGINE = "engine"
    """The engine has no other place to run a node."""


class OnViolation(StrEnum):
    """What a limit that is missed leads to."""

    FAIL = "fail"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the graph as it was divided.

    Attributes:
        name: Its own.
        operator: Its kind.
        provider: Who runs it.
        cost: Its arithmetic where whoever saw it knows that; else the file's table says it.

    """

    name: str
    operator: str
    provider: str
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a model runs.

    Attributes:
        provider: The one that was asked for.
        nodes: How many nodes of each operator each provider runs.
        flops_share: Share, 0..1, of the model's arithmetic on ``provider``; None if not known.
        proof: How it is known.

    """

    provider: str
    nodes: dict[str, dict[str, int]]
    flops_share: float | None
    proof: Proof

    @property
    def counts(self) -> dict[str, int]:
        """How many nodes each provider runs."""
        return {name: sum(operators.values()) for name, operators in self.nodes.items()}

    @property
    def nodes_share(self) -> float:
        """Share, 0..1, of all nodes on the provider; each counts as much as any other."""
        return self.counts.get(self.provider, 0) / max(sum(self.counts.values()), 1)

    def __str__(self) -> str:
        """Return one line, such as ``100 % of the arithmetic and 98 of 98 nodes on CPU``."""
        share = (
            "an unknown share" if self.flops_share is None else f"{100 * self.flops_share:.4g} %"
        )
        line = (
            f"{share} of the arithmetic and {self.counts.get(self.provider, 0)} of "
            f"{sum(self.counts.values())} nodes on {short(self.provider)}"
        )
        others = [name for name in self.nodes if name != self.provider]
        elsewhere = "; ".join(f"{short(name)}: {_listed(self.nodes[name])}" for name in others)
        return f"{line}; {elsewhere}" if elsewhere else line


@dataclass(frozen=True, slots=True)
class Limits:
    """The ``[placement]`` table of a station file.

    Attributes:
        min_flops_share: Least share, 0..1, of the arithmetic on the provider that was asked for.
            Below it a station pays for an accelerator that it does not use.
        on_violation: ``fail`` refuses the provider, so that the next one of the list is tried;
            ``warn`` says it and goes on.

    """

    min_flops_share: float = 0.9
    on_violation: OnViolation = OnViolation.FAIL

    def __post_init__(self) -> None:
        """Refuse a share that is none."""
        if not 0 <= self.min_flops_share <= 1:  # NaN compares false
            raise ConfigError(
                f"placement.min_flops_share: {self.min_flops_share:g}; expected 0 to 1"
            )


def placed(
    provider: str, nodes: Iterable[Node], flops: Mapping[str, float], proof: Proof
) -> Placement:
    """Sum up where nodes run.

    Args:
        provider: The one that was asked for.
        nodes: All of the divided graph.
        flops: Arithmetic of each heavy node of the file by its name, as the exporter wrote it.
        proof: How the nodes are known.

    """
    counts: dict[str, Counter[str]] = {provider: Counter()}
    elsewhere, unknown = 0.0, False
    for node in nodes:
        counts.setdefault(node.provider, Counter())[node.operator] += 1
        if node.provider == provider:
            continue
        cost = flops.get(node.name, flops.get(node.name.partition("/")[0], node.cost))
        # A heavy node under a name that an optimisation made up: nobody knows what it costs.
        unknown |= cost is None and node.operator in HEAVY
        elsewhere += cost or 0.0
    total = sum(flops.values())
    alone = sum(counts[provider].values()) > 0 and len(counts) == 1
    share: float | None = max(1 - elsewhere / total, 0.0) if total and not unknown else None
    return Placement(
        provider,
        {name: dict(count.most_common()) for name, count in counts.items()},
        1.0 if alone else share,
        proof,
    )


def require(found: Placement, limits: Limits, say: Callable[[str], object]) -> None:
    """Hold a placement to its limits.

    Raises:
        ProviderError: Too little runs where it was asked to, and the limits say ``fail``.

    """
    if found.flops_share is not None and found.flops_share >= limits.min_flops_share:
        return
    line = f"{found.provider}: {found}; expected at least {100 * limits.min_flops_share:g} %"
    if found.flops_share is None:
        line += "; a bundle exported again knows what each node costs"
    if limits.on_violation is OnViolation.WARN:
        say(line)
        return
    raise ProviderError(f"{line}; choose another variant, or lower placement.min_flops_share")


def short(provider: str) -> str:
    """Return a provider's name without the word that all of them share."""
    return provider.removesuffix("ExecutionProvider")


def _listed(operators: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in operators.items())
