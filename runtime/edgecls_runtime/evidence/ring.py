"""Which images have to go so that the next one fits: counting only, no disk.

Old ones go first, with three exceptions. A label that is full makes room in itself. Passes go
before everything else: they are a sample, the others are not. And where the images of one label
fill more than half of the quota, that label goes first: a flood of one fault must not push out the
only picture of another.
"""

from collections import deque
from dataclasses import dataclass

PASS = "pass"  # noqa: S105 - an outcome, not a password
# What an image counts as, and its label.
Group = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """A kept image.

    Attributes:
        serial: Counts up with each one.
        group: Where it belongs.
        path: Of the folder of the evidence.
        size: Bytes of it and of what stands beside it.

    """

    serial: int
    group: Group
    path: str
    size: int


class Ring:
    """All kept images, and the order in which they go.

    Attributes:
        used: Bytes of all of them.

    """

    def __init__(self, quota: int, most_per_label: int) -> None:
        """Begin with nothing.

        Args:
            quota: Bytes.
            most_per_label: Images of one label that count as one thing.

        """
        self.quota, self.used = quota, 0
        self._most = most_per_label
        self._serial = 0
        self._groups: dict[Group, deque[Entry]] = {}
        self._sizes: dict[Group, int] = {}

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    def add(self, group: Group, path: str, size: int) -> None:
        """Count an image that is kept now; it is the newest."""
        entry = Entry(self._serial, group, path, size)
        self._serial += 1
        self.used += size
        self._groups.setdefault(group, deque()).append(entry)
        self._sizes[group] = self._sizes.get(group, 0) + size

    def remove(self, entry: Entry) -> None:
        """Count an image no longer: one that ``oldest`` has returned."""
        self.used -= entry.size
        group = self._groups[entry.group]
        group.remove(entry)
        self._sizes[entry.group] -= entry.size
        if not group:
            del self._groups[entry.group], self._sizes[entry.group]

    def fits(self, group: Group, size: int) -> bool:
        """Return whether an image can be kept at all, whatever has to go for it.

        A pass fits only where other passes can go for it.
        """
        if group[0] != PASS:
            return size <= self.quota
        passes = sum(size for (counts_as, _), size in self._sizes.items() if counts_as == PASS)
        return self.used - passes + size <= self.quota

    def oldest(self, group: Group, size: int) -> Entry | None:
        """Return the image that has to go next for one that ``fits``; None when there is room."""
        if len(self._groups.get(group, ())) >= self._most:
            return self._groups[group][0]
        if self.used + size <= self.quota or not self._groups:
            return None
        passes = [entries[0] for (what, _), entries in self._groups.items() if what == PASS]
        if passes:
            return min(passes, key=_serial)
        largest = max(self._sizes, key=self._sizes.__getitem__)
        if 2 * self._sizes[largest] > self.quota:
            return self._groups[largest][0]
        return min((entries[0] for entries in self._groups.values()), key=_serial)


def _serial(entry: Entry) -> int:
    return entry.serial
