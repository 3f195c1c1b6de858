"""What the station tells Prometheus; with a real one that asks, and whose alerts fire."""

import json
import math
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from edgecls.verdict import Verdict
from edgecls_runtime.figures import MEANINGS, Figures, Observing
from edgecls_runtime.messages.exposition import Histogram, number, sample
from edgecls_runtime.outputs import prometheus
from edgecls_runtime.outputs.prometheus import PrometheusOutput
from edgecls_runtime.protocols import Beating
from output_kinds import verdict
from outputs_messages import scraped
from trigger_sources import closed_port, until

ALERTS = Path(__file__).parents[2] / "docs" / "prometheus" / "alerts.yml"
RULES = Path(__file__).parents[1] / "prometheus_alerts.yml"
WAIT_S = 60.0
TOKEN = "t0ken"  # noqa: S105 - of these tests


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        shutil.which(program) is None,
        reason=f"{program}: not here; run: apt-get install prometheus",
    )


@pytest.fixture
def output() -> Iterator[PrometheusOutput]:
    with closing(prometheus.open(port=0)) as opened:
        yield opened


def took(counts_as: str, seconds: float, camera: str = "") -> Verdict:
    """Return a verdict that took so long, of a part that was announced a second before."""
    told = verdict(counts_as)
    at = told.decided_at - seconds
    return replace(told, camera=camera, captured_at=at, announced_at=at - 1)


def figures(output: PrometheusOutput, found: Callable[[], Figures]) -> dict[str, float]:
    output.observe(found)
    return scraped(output.port)


def test_verdicts_are_counted_by_camera_and_by_what_they_count_as(
    output: PrometheusOutput,
) -> None:
    for counts_as in ("pass", "pass", "fail", "incident"):
        output.send(took(counts_as, 0.01, camera="left"))
    output.send(took("missed", 0.01, camera="right"))

    found = scraped(output.port)

    assert found['edgecls_verdicts_total{camera="left",counts_as="pass"}'] == 2
    assert found['edgecls_verdicts_total{camera="left",counts_as="fail"}'] == 1
    assert found['edgecls_verdicts_total{camera="left",counts_as="incident"}'] == 1
    assert found['edgecls_verdicts_total{camera="right",counts_as="missed"}'] == 1
    assert found['edgecls_verdicts_total{camera="right",counts_as="error"}'] == 0


def test_how_long_verdicts_took_is_a_histogram(output: PrometheusOutput) -> None:
    for seconds in (0.001, 0.004, 0.03, 0.3, 60):
        output.send(took("pass", seconds))
    output.send(replace(verdict("missed"), captured_at=None))

    found = scraped(output.port)

    edges = {"0.005": 2, "0.02": 2, "0.05": 3, "0.5": 4, "5": 4, "+Inf": 5}
    for edge, count in edges.items():
        assert found[f'edgecls_latency_seconds_bucket{{camera="",le="{edge}"}}'] == count
    assert found['edgecls_latency_seconds_count{camera=""}'] == 5
    assert found['edgecls_latency_seconds_sum{camera=""}'] == pytest.approx(60.335)
    assert found['edgecls_waited_seconds_sum{camera=""}'] == pytest.approx(65.335)


def test_ages_grow_until_there_is_a_verdict_and_a_sign_of_life(output: PrometheusOutput) -> None:
    assert "edgecls_last_verdict_age_seconds" not in scraped(output.port)
    output.send(verdict("pass"))
    time.sleep(0.3)
    before = scraped(output.port)

    output.send(verdict("pass"))
    output.beat()
    after = scraped(output.port)

    assert isinstance(output, Beating)
    for name in ("edgecls_last_verdict_age_seconds", "edgecls_last_beat_age_seconds"):
        assert before[name] >= 0.3
        assert after[name] < before[name]


def test_figures_of_the_station_are_asked_for_each_time(output: PrometheusOutput) -> None:
    assert isinstance(output, Observing)
    moments = iter(range(1, 3))
    output.observe(lambda: {"frames_dropped": next(moments), "triggers": None})

    first, second = scraped(output.port), scraped(output.port)

    assert (first["edgecls_frames_dropped_total"], second["edgecls_frames_dropped_total"]) == (1, 2)
    assert "edgecls_triggers_total" not in first


def test_every_figure_with_a_meaning_has_its_kind_and_its_label(output: PrometheusOutput) -> None:
    whole: dict[str, float | dict[str, float]] = {
        name: {"a": 1.0} if meaning.label else 1.0 for name, meaning in MEANINGS.items()
    }

    found = figures(output, lambda: whole)

    for name, meaning in MEANINGS.items():
        full = f"edgecls_{name}_total" if meaning.counts else f"edgecls_{name}"
        assert found[f'{full}{{{meaning.label}="a"}}' if meaning.label else full] == 1
    assert {"frames_dropped", "output_up", "placement_share", "disk_free_bytes"} <= {*MEANINGS}


def test_a_figure_that_nobody_here_knows_is_shown_all_the_same(output: PrometheusOutput) -> None:
    found = figures(output, lambda: {"temperature_celsius": {"soc": 61.5}, "a b": 1.0})

    assert found['edgecls_temperature_celsius{name="soc"}'] == 61.5
    assert not [name for name in found if " " in name]


def test_figures_that_cannot_be_had_cost_no_other_metric(output: PrometheusOutput) -> None:
    output.send(verdict("pass"))

    def broken() -> Figures:
        raise OSError("the disk is gone")

    found = figures(output, broken)

    assert found["edgecls_figures_failed_total"] == 1
    assert found['edgecls_verdicts_total{camera="",counts_as="pass"}'] == 1


def test_only_who_shows_the_token_may_read() -> None:
    with closing(prometheus.open(port=0, host="0.0.0.0", token=TOKEN)) as output:  # noqa: S104
        assert scraped(output.port, TOKEN)
        for shown in ("", "wrong"):
            with pytest.raises(HTTPError) as raised:
                scraped(output.port, shown)
            with raised.value as answer:
                assert answer.code == 401
                assert json.load(answer) == {
                    "error": "expected Authorization: Bearer and the token"
                }


def test_another_path_is_answered_with_the_right_one(output: PrometheusOutput) -> None:
    with pytest.raises(HTTPError) as raised:
        urlopen(f"http://127.0.0.1:{output.port}/", timeout=WAIT_S)

    with raised.value as answer:
        assert (answer.code, json.load(answer)) == (404, {"error": "expected GET /metrics"})


def test_names_of_cameras_may_hold_anything() -> None:
    line = sample("a", 1, {"camera": 'x"\\\ny'})

    assert line == 'a{camera="x\\"\\\\\\ny"} 1'


def test_numbers_are_written_as_they_are_read() -> None:
    values = (0.1, 3.0, math.nan, math.inf, -math.inf, 2.0**60)

    assert [number(value) for value in values] == [
        "0.1", "3", "NaN", "+Inf", "-Inf", "1.152921504606847e+18",
    ]  # fmt: skip


def test_a_histogram_counts_each_value_once() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        histogram.count(value)

    assert list(histogram.samples("h", {})) == [
        'h_bucket{le="1"} 2', 'h_bucket{le="2"} 3', 'h_bucket{le="+Inf"} 4',
        "h_sum 12", "h_count 4",
    ]  # fmt: skip


@needs("promtool")
def test_what_is_told_is_as_prometheus_wants_it(output: PrometheusOutput) -> None:
    output.observe(lambda: {"output_up": {"mqtt": 1.0}, "frames_dropped": 3})
    output.send(took("fail", 0.02, camera='line "1"'))

    check = subprocess.run(
        ["promtool", "check", "metrics"], input=output.page(), capture_output=True, text=True,
        check=False,
    )  # fmt: skip

    assert (check.stdout, check.stderr, check.returncode) == ("", "", 0)


@needs("promtool")
def test_the_alerts_that_we_ship_can_be_read() -> None:
    check = subprocess.run(
        ["promtool", "check", "rules", ALERTS], capture_output=True, text=True, check=False
    )

    assert check.returncode == 0, check.stdout + check.stderr


@needs("promtool")
def test_each_alert_that_we_ship_fires_when_it_should_and_only_then() -> None:
    check = subprocess.run(
        ["promtool", "test", "rules", RULES], capture_output=True, text=True, check=False
    )

    assert check.returncode == 0, check.stdout + check.stderr


def test_every_metric_of_an_alert_is_one_that_a_station_tells(output: PrometheusOutput) -> None:
    whole: dict[str, float | dict[str, float]] = {
        name: {"a": 1.0} if meaning.label else 1.0 for name, meaning in MEANINGS.items()
    }
    output.send(took("pass", 0.1))
    told = {name.partition("{")[0] for name in figures(output, lambda: whole)}
    text = ALERTS.read_text(encoding="utf-8")
    words = text.replace("(", " ").replace("{", " ").replace("[", " ").replace(")", " ").split()

    named = {word for word in words if word.startswith("edgecls_")}

    assert named
    assert named <= told


class Prometheus:
    """A real one, that asks each second."""

    def __init__(self, folder: Path, target: int, rules: Path) -> None:
        """Start it."""
        self.port = closed_port()
        (folder / "token").write_text(TOKEN, encoding="ascii")
        (folder / "prometheus.yml").write_text(
            f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: edgecls
    authorization: {{credentials_file: {folder / "token"}}}
    static_configs: [{{targets: ["127.0.0.1:{target}"]}}]
""",
            encoding="ascii",
        )
        command = [
            "prometheus", f"--config.file={folder / 'prometheus.yml'}", "--log.level=error",
            f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{self.port}",
        ]  # fmt: skip
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def asked(self, path: str) -> list[dict[str, object]]:
        """Return what it answers; nothing while it is not up."""
        try:
            request = Request(f"http://127.0.0.1:{self.port}/api/v1/{path}")
            with urlopen(request, timeout=WAIT_S) as answer:  # noqa: S310 - http
                data = json.load(answer)["data"]
        except OSError:
            return []
        return list(data.get("result", data.get("alerts", ())))

    def value(self, query: str) -> float | None:
        """Return the value of a query that has one result; None where it has none yet."""
        found = self.asked(f"query?query={quote(query)}")
        return float(found[0]["value"][1]) if found else None  # type: ignore[index]

    def firing(self) -> set[object]:
        """Return the alerts that fire."""
        alerts = self.asked("alerts")
        return {
            one["labels"]["alertname"]  # type: ignore[index]
            for one in alerts
            if one["state"] == "firing"
        }


@contextmanager
def asking(folder: Path, target: int, rules: Path = ALERTS) -> Iterator[Prometheus]:
    running = Prometheus(folder, target, rules)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()


@needs("prometheus")
def test_a_real_prometheus_reads_what_the_station_counted(tmp_path: Path) -> None:
    with closing(prometheus.open(port=0, token=TOKEN)) as output:
        for counts_as in ("pass",) * 5 + ("fail",) * 2:
            output.send(took(counts_as, 0.03))
        with asking(tmp_path, output.port) as running:
            until(lambda: running.value('up{job="edgecls"}') == 1, WAIT_S)

            assert running.value("sum(edgecls_verdicts_total)") == 7
            assert running.value('edgecls_verdicts_total{counts_as="fail"}') == 2
            assert running.value("edgecls_latency_seconds_count") == 7


@pytest.mark.slow
@needs("prometheus")
def test_an_alert_fires_when_an_output_is_down_and_ends_when_it_is_back(tmp_path: Path) -> None:
    rules = tmp_path / "alerts.yml"
    rules.write_text(
        ALERTS.read_text(encoding="utf-8").replace("for: 2m", "for: 2s"), encoding="utf-8"
    )
    up = {"mqtt": 0.0, "gate": 1.0}
    with closing(prometheus.open(port=0, token=TOKEN)) as output:
        output.observe(lambda: {"output_up": up})
        with asking(tmp_path, output.port, rules) as running:
            until(lambda: running.firing() == {"EdgeclsOutputDown"}, WAIT_S)
            up["mqtt"] = 1.0

            until(lambda: running.value("sum(edgecls_output_up)") == 2, WAIT_S)
            until(lambda: running.firing() == set(), WAIT_S)
