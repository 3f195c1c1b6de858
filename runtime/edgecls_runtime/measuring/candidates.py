"""Which configurations are worth measuring on this device, the likeliest first."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from itertools import product

from edgecls import plugins
from edgecls.bundle import Bundle
from edgecls.errors import EdgeclsError
from edgecls_runtime.fitting import fitting
from edgecls_runtime.measuring.trial_messages import Configuration
from edgecls_runtime.protocols import Provider

PROVIDERS = "edgecls_runtime.providers"
# Computes a file as it is written, to judge others by: slow on purpose.
REFERENCE = "reference"
BATCHES = (1, 2, 4, 8)


def kinds() -> tuple[str, ...]:
    """Return every provider that a device may be tuned for, the processor first."""
    found = [kind for kind in plugins.kinds(PROVIDERS) if kind not in ("cpu", REFERENCE)]
    return ("cpu", *found)


def open_provider(table: Mapping[str, object]) -> Provider:
    """Open a provider by its table.

    Raises:
        EdgeclsError: It is not to be had here, or a key is wrong.

    """
    provider: Provider = plugins.open_table(PROVIDERS, table, "provider")
    return provider


def engines(
    bundle: Bundle, wanted: Iterable[str], cores: int
) -> tuple[list[Configuration], dict[str, str]]:
    """Return the configurations of the engine, and why a provider has none, by its kind.

    Every variant that fits, on every provider, with each number of threads, spinning or not. The
    first setting of all comes before the second of any, so that a short budget has seen each
    variant and provider.

    Args:
        bundle: Opened.
        wanted: Kinds of provider.
        cores: That there are.

    """
    ranked: list[tuple[int, Configuration]] = []
    not_here: dict[str, str] = {}
    rung = bundle.preprocessing.resampling
    for kind in wanted:
        try:
            names = [one.name for one in fitting(bundle, open_provider({"kind": kind}))]
        except EdgeclsError as error:
            not_here[kind] = str(error)
            continue
        ranked += [
            (rank, Configuration(name, {"kind": kind, **settings}, rung))
            for rank, settings in enumerate(_settings(kind, cores))
            for name in names
        ]
    ranked.sort(key=lambda item: item[0])
    return [configuration for _, configuration in ranked], not_here


def _settings(kind: str, cores: int) -> Iterator[dict[str, object]]:
    """Yield each combination of threads, spinning and bfloat16 that a provider has settings for.

    The provider's own default comes first: no threads given is one per physical core, and each of
    them bound to its core.
    """
    known = inspect.signature(plugins.find(PROVIDERS, kind)).parameters
    counts = [0, 1, *(2**power for power in range(1, 11) if 2**power <= cores)]
    spinnings = (False, True) if "spinning" in known else (None,)
    roundings = (False, True) if "bfloat16" in known else (None,)
    for threads in counts if "threads" in known else [None]:
        for spinning, bfloat16 in product(spinnings, roundings):
            if threads == 1 and spinning:
                continue  # nobody waits for work
            given = {"threads": threads or None, "spinning": spinning, "bfloat16": bfloat16}
            yield {name: value for name, value in given.items() if value is not None}
