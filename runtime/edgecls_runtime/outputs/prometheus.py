"""Figures of the station for Prometheus, which asks for them: GET /metrics.

    curl http://127.0.0.1:9469/metrics

Counters begin at 0 when the station starts; whoever reads them takes their growth. Who may read
them: whoever reaches the port, so it is bound to this machine, or asks for a token.
"""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from edgecls import __version__
from edgecls.errors import OutputError
from edgecls.verdict import Cause, Outcome, Verdict
from edgecls_runtime.figures import MEANINGS, Figures, Meaning
from edgecls_runtime.messages import exposition, small_server
from edgecls_runtime.messages.exposition import Histogram, family, sample
from edgecls_runtime.messages.small_server import Answering, SmallServer
from edgecls_runtime.probe import Probed

PATIENT = True
# Seconds; from a classifier on an accelerator to one that is far too slow for a line.
EDGES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
HISTOGRAMS = {
    "latency": "From a frame's arrival to its verdict",
    "waited": "From a part's announcement to its verdict",
}
COUNTED = (*Outcome, Cause.MISSED, Cause.ERROR, Cause.INCIDENT)
PART_OF_A_NAME = re.compile(r"[a-zA-Z0-9_]+")


@dataclass(slots=True)
class Seen:
    """What was told of one camera."""

    counts: Counter[str] = field(default_factory=Counter)
    histograms: dict[str, Histogram] = field(
        default_factory=lambda: {name: Histogram(EDGES) for name in HISTOGRAMS}
    )


class PrometheusOutput:
    """Counts verdicts, and serves what it counted."""

    def __init__(self, server: "Server") -> None:
        """Begin to serve.

        Args:
            server: Bound; closed by this.

        """
        self._changed = threading.Lock()
        self._cameras: dict[str, Seen] = {}
        self._latest: tuple[Verdict, float] | None = None
        self._began = self._beaten = time.monotonic()
        self._figures: Callable[[], Figures] = dict
        self._failures = 0
        self._server = server
        server.output = self
        server.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.port

    def send(self, verdict: Verdict) -> None:
        """Count a verdict."""
        with self._changed:
            seen = self._cameras.setdefault(verdict.camera, Seen())
            seen.counts[verdict.counts_as] += 1
            for name, seconds in (("latency", verdict.latency), ("waited", verdict.waited)):
                if seconds is not None:
                    seen.histograms[name].count(seconds)
            self._latest = verdict, time.monotonic()

    def beat(self) -> None:
        """Take note that the station works."""
        self._beaten = time.monotonic()

    def observe(self, figures: Callable[[], Figures]) -> None:
        """Take what is asked, each time that Prometheus asks us, for what verdicts do not say."""
        self._figures = figures

    def close(self) -> None:
        """Stop serving; closing twice is allowed."""
        self._server.stop()

    def page(self) -> str:
        """Return all metrics of this moment."""
        # Before the lock is taken: it is somebody else's function.
        figures = self._asked()
        with self._changed:
            lines = [*self._of_the_station(), *self._of_verdicts()]
        return "\n".join([*lines, *figures]) + "\n"

    def _of_the_station(self) -> Iterator[str]:
        now = time.monotonic()
        labels = {"version": __version__}
        if self._latest is not None:
            verdict, at = self._latest
            labels |= {"bundle": verdict.bundle, "recipe": verdict.recipe}
            age = [sample("edgecls_last_verdict_age_seconds", now - at, {})]
            text = "Seconds since the last verdict was told"
            yield from family("edgecls_last_verdict_age_seconds", "gauge", text, age)
        for name, kind, text, value in (
            ("edgecls_uptime_seconds", "gauge", "Seconds since the start", now - self._began),
            ("edgecls_last_beat_age_seconds", "gauge",
             "Seconds since the station judged or waited for a part", now - self._beaten),
            ("edgecls_figures_failed_total", "counter",
             "How often figures could not be had", self._failures),
        ):  # fmt: skip
            yield from family(name, kind, text, [sample(name, value, {})])
        name = "edgecls_info"
        yield from family(name, "gauge", "What judges", [sample(name, 1, labels)])

    def _of_verdicts(self) -> Iterator[str]:
        name = "edgecls_verdicts_total"
        cameras = self._cameras.items()
        # Also those at 0: a counter that appears with its first count has not grown for Prometheus.
        counts = [
            sample(name, seen.counts[what], {"camera": camera, "counts_as": what})
            for camera, seen in cameras
            for what in COUNTED
        ]
        yield from family(name, "counter", "Verdicts by what they count as", counts)
        for name, text in HISTOGRAMS.items():
            full = f"edgecls_{name}_seconds"
            samples = [
                line
                for camera, seen in cameras
                for line in seen.histograms[name].samples(full, {"camera": camera})
            ]
            yield from family(full, "histogram", text, samples)

    def _asked(self) -> list[str]:
        """Return the metrics of the station's figures; none where they cannot be had."""
        try:
            return [
                line for name, value in self._figures().items() for line in _figure(name, value)
            ]
        except Exception:  # noqa: BLE001 - one figure that fails hides no other metric
            self._failures += 1
            return []


def _figure(name: str, value: float | Mapping[str, float] | None) -> list[str]:
    """Return the metric of one figure of a station."""
    meaning = MEANINGS.get(name, Meaning("Of the station"))
    full = f"edgecls_{name}_total" if meaning.counts else f"edgecls_{name}"
    if value is None or not PART_OF_A_NAME.fullmatch(name):
        return []
    if isinstance(value, Mapping):
        label = meaning.label or "name"
        samples = [sample(full, one, {label: of}) for of, one in value.items()]
    else:
        samples = [sample(full, value, {})]
    return family(full, "counter" if meaning.counts else "gauge", meaning.text, samples)


class Server(SmallServer):
    """Knows whose metrics it serves."""

    output: PrometheusOutput


class Handler(Answering):
    """Answers one request."""

    server: Server

    def do_GET(self) -> None:  # noqa: N802 - as http.server calls it
        """Answer with the metrics."""
        if self.path.partition("?")[0] != "/metrics":
            self.refuse(HTTPStatus.NOT_FOUND, "expected GET /metrics")
        elif not self.is_allowed():
            self.refuse(HTTPStatus.UNAUTHORIZED, "expected Authorization: Bearer and the token")
        else:
            page = self.server.output.page().encode()
            self.answer(HTTPStatus.OK, exposition.CONTENT_TYPE, page)


def open(*, port: int = 9469, host: str = "127.0.0.1", token: str = "") -> PrometheusOutput:
    """Listen for GET /metrics.

    Args:
        port: 0 takes a free one.
        host: Address to listen at; another than this machine's own needs a token.
        token: What a client must show as ``Authorization: Bearer TOKEN``; empty asks for none.

    """
    small_server.check("outputs", host, port, token, "read how the line does")
    try:
        return PrometheusOutput(Server("prometheus output", (host, port), token, Handler))
    except OSError as error:
        raise OutputError(
            f"prometheus output {host}:{port}: {error.strerror}; "
            f"expected an address of this machine and a free port"
        ) from error


def probed() -> Probed:
    """Say what is here: it needs nothing."""
    return Probed("prometheus", ready=True, what="GET /metrics; part of Python")
