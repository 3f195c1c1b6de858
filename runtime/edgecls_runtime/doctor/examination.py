"""A station file, room by room, in the order in which edgecls run opens them."""

from collections.abc import Iterator
from pathlib import Path

from edgecls.errors import ConfigError
from edgecls_runtime import config
from edgecls_runtime.doctor import keeping, outside, station_file
from edgecls_runtime.doctor.finding import Finding, fault
from edgecls_runtime.doctor.judging import Judging


def examined(path: Path, *, opens_outputs: bool) -> Iterator[Finding]:
    """Yield what is found in each room; a fault in one keeps nobody from the next.

    Args:
        path: The station file.
        opens_outputs: Open outputs too: that drives pins.

    """
    try:
        settings = config.read(path)
    except ConfigError as error:
        yield fault(station_file.ROOM, str(error), is_file=True)
        return
    base = path.parent
    wrong = yield from station_file.examined(settings, path)
    yield from Judging(settings, base, wrong).examined()
    yield from outside.trigger(settings, base, wrong)
    yield from keeping.journal(settings)
    yield from outside.told(settings, base, wrong, opens=opens_outputs)
    yield from keeping.evidence(settings, base, wrong)
    yield from outside.web(settings.web)
    yield from keeping.machine(settings, base)
