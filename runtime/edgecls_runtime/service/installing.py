"""Plan a station's service, write its unit, begin it; and take it away again."""

import os
import pwd
from pathlib import Path

from edgecls.errors import ConfigError, DeviceError
from edgecls_runtime.service import needs, systemd, unit
from edgecls_runtime.service.checking import Checked
from edgecls_runtime.service.unit import Plan


def planned(
    station: Checked,
    name: str | None = None,
    user: str | None = None,
    watchdog: float | None = None,
) -> Plan:
    """Return what is to be installed for a station.

    Args:
        station: Its file.
        name: Of the service; None takes the station's, or its file's.
        user: Who runs it; None is who the file belongs to.
        watchdog: Seconds without a sign of life; None fits them to the station.

    Raises:
        ConfigError: No unit can be called so, or the file belongs to root.

    """
    name = name or station.settings.name or station.path.stem
    unit.unit_of(name)
    if watchdog is not None and not 1 <= watchdog <= 86_400:
        raise ConfigError(f"--watchdog: {watchdog:g}; expected 1 to 86400 seconds")
    user = user or _owner(station.path)
    return Plan(name, user, _cache(user), station, needs.of(station), watchdog)


def write(plan: Plan, folder: Path, *, force: bool) -> Path:
    """Write the unit of a plan into a folder, and make the folders that it needs.

    Raises:
        ConfigError: No such user; or there is a unit that was not written here, or is another's.
        DeviceError: The folder cannot be written to.

    """
    file, text = folder / plan.unit, unit.text(plan)
    account = _account(plan.user)
    if not force:
        _check_foreign(file, plan)
    new = file.with_name(f".{file.name}.new")
    try:
        for one in plan.needs.folders:
            _made(one, account)
        new.write_text(text, encoding="utf-8")
        new.chmod(0o644)
        new.replace(file)
    except OSError as error:
        raise DeviceError(
            f"{error.filename or folder}: {error.strerror}; expected to write the unit; run it "
            f"with sudo, or see it with --print"
        ) from error
    return file


def begin(name: str) -> None:
    """Have systemd read a unit, start it with the machine, and start it now.

    Raises:
        DeviceError: It refuses, or the station does not become ready.

    """
    systemd.control("daemon-reload")
    systemd.control("enable", unit.unit_of(name))
    systemd.control("--no-block", "restart", unit.unit_of(name))


def remove(name: str, folder: Path, *, force: bool) -> Path:
    """Stop a service and delete its unit; what it has written stays.

    Raises:
        ConfigError: There is none, or it was not written here.
        DeviceError: systemd refuses.

    """
    file = folder / unit.unit_of(name)
    text = found(name, folder)
    if not force and not unit.is_ours(text):
        raise ConfigError(_foreign(file))
    if folder == systemd.UNITS and systemd.is_running():
        systemd.control("disable", "--now", file.name)
    try:
        file.unlink()
    except OSError as error:
        raise DeviceError(f"{file}: {error.strerror}; run it with sudo") from error
    if folder == systemd.UNITS and systemd.is_running():
        systemd.control("daemon-reload")
    return file


def found(name: str, folder: Path) -> str:
    """Return the unit of a station.

    Raises:
        ConfigError: It has none.

    """
    file = folder / unit.unit_of(name)
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        known = ", ".join(names(folder)) or "none"
        raise ConfigError(
            f"service {name}: {file}: {error.strerror}; installed here: {known}"
        ) from error


def names(folder: Path) -> list[str]:
    """Return the names of all services in a folder of units that began as ours."""
    return [
        file.name.removeprefix("edgecls-").removesuffix(".service")
        for file in sorted(folder.glob("edgecls-*.service"))
        if _text(file).startswith(unit.MARK)
    ]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:  # a link that leads nowhere
        return ""


def _check_foreign(file: Path, plan: Plan) -> None:
    """Refuse to write over what somebody else wrote, or what runs another station."""
    if not file.exists():
        return
    text = file.read_text(encoding="utf-8", errors="replace")
    if not unit.is_ours(text):
        raise ConfigError(_foreign(file))
    mine = unit.station_of(unit.text(plan))
    if (other := unit.station_of(text)) != mine:
        raise ConfigError(
            f"{file}: runs {other}; expected {mine}; choose another --name, or --force"
        )


def _foreign(file: Path) -> str:
    return (
        f"{file}: not written by edgecls, or changed since; expected it as edgecls wrote it; keep "
        f"changes in systemctl edit {file.name}, and use --force"
    )


def _owner(path: Path) -> str:
    owner = path.stat().st_uid
    if owner == 0:
        raise ConfigError(
            f"{path}: belongs to root, and a station needs no root; expected --user with who shall "
            f"run it, such as one made by: useradd --system edgecls"
        )
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        raise ConfigError(f"{path}: belongs to user {owner}, who is unknown; give --user") from None


def _account(user: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise ConfigError(f"--user: {user}: no such user; run: useradd --system {user}") from None


def _cache(user: str) -> Path | None:
    """Return where a user's tuned choices are kept; None for one without any."""
    try:
        folder = Path(pwd.getpwnam(user).pw_dir) / ".cache" / "edgecls"
        return folder if folder.is_dir() else None
    except (KeyError, OSError):
        return None


def _made(folder: Path, account: pwd.struct_passwd) -> None:
    """Make a folder that the service writes to; what is there already is left as it is."""
    if folder.is_dir():
        return
    _made(folder.parent, account)
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, account.pw_uid, account.pw_gid)
