"""The ladder of resizes, as far as a bundle allows: its own rung and the more exact ones."""

from dataclasses import replace

from edgecls.bundle import Bundle
from edgecls.errors import ConfigError
from edgecls.manifest import Resampling


def allowed(bundle: Bundle) -> tuple[Resampling, ...]:
    """Return the bundle's rung, which its export proved, then each more exact one."""
    rungs = list(Resampling)
    proven = rungs.index(bundle.preprocessing.resampling)
    return tuple(reversed(rungs[: proven + 1]))


def at(bundle: Bundle, rung: Resampling) -> Bundle:
    """Return a bundle whose images are resized on another rung.

    Raises:
        ConfigError: The rung is faster than what the export proved.

    """
    if rung not in allowed(bundle):
        raise ConfigError(
            f"{bundle.path}: resampling {rung}; the export proved "
            f"{bundle.preprocessing.resampling}, and only more exact ones may stand in for it"
        )
    preprocessing = replace(bundle.preprocessing, resampling=rung)
    return replace(bundle, manifest=replace(bundle.manifest, preprocessing=preprocessing))
