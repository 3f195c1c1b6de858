"""What tuning has measured so far, and what it has ruled out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from edgecls.errors import ProviderError
from edgecls_runtime.measuring.accuracy_here import Accuracies
from edgecls_runtime.measuring.benchmark import frames_per_s, milliseconds
from edgecls_runtime.measuring.choosing import Tried
from edgecls_runtime.measuring.trial_messages import Configuration, Told
from edgecls_runtime.measuring.tuned import Figures


@dataclass
class _Entry:
    """What was told of one configuration, over all visits."""

    configuration: Configuration
    seconds: list[float] = field(default_factory=list)
    cpu_shares: list[float] = field(default_factory=list)
    memory_mb: float | None = None
    before: int = 0  # calls before the rounds that run now


@dataclass
class Notebook:
    """Figures of each configuration.

    Attributes:
        accuracies: How often each variant is right.
        out: Lines that say why something is not in the running.

    """

    accuracies: Accuracies
    out: list[str] = field(default_factory=list)
    _entries: list[_Entry] = field(default_factory=list)
    _dropped: set[tuple[str, str]] = field(default_factory=set)
    _failed: list[Configuration] = field(default_factory=list)
    _narrowed: list[Configuration] = field(default_factory=list)

    def leave_out(self, reason: str, say: Callable[[str], object]) -> None:
        """Note why something was not even tried."""
        self.out.append(reason)
        say(reason)

    def add(self, configuration: Configuration, told: Told) -> None:
        """Count one answer in."""
        entry = self._entry(configuration)
        if entry is None:
            self._entries.append(entry := _Entry(configuration))
        entry.seconds += told.frame_s
        if told.frame_s:
            entry.memory_mb = told.peak_memory_mb
        if told.cpu_share is not None:
            entry.cpu_shares.append(told.cpu_share)

    def proven(self, engine: Configuration) -> bool:
        """Whether this variant has answered rightly on this provider: it has been visited."""
        return any(_pair(entry.configuration) == _pair(engine) for entry in self._entries)

    def is_out(self, engine: Configuration) -> bool:
        """Whether a configuration is ruled out."""
        return _pair(engine) in self._dropped or replace(engine, batch=1) in self._failed

    def fail(self, engine: Configuration, why: str, say: Callable[[str], object]) -> None:
        """Rule a configuration out that cannot run; if nothing of its kind ever ran, all of it."""
        if not self.proven(engine):
            self.drop(engine, why, say)
            return
        self._failed.append(replace(engine, batch=1))
        self.leave_out(f"{engine}: dropped: {why}", say)

    def drop(self, engine: Configuration, why: str, say: Callable[[str], object]) -> None:
        """Rule a variant out on a provider, whatever its settings."""
        self._dropped.add(_pair(engine))
        self.leave_out(f"{' on '.join(_pair(engine))}: dropped: {why}", say)

    def judge(
        self, engines: Sequence[Configuration], say: Callable[[str], object], *, here: bool
    ) -> None:
        """Drop each variant whose accuracy, recorded or measured here, is not enough."""
        for engine in engines:
            if self.is_out(engine):
                continue
            try:
                fault = (
                    self.accuracies.measured_fault(engine)
                    if here
                    else self.accuracies.recorded_fault(engine)
                )
            except ProviderError as error:
                fault = str(error)
            if fault:
                self.drop(engine, fault, say)

    def begin(self) -> None:
        """Begin rounds: what is measured from here on is measured in turn."""
        for entry in self._entries:
            entry.before = len(entry.seconds)

    def narrow(self, engines: Sequence[Configuration]) -> None:
        """From now on only these can be chosen, by what was measured of them in turn."""
        self._narrowed = list(engines)
        for entry in self._entries:
            if replace(entry.configuration, batch=1) in engines:
                del entry.seconds[: entry.before]
                entry.before = 0

    def contenders(self) -> list[Tried]:
        """Return what can be chosen."""
        within = [one for one in self.tried() if not self.is_out(one.configuration)]
        narrowed = [one for one in within if replace(one.configuration, batch=1) in self._narrowed]
        return narrowed or within

    def tried(self) -> list[Tried]:
        """Return everything that was measured, in the order of its first measurement."""
        return [self._tried(entry) for entry in self._entries if entry.seconds]

    def of(self, engine: Configuration) -> list[Tried]:
        """Return what was measured of one engine, in batches of any size."""
        return [one for one in self.tried() if replace(one.configuration, batch=1) == engine]

    def engines(self) -> list[Configuration]:
        """Return one configuration of each variant on each provider that was measured."""
        first = {_pair(entry.configuration): entry.configuration for entry in self._entries}
        return list(first.values())

    def seconds_a_call(self, configuration: Configuration) -> float | None:
        """Return the median time of a call so far; None before the first."""
        entry = self._entry(configuration)
        return milliseconds(entry.seconds, 50) / 1000 if entry and entry.seconds else None

    def _entry(self, configuration: Configuration) -> _Entry | None:
        found = (entry for entry in self._entries if entry.configuration == configuration)
        return next(found, None)

    def _tried(self, entry: _Entry) -> Tried:
        variant = self.accuracies.bundle.variant(entry.configuration.variant)
        figures = Figures(
            latency_ms_p50=milliseconds(entry.seconds, 50),
            latency_ms_p99=milliseconds(entry.seconds, 99),
            frames_per_s=frames_per_s(entry.seconds, entry.configuration.batch),
            accuracy=self.accuracies.of(entry.configuration),
            agreement=variant.agreement,
            cpu_share=round(median(entry.cpu_shares), 4) if entry.cpu_shares else None,
            memory_mb=entry.memory_mb,
        )
        return Tried(entry.configuration, figures, len(entry.seconds))


def _pair(engine: Configuration) -> tuple[str, str]:
    return engine.variant, str(engine.provider["kind"])
