"""Measure a bundle's configurations on this device within a budget of time, and choose one.

First a quick look at every engine, one process after the other; then rounds for the best few, all
of them loaded and asked in turn, so that what disturbs the machine disturbs them alike; then more
rounds for the best two, and for the best one on more exact rungs of the resize. A variant that
answers the golden samples wrongly, or too much worse than fp32, is out, whatever its speed.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edgecls.bundle import Bundle
from edgecls.errors import EdgeclsError, ProviderError
from edgecls_runtime.fitting import fitting
from edgecls_runtime.images import Labelled
from edgecls_runtime.measuring import candidates, choosing, rungs, scene
from edgecls_runtime.measuring.accuracy_here import Accuracies
from edgecls_runtime.measuring.choosing import Tried
from edgecls_runtime.measuring.notebook import Notebook
from edgecls_runtime.measuring.trial import Trial
from edgecls_runtime.measuring.trial_messages import Ask, Configuration
from edgecls_runtime.measuring.tuned import Aim

# Length of one visit, s: long against a scheduler's slice, short against a disturbance; a share of
# a short budget, so that the last rounds are reached.
VISIT_S, VISIT_SHARE = 0.25, 0.01
FEWEST, MOST = 3, 50
# Calls of one look at the processor's work, at 10 a second; likewise.
PACED, PACED_A_SECOND = 10, 0.25
# Of the budget, what the quick look may take; the rest is for measuring in turn.
LOOK_SHARE = 0.7
# Processes at once; each holds the model once.
SEVERAL, FEW = 4, 2
ROUNDS, FINAL_ROUNDS = 3, 8
# Of the budget, the share that one process may take to load: an engine that is compiled first
# (edgecls warm) must not eat all of it. A slow board needs seconds whatever the budget.
LOADING_SHARE, LEAST_LIMIT_S = 0.5, 20.0


@dataclass(frozen=True, slots=True)
class Job:
    """What to tune.

    Attributes:
        bundle: Opened.
        aim: What for.
        budget_s: Time for measuring; labelled images take theirs on top.
        kinds: Providers.
        max_drop: Points of accuracy that a variant may lie below fp32.
        data: Labelled images to measure accuracy with here; None takes what the export recorded.
        cores: That there are.

    """

    bundle: Bundle
    aim: Aim
    budget_s: float
    kinds: tuple[str, ...]
    max_drop: float
    cores: int
    data: list[Labelled] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        chosen: None where nothing is left, or it was interrupted too early to tell.
        why: One sentence; empty without a choice.
        tried: Everything that was measured, the best first.
        dropped: Why each other one is out.
        unseen: Configurations of the engine that the budget had no time for.
        interrupted: Whether Ctrl-C ended it.
        nothing_loads: Whether no variant could be loaded on any of the providers.

    """

    chosen: Tried | None
    why: str
    tried: tuple[Tried, ...]
    dropped: tuple[str, ...]
    unseen: int = 0
    interrupted: bool = False
    nothing_loads: bool = False


def tune(job: Job, say: Callable[[str], object]) -> Outcome:
    """Measure and choose; Ctrl-C ends the measuring and keeps what was measured.

    Args:
        job: What to tune.
        say: Takes a line for each step.

    """
    engines, not_here = candidates.engines(job.bundle, job.kinds, job.cores)
    notebook = Notebook(Accuracies(job.bundle, job.max_drop, job.data))
    for reason in not_here.values():
        notebook.leave_out(reason, say)
    notebook.judge(engines, say, here=False)
    admitted = not engines or not all(map(notebook.is_out, engines))
    # A choice that has not seen every variant is none, however short the budget.
    first = len({(engine.variant, str(engine.provider["kind"])) for engine in engines})
    interrupted, seen = False, 0
    with tempfile.TemporaryDirectory(prefix="edgecls-") as folder:
        tuning = _Tuning(job, notebook, say, scene.write(job.bundle, Path(folder)))
        try:
            for engine in engines:
                tuning.look(engine)
                seen += 1
                if tuning.left < (1 - LOOK_SHARE) * job.budget_s and seen >= first:
                    break
            tuning.judge_here()
            tuning.compare()
        except KeyboardInterrupt:
            interrupted = True
    unseen = len(engines) - seen
    return replace(
        _outcome(job, notebook, sure=not (interrupted and unseen)),
        unseen=unseen,
        interrupted=interrupted,
        nothing_loads=admitted and not tuning.loaded and not interrupted,
    )


def _outcome(job: Job, notebook: Notebook, *, sure: bool) -> Outcome:
    tried = choosing.ranked(notebook.tried(), job.aim)
    found = Outcome(None, "", tuple(tried), tuple(notebook.out))
    contenders = notebook.contenders()
    if not contenders or not sure:
        return found
    chosen = choosing.choose(contenders, job.aim)
    reason = choosing.why(chosen, contenders, default(job.bundle), job.aim)
    return replace(found, chosen=chosen, why=reason)


def default(bundle: Bundle) -> Configuration | None:
    """Return what runs without tuning; None where the bundle has nothing for the processor."""
    provider: dict[str, object] = {"kind": "cpu", "spinning": False}
    try:
        variant = fitting(bundle, candidates.open_provider(provider))[0]
    except ProviderError:
        return None
    return Configuration(variant.name, provider, bundle.preprocessing.resampling)


def finalists(bundle: Bundle, best: Sequence[Configuration]) -> list[Configuration]:
    """Return the best, and the very best on each other rung that the bundle allows."""
    others = (rung for rung in rungs.allowed(bundle) if rung != bundle.preprocessing.resampling)
    return [*best, *(replace(best[0], resampling=rung) for rung in others if best)]


@dataclass
class _Tuning:
    """The steps, with what they share."""

    job: Job
    notebook: Notebook
    say: Callable[[str], object]
    frame: Path
    deadline: float = 0.0
    loaded: bool = False

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.job.budget_s

    @property
    def left(self) -> float:
        return self.deadline - time.monotonic()

    @property
    def over(self) -> bool:
        return self.left <= 0

    def look(self, engine: Configuration) -> None:
        """Load one engine, check its answers if nobody has yet, and visit it once."""
        if self.notebook.is_out(engine):
            return
        try:
            with self._open(engine) as trial:
                self.loaded = True
                wrong = ""
                if not self.notebook.proven(engine):
                    wrong = trial.ask(Ask(golden=True)).wrong
                if wrong:
                    self.notebook.drop(engine, wrong, self.say)
                    return
                for batch in self._batches:
                    self._visit(trial, batch)
        except EdgeclsError as error:
            self.notebook.fail(engine, str(error), self.say)
            return
        best = choosing.ranked(self.notebook.of(engine), self.job.aim)[0]
        self.say(f"{best.configuration}: {choosing.told(best.figures, self.job.aim)}")

    def judge_here(self) -> None:
        """Measure accuracy on this device where images were given; on time of its own."""
        began = time.monotonic()
        self.notebook.judge(self.notebook.engines(), self.say, here=True)
        self.deadline += time.monotonic() - began

    def compare(self) -> None:
        """Give rounds to the best few, then to the best two and the best one's other rungs.

        What runs without tuning goes along: a gain over it is one that was measured in turn.
        """
        self._rounds(self._best(SEVERAL), ROUNDS, "rounds")
        best = finalists(self.job.bundle, self._best(FEW))
        self._rounds(best, FINAL_ROUNDS, "final rounds", last=True)

    @property
    def _batches(self) -> tuple[int, ...]:
        return candidates.BATCHES if self.job.aim is Aim.THROUGHPUT else (1,)

    def _best(self, count: int) -> list[Configuration]:
        """Return the engines of the best configurations, each once, as batches of one."""
        best = choosing.ranked(self.notebook.contenders(), self.job.aim)
        engines: list[Configuration] = []
        for one in best:
            engine = replace(one.configuration, batch=1)
            if engine not in engines:
                engines.append(engine)
        return engines[:count]

    def _rounds(
        self, engines: Sequence[Configuration], rounds: int, name: str, *, last: bool = False
    ) -> None:
        """Load all of them, and visit each once a round."""
        usual = default(self.job.bundle)
        if usual and self.notebook.of(usual) and usual not in engines:
            engines = [*engines, usual]
        if self.over or not engines:
            return
        self.say(f"{rounds} {name}: {'; '.join(map(str, engines))}")
        self.notebook.begin()
        with ExitStack() as opened:
            trials = [trial for one in engines for trial in self._opened(one, opened)]
            if self.over:
                return  # perhaps before all were loaded: what some would get, others would not
            for number in range(rounds):
                for trial in trials:
                    self._visit_all(trial)
                # Only now are all of them measured alike.
                self.notebook.narrow([trial.configuration for trial in trials])
                for trial in trials if last and not number else []:
                    self._attempt(trial, self._pace)
                if self.over:
                    return

    def _opened(self, engine: Configuration, opened: ExitStack) -> list[Trial]:
        """Return the engine's trial; none if it fails, or there is no time left to load it."""
        try:
            return [] if self.over else [opened.enter_context(self._open(engine))]
        except EdgeclsError as error:
            self.notebook.fail(engine, str(error), self.say)
            return []

    def _visit_all(self, trial: Trial) -> None:
        for batch in self._batches:
            self._attempt(trial, partial(self._visit, batch=batch))

    def _attempt(self, trial: Trial, step: Callable[[Trial], None]) -> None:
        """Take a step with a trial that is still in the running; a failure ends its running."""
        if self.notebook.is_out(trial.configuration):
            return
        try:
            step(trial)
        except EdgeclsError as error:
            self.notebook.fail(trial.configuration, str(error), self.say)

    def _visit(self, trial: Trial, batch: int) -> None:
        """Measure calls for a while; for the processor's work, at its pace too."""
        configuration = replace(trial.configuration, batch=batch)
        known = self.notebook.seconds_a_call(configuration)
        if known is None:
            self.notebook.add(configuration, trial.ask(Ask(FEWEST, batch)))
            known = self.notebook.seconds_a_call(configuration) or VISIT_S
        visit = min(VISIT_S, VISIT_SHARE * self.job.budget_s)
        calls = min(max(round(visit / known), FEWEST), MOST)
        self.notebook.add(configuration, trial.ask(Ask(calls, batch)))
        if self.job.aim is Aim.CPU:
            self._pace(trial)

    def _pace(self, trial: Trial) -> None:
        calls = min(max(round(PACED_A_SECOND * self.job.budget_s), FEWEST), PACED)
        self.notebook.add(trial.configuration, trial.ask(Ask(paced=calls)))

    def _open(self, configuration: Configuration) -> Trial:
        limit = max(LOADING_SHARE * self.job.budget_s, LEAST_LIMIT_S)
        return Trial(self.job.bundle.path, self.frame, configuration, limit)
