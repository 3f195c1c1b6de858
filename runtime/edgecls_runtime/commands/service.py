"""A station that systemd starts, watches and ends (docs/service.md).

    sudo edgecls service install line.toml --user pi    write its unit, and start it
    edgecls service install line.toml --print           only show the unit
    edgecls service status [NAME ...]                   exit code 1: one of them does not run
    sudo edgecls service remove NAME                    what it has written stays
    edgecls service alive                               for the health check of a container

The station file is checked first. A unit that was changed by hand, or that somebody else wrote, is
left alone without --force.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from edgecls.errors import ConfigError
from edgecls.progress import tell, warn
from edgecls_runtime.commands import add_json, print_json
from edgecls_runtime.service import installing, notify, status, systemd, unit
from edgecls_runtime.service.checking import checked

WITHIN_S = 60.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their flags."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    install = actions.add_parser("install", help="write the unit of a station, and start it")
    install.add_argument("station", metavar="STATION.toml", type=Path)
    install.add_argument("--name", help="of the service (default: the station's, or its file's)")
    install.add_argument("--user", help="who runs it (default: who the station file belongs to)")
    install.add_argument(
        "--watchdog", metavar="S", type=float, help="seconds without a sign of life (default: 30)"
    )
    install.add_argument("--print", action="store_true", help="show the unit, and do nothing")
    install.add_argument("--no-start", action="store_true", help="write the unit, and no more")
    remove = actions.add_parser("remove", help="stop a service and delete its unit")
    remove.add_argument("name", metavar="NAME")
    for action in (install, remove):
        action.add_argument("--force", action="store_true", help="also over somebody else's unit")
    asked = actions.add_parser("status", help="does it run? exit code 1 when it does not")
    asked.add_argument("names", metavar="NAME", nargs="*")
    for action in (install, remove, asked):
        action.add_argument(
            "--units", metavar="DIR", type=Path, default=systemd.UNITS, help=argparse.SUPPRESS
        )
    alive = actions.add_parser("alive", help="was there a sign of life? exit code 1 when not")
    alive.add_argument("--file", type=Path, help=f"as {notify.ALIVE} of the station names it")
    alive.add_argument("--within", metavar="S", type=float, default=WITHIN_S, help="(default: 60)")
    for action in (install, remove, asked, alive):
        add_json(action)


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked for."""
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "install": _install,
        "remove": _remove,
        "status": _status,
        "alive": _alive,
    }
    return actions[arguments.action](arguments)


def _install(arguments: argparse.Namespace) -> int:
    station = checked(arguments.station)
    plan = installing.planned(station, arguments.name, arguments.user, arguments.watchdog)
    text, folder = unit.text(plan), arguments.units
    table: dict[str, object] = {
        "name": plan.name,
        "unit": str(folder / plan.unit),
        "station": str(station.path),
        "user": plan.user,
        "exposure": systemd.exposure(plan.unit, text),
        "faults": systemd.faults(plan.unit, text),
        "started": False,
    }
    if arguments.print:
        if arguments.json:
            print_json({**table, "text": text})
        else:
            sys.stdout.write(text)
        return 0
    file = installing.write(plan, folder, force=arguments.force)
    for fault in systemd.faults(plan.unit, text):
        warn(fault)
    if not arguments.no_start and folder == systemd.UNITS and systemd.is_running():
        installing.begin(plan.name)
        table["started"] = True
    if arguments.json:
        print_json(table)
        return 0
    exposed = table["exposure"]
    said = "" if exposed is None else f"; exposure {exposed} of 10 (systemd-analyze security)"
    tell(f"wrote {file}; runs as {plan.user}{said}")
    if not table["started"]:
        tell(f"not started; run: systemctl daemon-reload && systemctl enable --now {plan.unit}")
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    file = installing.remove(arguments.name, arguments.units, force=arguments.force)
    if arguments.json:
        print_json({"name": arguments.name, "removed": str(file)})
    else:
        tell(f"removed {file}; what the station has written is still there")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    names = arguments.names or installing.names(arguments.units)
    if not names:
        raise ConfigError(
            f"service: none in {arguments.units}; expected one; run: edgecls service install"
        )
    found = [status.of(name, arguments.units) for name in names]
    if arguments.json:
        print_json([one.table() for one in found])
    else:
        sys.stdout.writelines(f"{one}\n" for one in found)
    return 0 if all(one.state == "active" for one in found) else 1


def _alive(arguments: argparse.Namespace) -> int:
    file = arguments.file or os.environ.get(notify.ALIVE, "")
    if not file:
        raise ConfigError(
            f"--file: not given, and {notify.ALIVE} is not set; expected the file that the station "
            f"touches"
        )
    age = notify.age_of(Path(file))
    alive = age is not None and age <= arguments.within
    if arguments.json:
        print_json({"alive": alive, "age_s": None if age is None else round(age, 1)})
    elif age is None:
        sys.stdout.write(f"{file}: no sign of life\n")
    else:
        sys.stdout.write(f"{file}: last sign of life {age:.1f} s ago\n")
    return 0 if alive else 1
