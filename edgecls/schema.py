"""Check a table from a file against the signature of the function or dataclass it configures.

The keyword arguments of ``open`` in a camera or output module are the keys of its table, so a
setting is declared, typed, given a default and documented in one place. The manifest's dataclasses
are checked the same way.
"""

import inspect
import sys
import tomllib
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from edgecls.errors import ConfigError, EdgeclsError

T = TypeVar("T")


def call(
    function: Callable[..., T],
    table: object,
    where: str,
    fault: type[EdgeclsError] = ConfigError,
    base: Path = Path(),
) -> T:
    """Call a function (or build a dataclass) with the keys of a table, or say which key is wrong.

    Args:
        function: Its parameters are annotated with ``bool``, ``int``, ``float``, ``str``,
            ``Path``, a ``StrEnum``, a dataclass, ``tuple``, ``dict[str, ...]``, ``object`` (taken
            as it is), ``... | None``, or scalars to choose from such as ``int | str``.
        table: Keys and values as ``tomllib`` or ``json`` returned them.
        where: Path of the table in its file, such as ``camera``; begins every message.
        fault: The error to raise.
        base: What a relative ``Path`` is relative to: the folder of the file that names it.

    Raises:
        EdgeclsError: Of type ``fault``: a key is unknown, missing or of the wrong type.

    """
    if not isinstance(table, Mapping):
        raise fault(f"{where}: expected a table, got {table!r}")
    parameters = inspect.signature(function).parameters
    hints = get_type_hints(function)
    for key in table:
        if key not in parameters:
            known = ", ".join(parameters) or "none"
            raise fault(f"{where}.{key}: unknown key; known keys are {known}")
    for key, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and key not in table:
            raise fault(f"{where}.{key}: required and not given")
    reader = _Reader(fault, base)
    return function(
        **{key: reader.read(value, hints[key], f"{where}.{key}") for key, value in table.items()}
    )


def typed(function: Callable[..., object], texts: Mapping[str, str]) -> dict[str, object]:
    """Turn texts of a command line into what a file would hold, as the annotations ask.

    What cannot be turned stays as it is: ``call`` says what is wrong with it.
    """
    hints = get_type_hints(function)
    return {key: _from_text(text, hints.get(key)) for key, text in texts.items()}


def _from_text(text: str, wanted: Any) -> object:  # noqa: ANN401 - an annotation has no type
    if get_origin(wanted) in (Union, types.UnionType):
        wanted = next(a for a in get_args(wanted) if a is not type(None))
    if wanted is None or (isinstance(wanted, type) and issubclass(wanted, (str, Path))):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns values of a file into what annotations ask for."""

    fault: type[EdgeclsError]
    base: Path

    def read(self, value: object, wanted: Any, where: str) -> object:  # noqa: ANN401 - an annotation has no type
        """Return ``value`` as the annotation asks, or raise the fault naming the key."""
        origin, arguments = get_origin(wanted), get_args(wanted)
        if origin in (Union, types.UnionType):
            inner = [a for a in arguments if a is not type(None)]
            return None if value is None else self._either(value, inner, where)
        if origin is tuple:
            return self._tuple(value, arguments, where)
        if origin is dict:
            if not isinstance(value, Mapping):
                raise self.fault(f"{where}: expected a table, got {value!r}")
            return {k: self.read(v, arguments[1], f"{where}.{k}") for k, v in value.items()}
        if is_dataclass(wanted) and isinstance(wanted, type):
            return call(wanted, value, where, self.fault, self.base)
        return self._scalar(value, wanted, where)

    def _either(self, value: object, wanted: list[Any], where: str) -> object:
        if len(wanted) == 1:
            return self.read(value, wanted[0], where)
        for one in wanted:
            if type(value) is one:
                return self.read(value, one, where)
        names = " or ".join(one.__name__ for one in wanted)
        raise self.fault(f"{where}: expected {names}, got {value!r}")

    def _tuple(self, value: object, arguments: tuple[Any, ...], where: str) -> tuple[object, ...]:
        if not isinstance(value, list | tuple):
            raise self.fault(f"{where}: expected a list, got {value!r}")
        if arguments[-1] is Ellipsis:
            arguments = (arguments[0],) * len(value)
        if len(value) != len(arguments):
            raise self.fault(f"{where}: expected {len(arguments)} values, got {len(value)}")
        if all(type(v) is a for v, a in zip(value, arguments, strict=True)):
            return tuple(value)  # thousands of scores need no thousands of paths
        pairs = enumerate(zip(value, arguments, strict=True))
        return tuple(self.read(v, a, f"{where}[{i}]") for i, (v, a) in pairs)

    def _scalar(self, value: object, wanted: type, where: str) -> object:
        if wanted is object:
            return value
        if issubclass(wanted, StrEnum):
            if not isinstance(value, str) or value not in list(wanted):
                raise self.fault(f"{where}: expected one of {', '.join(wanted)}, got {value!r}")
            return wanted(value)
        if isinstance(value, str) and "\0" in value:
            raise self.fault(f"{where}: holds a null character; expected text")
        if issubclass(wanted, Path) and isinstance(value, str):
            return self.base / value
        allowed = (int, float) if wanted is float else wanted
        if isinstance(value, bool) is not (wanted is bool) or not isinstance(value, allowed):
            raise self.fault(f"{where}: expected {wanted.__name__}, got {value!r}")
        if isinstance(value, int) and wanted is float:
            if abs(value) > sys.float_info.max:
                raise self.fault(f"{where}: a number too large to calculate with")
            return float(value)
        return value
