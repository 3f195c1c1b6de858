"""Settings of a GenICam camera by their names: what a node takes, and a wrong value explained."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from edgecls.errors import CameraError, EdgeclsError, Fault

Value = bool | int | float | str
# Of a camera's hundreds of values no line holds more.
MOST_NAMED = 12


class Kind(StrEnum):
    """What a node's value is."""

    INTEGER = "a whole number"
    FLOAT = "a number"
    BOOLEAN = "true or false"
    CHOICE = "one of"
    TEXT = "text"
    COMMAND = "true, which executes it"


@dataclass(frozen=True, slots=True)
class Offer:
    """What a node takes at this moment; other nodes may change it.

    Attributes:
        kind: Of its values.
        writable: Whether it can be written now.
        choices: Of ``Kind.CHOICE``.
        least: Of numbers; None where the camera does not say.
        most: Likewise.
        step: Between two whole numbers.

    """

    kind: Kind
    writable: bool = True
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    step: int = 1

    def __str__(self) -> str:
        """Return such as ``16 to 2048 in steps of 4``."""
        if self.kind is Kind.CHOICE:
            return listed(self.choices)
        if self.least is None or self.most is None:
            return str(self.kind)
        steps = f" in steps of {self.step}" if self.step > 1 else ""
        return f"{self.least:.10g} to {self.most:.10g}{steps}"

    def takes(self, value: object) -> bool:
        """Return whether ``value`` is of the kind and in the range."""
        if isinstance(value, bool):
            return self.kind in (Kind.BOOLEAN, Kind.COMMAND)
        if isinstance(value, str):
            return self.kind is Kind.TEXT or (self.kind is Kind.CHOICE and value in self.choices)
        if not isinstance(value, int | float) or self.kind not in (Kind.INTEGER, Kind.FLOAT):
            return False
        least = value if self.least is None else self.least
        most = value if self.most is None else self.most
        whole = self.kind is Kind.FLOAT or (value == int(value) and not (value - least) % self.step)
        return least <= value <= most and whole


class Nodes(Protocol):
    """The nodes of an opened camera, through one of the libraries."""

    def names(self) -> Sequence[str]:
        """Return every node's name."""
        ...

    def offer(self, name: str) -> Offer | None:
        """Return what a node takes; None where the camera has none of that name."""
        ...

    def write(self, name: str, value: Value) -> None:
        """Set a node to a value that it offers; a command is executed."""
        ...

    def read(self, name: str) -> str:
        """Return the value of a node as text."""
        ...


def put(nodes: Nodes, name: str, value: object, where: str) -> None:
    """Set one node.

    Args:
        nodes: The camera's.
        name: By GenICam's standard or the maker's manual.
        value: As a station file has it.
        where: Begins the message.

    Raises:
        CameraError: The camera has no such node, or does not take the value.

    """
    where = f"{where}: node {name}"
    offer = nodes.offer(name)
    if offer is None:
        # Cameras before SFNC 2 have these instead, in steps of their own; not all list them.
        older = [one for one in (f"{name}Raw", f"{name}Abs") if nodes.offer(one) is not None]
        near = dict.fromkeys(older + difflib.get_close_matches(name, nodes.names(), 5, 0.5))
        instead = f"; it has {listed([*near])}" if near else ""
        raise CameraError(f"{where}: {shown(value)} wanted; no such node{instead}", Fault.FORMAT)
    if not offer.takes(value):
        raise CameraError(f"{where}: {shown(value)} wanted; it offers {offer}", Fault.FORMAT)
    if not offer.writable:
        raise CameraError(
            f"{where}: {shown(value)} wanted; it cannot be written now; does another node lock it?",
            Fault.FORMAT,
        )
    assert isinstance(value, Value)  # noqa: S101 - it takes it
    try:
        nodes.write(name, value)
    except EdgeclsError:
        raise
    except Exception as error:
        raise CameraError(f"{where}: {shown(value)} wanted; {one_line(error)}") from error


def put_first(nodes: Nodes, names: Sequence[str], value: object, where: str) -> None:
    """Set the first of several nodes that the camera has: names have changed over the years.

    Raises:
        CameraError: As ``put``.

    """
    here = [name for name in names if nodes.offer(name) is not None]
    put(nodes, (here or list(names))[0], value, where)


def prefer(nodes: Nodes, name: str, value: Value) -> None:
    """Set a node if the camera has it and takes the value now; else leave it."""
    offer = nodes.offer(name)
    if offer is not None and offer.writable and offer.takes(value):
        nodes.write(name, value)


def listed(names: Sequence[str]) -> str:
    """Return names in one line, the first of them where there are many."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more if names else "nothing"


def shown(value: object) -> str:
    """Return a value as a station file has it."""
    return str(value).lower() if isinstance(value, bool) else repr(value)


def one_line(error: BaseException) -> str:
    """Return what a library says, without the part that is for its own programmers."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].partition(" : ")[0].rstrip(" .:")
