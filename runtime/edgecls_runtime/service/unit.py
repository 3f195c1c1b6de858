"""The unit file of a station: what systemd may do for it, and what it may do to the machine.

Source:
    systemd.service(5), systemd.exec(5), systemd.resource-control(5); every key is known to systemd
    247 (Debian 11) and later.
"""

import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from edgecls.errors import ConfigError
from edgecls_runtime.service.checking import Checked
from edgecls_runtime.service.needs import HOMES, SCRATCH, Needs

MARK = "# edgecls service, sha256 "
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
# A station beats at each verdict and each wait for one. So many waits may fail to, one after the
# other, and the shortest time that is no fault on a machine that is busy.
WAITS, LEAST_WATCHDOG_S = 5, 30.0
# Configuration, bundle, missing package: the same the next time.
INCURABLE = "2 3 6"
QUIET = (
    "# Verdicts are in its own journal; a second copy would only wear the disk.",
    "StandardOutput=null",
    "# Without this line it would follow.",
    "StandardError=journal",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be installed.

    Attributes:
        name: Of the station; of the unit behind ``edgecls-``.
        user: Who runs it.
        cache: Folder of that user in which engines and choices are kept; None gives it one.
        station: What runs.
        needs: What that needs.
        watchdog_s: Seconds without a sign of life after which it is started again; None fits it to
            the station.

    """

    name: str
    user: str
    cache: Path | None
    station: Checked
    needs: Needs
    watchdog_s: float | None = None

    @property
    def unit(self) -> str:
        """File name of the unit."""
        return unit_of(self.name)


def unit_of(name: str) -> str:
    """Return the file name of a station's unit.

    Raises:
        ConfigError: No unit can be called so.

    """
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"--name: {name!r}; expected letters, digits, '_', '-' and '.', such as line-1"
        )
    return f"edgecls-{name}.service"


def text(plan: Plan) -> str:
    """Return the unit file."""
    sections = {
        "Unit": _unit(plan),
        "Service": [*_service(plan), *_limits(), *_sandbox(plan.needs)],
        "Install": ["WantedBy=multi-user.target"],
    }
    body = "\n".join(
        "\n".join([f"[{title}]", *lines, ""]) for title, lines in sections.items()
    ).replace("\n\n\n", "\n\n")
    return f"{MARK}{_digest(body)}\n# Changes belong in: systemctl edit {plan.unit}\n{body}"


def is_ours(found: str) -> bool:
    """Return whether a unit file was written here and not changed since."""
    first, _, rest = found.partition("\n")
    body = rest.partition("\n")[2]
    return first == f"{MARK}{_digest(body)}"


def station_of(found: str) -> str | None:
    """Return the station file that a unit of ours runs, as it is written there."""
    line = re.search(r"^ExecStart=.* run (.+)$", found, re.MULTILINE)
    return line[1] if line else None


def quoted(value: object) -> str:
    """Return a path as systemd reads it back: one word, nothing in it expanded.

    Raises:
        ConfigError: It holds what no unit file can.

    """
    written = str(value)
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in written):
        raise ConfigError(f"{written!r}: holds a control character; expected another name")
    escaped = written.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if re.search(r"[^A-Za-z0-9_./%+:@=,-]", escaped) else escaped


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _command(value: object) -> str:
    """Return a word of a command line, in which ``$`` begins a variable."""
    return quoted(value).replace("$", "$$")


def _unit(plan: Plan) -> list[str]:
    modules = [f"modprobe@{module}.service" for module in plan.needs.modules]
    return [
        f"Description=edgecls station {plan.name}",
        " ".join(["After=network.target", *modules]),
        *(["Wants=" + " ".join(modules)] if modules else []),
        "# For ever: nobody is there to start it again when a camera was off for a night.",
        "StartLimitIntervalSec=0",
    ]


def _service(plan: Plan) -> list[str]:
    watchdog = plan.watchdog_s or max(
        LEAST_WATCHDOG_S, WAITS * plan.station.settings.timeout_ms / 1000
    )
    groups, cache = plan.needs.groups, plan.cache
    where = ["CacheDirectory=edgecls", "Environment=XDG_CACHE_HOME=/var/cache"]
    if cache is not None:
        where = [f"ReadWritePaths={quoted(cache)}"]
    return [
        "Type=notify",
        "NotifyAccess=main",
        f"ExecStart={_command(sys.executable)} -m edgecls run {_command(plan.station.path)}",
        'ExecReload=/bin/sh -c "kill -HUP $MAINPID"',
        f"User={plan.user}",
        *([f"SupplementaryGroups={' '.join(groups)}"] if groups else []),
        f"StateDirectory=edgecls/{plan.name}",
        f"WorkingDirectory=/var/lib/edgecls/{plan.name}",
        *where,
        *(f"ReadWritePaths={quoted(folder)}" for folder in plan.needs.folders),
        "UMask=0027",
        *(QUIET if plan.station.settings.journal is not None else ()),
        "",
        "# Without a verdict, or a wait for one, for so long: all threads are written to the log,",
        "# and it is started again.",
        f"WatchdogSec={watchdog:g}",
        "Restart=always",
        "RestartSec=500ms",
        "# Its file, its bundle or a package is wrong: so it is the next time.",
        f"RestartPreventExitStatus={INCURABLE}",
        "# An accelerator may compile for minutes.",
        "TimeoutStartSec=15min",
        "TimeoutStopSec=30",
        "TimeoutAbortSec=5",
        "# The station ends its cameras' processes itself.",
        "KillMode=mixed",
    ]


def _limits() -> list[str]:
    return [
        "",
        "MemoryHigh=75%",
        "MemoryMax=85%",
        "TasksMax=256",
        "LimitNOFILE=4096",
        "LimitCORE=0",
        "OOMScoreAdjust=-500",
        "CPUWeight=500",
    ]


def _sandbox(needs: Needs) -> list[str]:
    devices = [
        "# Devices that its station file names, and none else.",
        "DevicePolicy=closed",
        *(f"DeviceAllow={device} rw" for device in needs.devices),
    ]
    return [
        "",
        *(devices if needs.devices else ["DevicePolicy=closed", "PrivateDevices=yes"]),
        "ProtectSystem=strict",
        f"ProtectHome={'read-only' if needs.lies_in(HOMES) else 'yes'}",
        f"PrivateTmp={'no' if needs.lies_in(SCRATCH) else 'yes'}",
        "PrivateMounts=yes",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "AmbientCapabilities=",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
        "RestrictNamespaces=yes",
        "RestrictRealtime=yes",
        "RestrictSUIDSGID=yes",
        "SystemCallArchitectures=native",
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@privileged",
        "SystemCallErrorNumber=EPERM",
        "ProtectClock=yes",
        "ProtectControlGroups=yes",
        "ProtectHostname=yes",
        "ProtectKernelLogs=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelTunables=yes",
        "ProtectProc=invisible",
        "LockPersonality=yes",
        "KeyringMode=private",
        "RemoveIPC=yes",
    ]
