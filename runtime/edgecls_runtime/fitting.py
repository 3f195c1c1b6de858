"""Which variants of a bundle were made for a provider on this machine."""

import platform

from edgecls.bundle import Bundle
from edgecls.errors import ProviderError
from edgecls.manifest import Variant
from edgecls_runtime import machine
from edgecls_runtime.protocols import Provider


def fitting(bundle: Bundle, provider: Provider) -> list[Variant]:
    """Return the variants that fit, in the bundle's order of preference.

    Raises:
        ProviderError: None does.

    """
    found = {variant.name: misfit(variant, provider) for variant in bundle.variants}
    if fit := [variant for variant in bundle.variants if not found[variant.name]]:
        return fit
    reasons = "; ".join(f"{name} {reason}" for name, reason in found.items())
    raise ProviderError(
        f"{bundle.path}: no variant for {provider.name} on this machine: {reasons}; export one "
        f"with --target, or name the one to run with --variant"
    )


def misfit(variant: Variant, provider: Provider) -> str:
    """Return why a variant must not be chosen here, as ``is for ...``; empty if it may.

    The same numbers in another scheme are not merely slow on the wrong kernels: they can be wrong.
    """
    if provider.exact:
        return ""
    if variant.providers and provider.name not in variant.providers:
        return f"is for {' or '.join(variant.providers)}"
    if variant.machines and not any(map(machine.is_this, variant.machines)):
        return f"is for {' or '.join(variant.machines)}, which this {platform.machine()} is not"
    return ""
