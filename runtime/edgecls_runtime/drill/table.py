"""The faults of a drill in their order: the first is what the others are compared with."""

from edgecls_runtime.drill.fault import Fault
from edgecls_runtime.drill.faults import clock, disk, kill, output, provider, steady
from edgecls_runtime.drill.faults.bad_pictures import BLACK, REPEATED
from edgecls_runtime.drill.faults.outages import FREEZE, UNPLUG

STEADY = steady.FAULT
FAULTS: tuple[Fault, ...] = (
    STEADY,
    UNPLUG,
    FREEZE,
    BLACK,
    REPEATED,
    provider.FAULT,
    disk.FAULT,
    output.FAULT,
    clock.FAULT,
    kill.FAULT,
)
