"""The station of a drill, and what befalls it from within: see ``process``."""

import ctypes
import gc
import json
import os
import signal
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecls.errors import EdgeclsError, ProviderError
from edgecls.prediction import Prediction
from edgecls_runtime import config, lines, signals
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.drill import wrong_clock
from edgecls_runtime.drill.plan import Plan
from edgecls_runtime.service.attendance import Attendance
from edgecls_runtime.service.notify import Notifier
from edgecls_runtime.wiring import open_stations

Image = NDArray[np.uint8]


# Between two looks at the machine: a drill has not long.
LOOK_S = 0.5


class _Provider:
    """What stands between all classifiers and their providers."""

    away_until = 0.0


_scored = Classifier.scored


def _perhaps_lost(classifier: Classifier, prepared: Image) -> list[Prediction]:
    if time.monotonic() < _Provider.away_until:
        raise ProviderError(f"{classifier.provider.name}: taken away by the drill")
    return _scored(classifier, prepared)


def run(plan: Path) -> int:
    """Run the station of a plan; return the exit code."""
    # Of every classifier, whoever opens it: a station that lost its provider opens another one.
    Classifier.scored = _perhaps_lost  # type: ignore[assignment, method-assign]
    threading.Thread(target=_listen, daemon=True).start()
    try:
        _station(Plan.read(plan))
    except EdgeclsError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _station(plan: Plan) -> None:
    settings, base = plan.applied(config.read(plan.station)), plan.station.parent
    disks = [] if plan.journal is None else [plan.journal]
    with (
        # Whom systemd watches is the real station.
        closing(Attendance(settings.host, disks, Notifier(), LOOK_S)) as attendance,
        signals.collected() as received,
        open_stations([(settings, base)], attendance=attendance) as opened,
    ):

        def note(text: str) -> None:
            for journal in opened.journals:
                journal.note(text)

        attendance.ready(str, note, lambda: None)
        for _ in lines.run(opened.stations, lambda: bool(received)):
            pass
        for outbox in opened.outboxes:
            outbox.finish()


def _listen() -> None:
    """Do what the drill says; at its end, end."""
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "lose provider":
            _Provider.away_until = time.monotonic() + order["seconds"]
        elif order["do"] == "set clock":
            wrong_clock.jump(order["seconds"])
        elif order["do"] == "give memory back":
            gc.collect()
            ctypes.CDLL(None).malloc_trim(0)  # what the allocator only keeps
    os.kill(os.getpid(), signal.SIGTERM)
