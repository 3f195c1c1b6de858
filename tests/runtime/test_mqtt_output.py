"""Verdicts by MQTT, against mosquitto: one that dies, freezes, refuses, and forgets."""

import gc
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from edgecls.errors import OutputError, OutputRefused
from edgecls.verdict import Look, Outcome, Verdict
from edgecls_runtime.journal import Journal, open_reader
from edgecls_runtime.outputs.mqtt import MqttOutput
from edgecls_runtime.telling.outbox import Keeping
from edgecls_runtime.telling.settings import Audience
from held import held
from journals import SESSION
from journals import verdict as past
from output_kinds import open_output, verdict
from outputs_messages import REMEMBERS, TOPIC, Listener
from trigger_sources import PASSWORD, USER, Broker, missing, until

pytestmark = pytest.mark.skipif(
    bool(missing("paho", "mosquitto", "openssl")), reason=missing("paho", "mosquitto", "openssl")
)
WAIT_S = 30.0
AVAILABILITY, STATE = "edgecls/line1/availability", "edgecls/line1/state"
STATION = """
import json, sys
from edgecls_runtime import outputs
output = outputs.open_table(json.loads(sys.argv[1]), "outputs")
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Return a broker that stays alive."""
    running = Broker(tmp_path_factory.mktemp("broker"))
    yield running
    running.kill()


@contextmanager
def own_broker(folder: Path, *more: str) -> Iterator[Broker]:
    """Run a broker that may be killed; it remembers who listened."""
    remembers = (*REMEMBERS, f"persistence_location {folder}/")
    running = Broker(folder, tls=False, more=(*remembers, *more))
    try:
        yield running
    finally:
        running.process.send_signal(signal.SIGCONT)
        running.kill()


@contextmanager
def telling(broker: Broker, **keys: object) -> Iterator[MqttOutput]:
    output = open_output({"kind": "mqtt", "station": "line1", **broker.table, **keys})
    assert isinstance(output, MqttOutput)
    with closing(output):
        yield output


def insist(output: MqttOutput, told: Verdict) -> int:
    """Tell a verdict until it was taken, as the telling room does; return how often it was not."""
    faults: list[OutputError] = []

    def is_taken() -> bool:
        try:
            output.send(told)
        except OutputRefused:
            raise
        except OutputError as error:
            faults.append(error)
            return False
        return True

    until(is_taken, 2 * WAIT_S)
    return len(faults)


def fault(output: MqttOutput) -> str:
    with pytest.raises(OutputError) as raised:
        output.send(verdict("pass"))
    assert PASSWORD not in str(raised.value)
    return str(raised.value)


def test_a_broker_killed_in_mid_stream_loses_no_verdict_and_their_order_stays(
    tmp_path: Path,
) -> None:
    with (
        own_broker(tmp_path) as broker,
        closing(Listener(broker, TOPIC)) as listener,
        telling(broker) as output,
    ):
        faults = 0
        for number in range(300):
            if number == 100:
                broker.kill()
                with pytest.raises(OutputError):
                    output.send(verdict("pass", "100"))
                broker.start()
            faults += insist(output, verdict("pass", str(number)))
        until(lambda: len({table["id"] for table in listener.tables()}) == 300, WAIT_S)

        found = list(dict.fromkeys(table["part"] for table in listener.tables()))
        assert found == [str(number) for number in range(300)]
        assert faults


def test_what_was_decided_while_the_broker_was_down_is_told_from_the_journal_when_it_is_back(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    with (
        own_broker(tmp_path / "broker") as broker,
        closing(Listener(broker, TOPIC)) as listener,
        closing(Journal(tmp_path / "v.db", SESSION)) as journal,
        open_reader(journal.path) as reader,
        telling(broker) as output,
        closing(
            Keeping(output, Audience("mqtt"), journal, said.append, verdicts=reader.verdicts)
        ) as outbox,
    ):
        for number in range(600):
            if number == 200:
                broker.kill()
            outbox.send(journal.record(past(str(number))))
        until(lambda: bool(said), WAIT_S)
        broker.start()
        until(lambda: len({table["id"] for table in listener.tables()}) == 600, 2 * WAIT_S)
        until(lambda: outbox.state.backlog == 0, WAIT_S)
        tables = listener.tables()

    found = list({table["id"]: table["part"] for table in tables}.values())
    assert found == [str(number) for number in range(600)]
    assert len(tables) - len(found) <= 1
    assert said[-1] == "output mqtt: told again"


@pytest.mark.slow
def test_a_broker_that_freezes_for_long_is_lost_and_reached_again_when_it_goes_on(
    tmp_path: Path,
) -> None:
    with (
        own_broker(tmp_path) as broker,
        closing(Listener(broker, TOPIC)) as listener,
        telling(broker) as output,
    ):
        broker.process.send_signal(signal.SIGSTOP)
        until(lambda: "connection lost: Keep alive timeout" in fault(output), WAIT_S)
        broker.process.send_signal(signal.SIGCONT)
        insist(output, verdict("fail", "2"))

        until(lambda: "2" in [table["part"] for table in listener.tables()], WAIT_S)


def test_a_broker_that_freezes_is_an_error_in_time_and_gets_the_verdict_once_when_it_goes_on(
    tmp_path: Path,
) -> None:
    with (
        own_broker(tmp_path) as broker,
        closing(Listener(broker, TOPIC)) as listener,
        telling(broker) as output,
    ):
        output.send(verdict("pass", "1"))
        broker.process.send_signal(signal.SIGSTOP)
        first = fault(output)
        broker.process.send_signal(signal.SIGCONT)
        insist(output, verdict("pass"))
        insist(output, verdict("pass", "2"))
        until(lambda: len(listener.payloads()) == 3, WAIT_S)

        assert first == (
            f"mqtt output 127.0.0.1:{broker.port}: no acknowledgement within 2 s; "
            f"is the broker overloaded?"
        )
        assert [table["part"] for table in listener.tables()] == ["1", "1", "2"]


def test_a_broker_that_is_not_there_at_the_start_is_said_and_told_once_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with own_broker(tmp_path) as broker:
        broker.kill()
        with telling(broker) as output:
            said = capsys.readouterr().err
            broker.start()
            with closing(Listener(broker)) as listener:
                assert insist(output, verdict("fail"))
                until(listener.payloads, WAIT_S)

    assert said == (
        f"warning: mqtt output 127.0.0.1:{broker.port}: Connection refused; "
        f"is the broker running, and are host, port and tls right?\n"
    )


def test_a_wrong_password_is_said(broker: Broker) -> None:
    with telling(broker, password="wrong") as output:  # noqa: S106 - of these tests
        found = fault(output)

    assert found == (
        f"mqtt output 127.0.0.1:{broker.port}: refused: Not authorized; "
        f"are user and password right?"
    )


@pytest.mark.filterwarnings(
    # paho leaves the socket of a failed handshake to the garbage collector.
    "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"
)
def test_a_broker_whose_certificate_nobody_we_trust_has_signed_is_said(broker: Broker) -> None:
    with telling(broker, ca=None, tls=True) as output:
        found = fault(output)

    gc.collect()
    assert found.startswith(f"mqtt output 127.0.0.1:{broker.port}: its certificate is refused: ")
    assert found.endswith("; expected one that ca signed")


def test_a_broker_that_wants_tls_and_gets_none_is_said(broker: Broker) -> None:
    with telling(broker, ca=None) as output:
        found = fault(output)

    assert found == (
        f"mqtt output 127.0.0.1:{broker.port}: connected, but no answer: "
        f"Unspecified error; is it a broker, and is tls right?"
    )


def test_a_topic_that_we_may_not_write_is_said_and_not_lost_in_silence(tmp_path: Path) -> None:
    rights = tmp_path / "rights"
    rights.write_text(f"user {USER}\ntopic read #\n", encoding="ascii")
    with own_broker(tmp_path, f"acl_file {rights}") as broker, telling(broker) as output:
        found = fault(output)

    assert found == (
        f"mqtt output 127.0.0.1:{broker.port}: topic {TOPIC}: refused: Not authorized; "
        f"is this user allowed to write it?"
    )


def test_a_verdict_larger_than_what_the_broker_takes_is_refused_and_the_next_one_told(
    tmp_path: Path,
) -> None:
    look = Look("tile", ((0, 0), (9, 0), (9, 9), (0, 9)), Outcome.PASS, "ok", 0.9)
    with (
        own_broker(tmp_path, "max_packet_size 2000") as broker,
        closing(Listener(broker)) as listener,
        telling(broker) as output,
    ):
        with pytest.raises(OutputRefused) as raised:
            output.send(replace(verdict("pass", "1"), looks=(look,) * 50))
        output.send(verdict("pass", "2"))
        until(listener.payloads, WAIT_S)

        assert [table["part"] for table in listener.tables()] == ["2"]
    assert str(raised.value).endswith(
        " bytes; it takes at most 2000; expected a higher limit there, or fewer places in a frame"
    )


def test_the_topic_says_what_the_station_file_wants_it_to(broker: Broker) -> None:
    with (
        closing(Listener(broker)) as listener,
        telling(broker, topic="plant/{station}/{camera}/{counts_as}", station="a/b") as output,
    ):
        output.send(replace(verdict("fail"), camera="line +1"))
        output.send(verdict("missed"))
        until(lambda: listener.payloads("plant/a_b/-/missed"), WAIT_S)

        assert len(listener.payloads("plant/a_b/line _1/fail")) == 1


def test_the_broker_knows_whether_the_station_lives(broker: Broker) -> None:
    with closing(Listener(broker)) as listener:
        with telling(broker, station="line2"):
            until(lambda: listener.payloads("edgecls/line2/availability") == [b"online"], WAIT_S)
        until(
            lambda: listener.payloads("edgecls/line2/availability") == [b"online", b"offline"],
            WAIT_S,
        )

    with closing(Listener(broker)) as later:
        until(lambda: later.payloads("edgecls/line2/availability") == [b"offline"], WAIT_S)


def test_a_station_that_dies_is_offline_for_everybody(broker: Broker) -> None:
    table = json.dumps({"kind": "mqtt", "station": "line3", **broker.table})
    topic = "edgecls/line3/availability"
    with (
        closing(Listener(broker)) as listener,
        subprocess.Popen(
            [sys.executable, "-c", STATION, table], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as station,
    ):
        until(lambda: listener.payloads(topic) == [b"online"], WAIT_S)
        station.kill()

        until(lambda: listener.payloads(topic) == [b"online", b"offline"], WAIT_S)


def test_a_broker_that_has_forgotten_everything_hears_again_how_the_station_is(
    tmp_path: Path,
) -> None:
    broker = Broker(tmp_path, tls=False)
    try:
        with telling(broker, state=STATE) as output:
            output.send(verdict("fail", "7"))
            broker.kill()
            broker.start()
            with closing(Listener(broker)) as listener:
                until(lambda: listener.payloads(STATE), WAIT_S)

                assert listener.payloads(AVAILABILITY)[-1] == b"online"
                assert listener.tables(STATE)[-1]["part"] == "7"
    finally:
        broker.kill()


def test_the_state_is_kept_for_who_comes_later_and_counts(broker: Broker) -> None:
    with telling(broker, station="line4", state="edgecls/{station}/state") as output:
        for counts_as in ("pass", "fail", "fail", "missed", "incident"):
            output.send(verdict(counts_as))
        with closing(Listener(broker)) as listener:
            until(lambda: listener.payloads("edgecls/line4/state"), WAIT_S)

            state = listener.tables("edgecls/line4/state")[-1]

    assert state["counts"] == {"pass": 1, "fail": 2, "review": 0, "missed": 1, "error": 0}
    assert state["counts_as"] == "incident"
    assert {*verdict("fail").table()} - {*state} == {"looks"}


def test_home_assistant_learns_of_a_station_what_it_is_and_how_to_read_it(broker: Broker) -> None:
    template = import_module("jinja2").Template
    with telling(broker, station="Line 5", discovery="homeassistant") as output:
        output.send(verdict("missed"))
        output.send(verdict("fail"))
        with closing(Listener(broker)) as listener:
            until(lambda: listener.payloads("edgecls/Line 5/state"), WAIT_S)
            until(lambda: sum("/config" in one.topic for one in listener.messages) == 7, WAIT_S)
            state = listener.tables("edgecls/Line 5/state")[-1]
            tables = {
                one.topic: json.loads(one.payload)
                for one in listener.messages
                if "edgecls_Line_5" in one.topic
            }

    shown = {
        topic.split("/")[3]: template(table["value_template"]).render(value_json=state)
        for topic, table in tables.items()
    }
    assert shown == {
        "outcome": "fail",
        "pass_count": "0",
        "fail_count": "1",
        "review_count": "0",
        "missed_count": "1",
        "error_count": "0",
        "problem": "OFF",
    }
    outcome = tables["homeassistant/sensor/edgecls_Line_5/outcome/config"]
    assert outcome["device"]["name"] == "Line 5"
    assert outcome["availability_topic"] == "edgecls/Line 5/availability"
    assert outcome["unique_id"] == "edgecls_Line_5_outcome"
    assert set(outcome["options"]) == {"pass", "fail", "review", "missed", "error", "incident"}
    assert len({table["unique_id"] for table in tables.values()}) == 7


def test_a_part_that_nothing_can_judge_is_a_problem_for_home_assistant(broker: Broker) -> None:
    template = import_module("jinja2").Template
    with (
        closing(Listener(broker)) as listener,
        telling(broker, station="line6", discovery="home") as output,
    ):
        output.send(verdict("error"))
        topic = "home/binary_sensor/edgecls_line6/problem/config"
        until(lambda: listener.payloads(topic) and listener.payloads("edgecls/line6/state"), WAIT_S)
        [state], [table] = listener.tables("edgecls/line6/state"), listener.tables(topic)

    assert template(table["value_template"]).render(value_json=state) == "ON"


def test_opening_and_closing_again_and_again_holds_nothing(broker: Broker) -> None:
    with telling(broker) as output:
        output.send(verdict("pass"))
    before = held()

    for _ in range(10):
        with telling(broker) as output:
            output.send(verdict("pass"))

    after = held()
    assert (after.threads, after.files) == (before.threads, before.files)
