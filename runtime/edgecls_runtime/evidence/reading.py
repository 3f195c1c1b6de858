"""Look at kept images, also while a station keeps more: their names are the index."""

import json
import os
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from edgecls_runtime.evidence.keeping import places
from edgecls_runtime.evidence.names import MOST_LABEL, NAME, Place, safe, safe_id

# A folder that has changed just now may change again in the same tick of its clock.
TICK_S = 0.1


@dataclass(frozen=True, slots=True)
class Kept:
    """One kept image.

    Attributes:
        path: The file.
        place: What its name says: label, part and id are made safe for names.
        part: Of the verdict, made safe.
        id: Likewise.

    """

    path: Path
    place: Place
    part: str
    id: str

    @property
    def key(self) -> str:
        """Where it stands among all: what ``listed(after=...)`` takes."""
        return self.place.key

    @property
    def beside(self) -> Path:
        """The file that says which verdict it is of."""
        return self.path.with_name(f"{self.path.name}.json")

    def table(self) -> dict[str, object]:
        """Return the verdict's table, with ``counts_as``, ``scores`` and ``image``.

        Nothing where that is missing or damaged: a power cut may have cost it.
        """
        try:
            table = json.loads(self.beside.read_bytes())
        except (OSError, ValueError):
            return {}
        return table if isinstance(table, dict) else {}


class Evidence:
    """A folder of kept images; threads may share it."""

    def __init__(self, folder: Path) -> None:
        """Choose a folder; one that is not there holds nothing."""
        self.folder = folder
        self._seen: dict[str, tuple[int, tuple[Kept, ...]]] = {}

    def find(self, verdict_id: str) -> Path | None:
        """Return the image of a verdict; None when it is not kept, or no more."""
        found = self.kept(verdict_id)
        return None if found is None else found.path

    def kept(self, verdict_id: str) -> Kept | None:
        """Return what is kept of a verdict; as ``find``."""
        if not verdict_id:  # of a station without a journal
            return None
        wanted = safe_id(verdict_id)
        everything = (one for place in places(self.folder) for one in self._in(place))
        return next((one for one in everything if one.id == wanted), None)

    def all(self) -> dict[str, Kept]:
        """Return everything by the id of its verdict, made safe (``names.safe_id``)."""
        return {one.id: one for place in places(self.folder) for one in self._in(place)}

    def listed(
        self,
        counts_as: Collection[str] = (),
        label: str | None = None,
        after: str = "",
        most: int = 100,
    ) -> list[Kept]:
        """Return kept images, the newest first.

        Args:
            counts_as: Only what counts as one of these; nothing takes everything.
            label: Only this one, as the bundle writes it.
            after: Only older ones: the ``key`` of the last one that was seen.
            most: So many at most.

        """
        named = None if label is None else safe(label, MOST_LABEL)
        return list(islice(self._newest(frozenset(counts_as), named, after), most))

    def _newest(self, counts_as: frozenset[str], label: str | None, after: str) -> Iterator[Kept]:
        days: dict[str, list[str]] = {}
        for place in places(self.folder):
            day, what, named = place.split("/")
            if (not counts_as or what in counts_as) and label in (None, named):
                days.setdefault(day, []).append(place)
        for day in sorted(days, reverse=True):
            if after and day > after[: len(day)]:
                continue
            found = [one for place in days[day] for one in self._in(place)]
            for one in sorted(found, key=_key, reverse=True):
                if not after or one.key < after:
                    yield one

    def _in(self, place: str) -> tuple[Kept, ...]:
        """Return what is in one folder; looked at again only when it has changed."""
        folder = self.folder / place
        try:
            changed = folder.stat().st_mtime_ns
            seen = self._seen.get(place)
            if seen is not None and seen[0] == changed:
                return seen[1]
            found = tuple(_kept(folder, place, entry.name) for entry in os.scandir(folder))
        except (FileNotFoundError, NotADirectoryError):  # its last image has just gone
            self._seen.pop(place, None)
            return ()
        kept = tuple(one for one in found if one is not None)
        if time.time() - changed / 1e9 > TICK_S:
            self._seen[place] = changed, kept
        return kept


def _kept(folder: Path, place: str, name: str) -> Kept | None:
    match = NAME.fullmatch(name)
    if match is None:
        return None
    day, counts_as, label = place.split("/")
    _, part, verdict_id, _ = match.groups()
    return Kept(folder / name, Place(day, counts_as, label, name), part, verdict_id)


def _key(one: Kept) -> str:
    return one.key
