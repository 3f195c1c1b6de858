"""What was found in one room of a station: it is well, it is not, or nobody looked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from edgecls.errors import ConfigError, EdgeclsError


class State(StrEnum):
    """How a room is."""

    OK = "ok"
    FAULT = "fault"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True)
class Finding:
    """One room.

    Attributes:
        room: Such as ``camera left``.
        state: How it is.
        text: What is there; or the fault, with what to do; or why nobody looked.
        details: The same for programs, as JSON knows it.
        lines: More of it for people.
        is_file: The fault is one of the station file.

    """

    room: str
    state: State
    text: str
    details: dict[str, object] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    is_file: bool = False

    def table(self) -> dict[str, object]:
        """Return it as programs read it."""
        return {"room": self.room, "state": self.state, "text": self.text, **self.details}


Look = Callable[[], Finding]


def ok(room: str, text: str, **details: object) -> Finding:
    """Return that a room is well."""
    return Finding(room, State.OK, text, details)


def not_tried(room: str, why: str) -> Finding:
    """Return that nobody looked."""
    return Finding(room, State.NOT_TRIED, why)


def fault(room: str, text: str, *, is_file: bool = False) -> Finding:
    """Return that a room is not well."""
    return Finding(room, State.FAULT, text, is_file=is_file)


def looked(room: str, look: Look, *, is_of_file: bool = False) -> Finding:
    """Look into a room, and return what was found, whatever happens there.

    Args:
        room: What it is called.
        look: Returns what is there, or raises what is wrong.
        is_of_file: Whether its ConfigErrors are about the station file itself.

    """
    try:
        return look()
    except ConfigError as error:
        return fault(room, str(error), is_file=is_of_file)
    except (EdgeclsError, OSError) as error:
        return fault(room, str(error))
    except Exception as error:  # noqa: BLE001 - what a driver raises must not hide the other rooms
        return fault(room, f"{type(error).__name__}: {error}")
