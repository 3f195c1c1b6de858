"""What a station promises, measured: kills, what a journal costs, load, outages, a full disk.

    python scripts/bench_station.py                       everything, an hour and a half
    python scripts/bench_station.py --only kills --kills 100

Each figure comes from a real run on this machine, with its target beside. The station runs in a
process of its own with MobileNetV3-small (drawn weights, exported once to the user's cache), a
camera of 320 x 240 at 140 Hz, parts that are announced by HTTP, a journal, and JSON lines on stdout
and in a file; where mosquitto and paho-mqtt are here, it tells a broker too. The exit code is 1
when a target was not reached.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from bench_stations import bundle
from edgecls_runtime import machine
from edgecls_runtime.measuring.environment import environment, load_warning
from station_bench import added, full_disk, kills, load, outage, soaking
from station_bench.line import Line, Row


def parser() -> argparse.ArgumentParser:
    """Return what reads the flags."""
    made = argparse.ArgumentParser(description=__doc__)
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    made.add_argument("--only", action="append", choices=[*BENCHES], default=[])
    made.add_argument("--bundle", type=Path)
    made.add_argument("--kills", type=int, default=1000)
    made.add_argument("--rounds", type=int, default=10, help="of what a journal costs")
    made.add_argument("--round-s", type=float, default=15.0)
    made.add_argument("--minutes", type=float, default=10.0, help="of load")
    made.add_argument("--rate-hz", type=float, default=100.0, help="of load")
    made.add_argument("--outage-s", type=float, default=300.0)
    made.add_argument("--soak-minutes", type=float, default=30.0)
    made.add_argument("--folder", type=Path, help="on the disk to measure (default: temporary)")
    made.add_argument("--json", action="store_true")
    return made


def _added(line: Line, flags: argparse.Namespace) -> list[Row]:
    with outage.brokered(line.folder / "broker of latency") as mqtt:
        outputs = (mqtt[1],) if mqtt else ()
        return added.measured(line, flags.rounds, flags.round_s, outputs)


BENCHES: dict[str, Callable[[Line, argparse.Namespace], list[Row]]] = {
    "kills": lambda line, flags: kills.measured(line, flags.kills),
    "added": _added,
    "load": lambda line, flags: load.measured(line, flags.minutes, flags.rate_hz),
    "outage": lambda line, flags: outage.measured(line, flags.outage_s, 20.0),
    "disk": lambda line, _: full_disk.measured(line, 100.0),
    "soak": lambda line, flags: soaking.measured(line, flags.soak_minutes),
}


def main(argv: list[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    flags = parser().parse_args(argv)
    here = environment()
    print(json.dumps(here) if flags.json else f"{here}\n{load_warning(machine.cores())}")
    reached = True
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="bench-station-", dir=flags.folder)
        folder = Path(stack.enter_context(temporary))
        line = Line(folder, flags.bundle or bundle())
        for name, bench in BENCHES.items():
            if flags.only and name not in flags.only:
                continue
            began = time.monotonic()
            rows = bench(line, flags)
            took = time.monotonic() - began
            reached = reached and all(row.reached is not False for row in rows)
            if flags.json:
                table = {"bench": name, "seconds": took, "rows": [asdict(row) for row in rows]}
                print(json.dumps(table), flush=True)
            else:
                print(f"\n{name} ({took:.0f} s)", *rows, sep="\n", flush=True)
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
