"""Ids of parts as they come from outside: short, and of characters that any journal takes."""

import hashlib

LONGEST = 200
_DIGEST = 12


def part_id(found: str | bytes) -> str | None:
    r"""Return the id that a text stands for; None of an empty one.

    What cannot be printed is escaped, as ``\x07``; a longer id is cut, and its digest keeps it
    apart from others that begin alike.

    Args:
        found: Text, or UTF-8; bytes that are none are escaped.

    Returns:
        At most 200 printable characters.

    """
    # A part with a strange name is still a part: it is announced, never refused.
    text = found.decode("utf-8", "backslashreplace") if isinstance(found, bytes) else found
    text = "".join(c if c.isprintable() else _escaped(c) for c in text.strip())
    if len(text) <= LONGEST:
        return text or None
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST]
    return f"{text[: LONGEST - _DIGEST - 1]}~{digest}"


def fault(text: str) -> str:
    """Return what is wrong with an id whose sender can be told; empty where nothing is."""
    if len(text) > LONGEST:
        return f"{len(text)} characters; expected at most {LONGEST}"
    strange = next((c for c in text if not c.isprintable()), "")
    return f"holds {_escaped(strange)}; expected characters that can be printed" if strange else ""


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
