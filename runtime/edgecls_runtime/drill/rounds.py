"""Faults one after the other, and again for as long as is wanted; what came of each."""

import random
import time
from collections.abc import Callable, Iterator, Sequence

from edgecls.errors import EdgeclsError
from edgecls_runtime.drill.fault import Fault, Outcome, Result, Seen
from edgecls_runtime.drill.scene import Broken, Scene, Untried


def tried(
    scene: Scene, faults: Sequence[Fault], seconds: float, say: Callable[[str], object]
) -> Iterator[Outcome]:
    """Yield what came of each fault, after each try of it.

    Args:
        scene: Where.
        faults: In their order; further rounds are in a random one.
        seconds: Further rounds begin up to this time.
        say: Told what is being tried.

    """
    until = time.monotonic() + seconds
    found: dict[str, Outcome] = {}
    order = list(faults)
    while True:
        for fault in order:
            say(f"drill: {fault.name}: {fault.done}")
            found[fault.name] = _once(scene, fault, found.get(fault.name))
            yield found[fault.name]
            if len(found) == len(faults) and time.monotonic() > until:
                return
        random.shuffle(order)


def _once(scene: Scene, fault: Fault, before: Outcome | None) -> Outcome:
    """Try a fault; what was once not as expected stays so."""
    began = time.monotonic()
    try:
        seen = fault.tried(scene)
    except Untried as error:
        return Outcome(fault, Result.UNTRIED, str(error), 0, 0.0)
    except (Broken, EdgeclsError) as error:
        seen = Seen(right=False, text=str(error))
    took = time.monotonic() - began
    if before is None or before.result is Result.UNTRIED:
        before = Outcome(fault, Result.EXPECTED, "", 0, 0.0)
    if before.result is Result.UNEXPECTED:
        return Outcome(fault, before.result, before.seen, before.tries + 1, before.seconds + took)
    result = Result.EXPECTED if seen.right else Result.UNEXPECTED
    return Outcome(fault, result, seen.text, before.tries + 1, before.seconds + took)
