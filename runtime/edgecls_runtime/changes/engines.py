"""Classifiers of one process: stations of the same bundle, variant and providers share one."""

import threading
from dataclasses import dataclass, field

from edgecls.bundle import Bundle
from edgecls.progress import warn
from edgecls_runtime.failover import Failover
from edgecls_runtime.opening import Allowed, open_classifier
from edgecls_runtime.turns import Turns


@dataclass(frozen=True, slots=True)
class Shared:
    """A classifier, and the order in which stations use it."""

    classify: Failover
    turns: Turns = field(default_factory=Turns)


@dataclass(slots=True)
class _Lent:
    shared: Shared
    users: int = 0


class Engines:
    """Opens each classifier once, and closes it when the last one who took it gives it back.

    Attributes:
        classifiers: Those that are open.

    """

    def __init__(self, classifiers: list[Failover]) -> None:
        """Begin with none; ``classifiers`` is kept up to date."""
        self.classifiers = classifiers
        self._changing = threading.Lock()
        self._lent: dict[str, _Lent] = {}

    def take(self, bundle: Bundle, allowed: Allowed) -> Shared:
        """Return the classifier of a bundle; each time it is taken it is to be given back.

        Raises:
            EdgeclsError: It cannot be opened, or answers wrongly here.

        """
        key = f"{bundle.digest} {allowed}"
        with self._changing:
            if key not in self._lent:
                failover = Failover(lambda: open_classifier(bundle, allowed, warn), warn)
                self._lent[key] = _Lent(Shared(failover))
                self.classifiers.append(failover)
            self._lent[key].users += 1
            return self._lent[key].shared

    def give_back(self, classify: Failover) -> None:
        """Close a classifier that nobody else has taken."""
        with self._changing:
            key = next((k for k, v in self._lent.items() if v.shared.classify is classify), None)
            if key is None:  # closed with all others
                return
            self._lent[key].users -= 1
            if self._lent[key].users:
                return
            self._lent.pop(key)
            self.classifiers.remove(classify)
        classify.close()

    def close(self) -> None:
        """Close all of them; closing twice is allowed."""
        with self._changing:
            lent, self._lent = list(self._lent.values()), {}
        for one in lent:
            one.shared.classify.close()
