"""A bundle opened on the first provider and variant that is here, answers rightly, runs there.

Nothing is believed: a provider may be listed and not built, a variant may be right on another
processor and wrong on this one, and an accelerator may take one node and leave the rest. Each is
tried, and why it was passed over is said.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgecls import plugins
from edgecls.bundle import Bundle
from edgecls.errors import ProviderError, ProviderMissing
from edgecls.progress import tell
from edgecls_runtime import golden, placement
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.fitting import fitting
from edgecls_runtime.measuring import tuned
from edgecls_runtime.placement import Limits
from edgecls_runtime.protocols import Provider

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Allowed:
    """Where a bundle may run.

    Attributes:
        providers: Tables of a station file, ``kind`` and its settings; tried in order.
        variant: The only one to run; ``auto`` tries each that was made for the provider and this
            machine, in the bundle's order.
        limits: What a placement must hold.
        base: What relative paths in the tables are relative to.

    """

    providers: tuple[Mapping[str, object], ...] = ({"kind": "auto"},)
    variant: str = "auto"
    limits: Limits = field(default_factory=Limits)
    base: Path = field(default_factory=Path)


def open_classifier(bundle: Bundle, allowed: Allowed | None = None, say: Say = tell) -> Classifier:
    """Load a bundle where it answers rightly.

    Args:
        bundle: Opened.
        allowed: Where it may run; None is ``Allowed()``.
        say: Told why something was passed over, and what is tried next.

    Raises:
        ProviderError: Nothing that is allowed works here; with every reason.
        BundleError: The bundle contradicts itself.
        ConfigError: A provider's table is wrong, or there is no such variant.

    """
    allowed = allowed or Allowed()
    faults: list[str] = []
    for source, table, wanted in _attempts(bundle, allowed, say):
        provider = plugins.open_table("edgecls_runtime.providers", table, "providers", allowed.base)
        try:
            for variant in _variants(source, wanted, provider):
                if faults:
                    say(f"{faults[-1]}; trying {variant} on {table['kind']}")
                try:
                    return _proven(source, provider, variant, allowed.limits, say)
                except ProviderMissing:
                    raise
                except ProviderError as error:
                    faults.append(str(error))
        except ProviderError as error:  # whatever the variant
            faults.append(str(error))
    raise ProviderError("; ".join(dict.fromkeys(faults)))


def _attempts(
    bundle: Bundle, allowed: Allowed, say: Say
) -> Iterator[tuple[Bundle, Mapping[str, object], str]]:
    """Yield what to try in turn: bundle, provider's table, variant."""
    for table in allowed.providers:
        if table.get("kind") != "auto":
            yield bundle, table, allowed.variant
            continue
        choice = tuned.find(bundle, say)
        if choice and allowed.variant in ("auto", choice.variant):
            yield choice.applied(bundle), choice.provider, choice.variant
        yield bundle, {"kind": "cpu"}, allowed.variant


def _variants(bundle: Bundle, wanted: str, provider: Provider) -> Iterator[str]:
    if wanted != "auto":
        yield bundle.variant(wanted).name
        return
    yield from (variant.name for variant in fitting(bundle, provider))


def _proven(
    bundle: Bundle, provider: Provider, variant: str, limits: Limits, say: Say
) -> Classifier:
    classifier = Classifier(bundle, provider, variant)
    try:
        placement.require(classifier.placement, limits, say)
        golden.require(classifier)
    except BaseException:
        classifier.close()
        raise
    return classifier
