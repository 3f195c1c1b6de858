"""A vision system for OPC UA clients: results, events, states; and who may read them."""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import pytest

from edgecls.errors import OutputError
from edgecls_runtime.opcua.access import Access
from edgecls_runtime.outputs.opcua import OpcuaOutput
from output_kinds import Table, open_output, verdict
from outputs_field import Remote, vision_client, vision_value
from trigger_sources import WAIT_S, closed_port, listens, missing, until

pytestmark = pytest.mark.skipif(
    bool(missing("asyncua", "openssl")), reason=missing("asyncua", "openssl")
)
READER = Path(__file__).parents[1] / "opcua_reader.py"
MANAGEMENT = "ns=1;s=VisionSystem.ResultManagement"
USER = {"user": "line1", "password": "s3cret word"}


@dataclass(frozen=True)
class Served:
    """An output, and where its clients find it."""

    output: OpcuaOutput
    port: int


@contextmanager
def serving(**keys: object) -> Iterator[Served]:
    port = closed_port()
    table: Table = {"kind": "opcua", "port": port, **keys}
    output = open_output(table)
    assert isinstance(output, OpcuaOutput)
    with closing(output):
        yield Served(output, port)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Serve ten results to all tests that only look at what they told themselves."""
    with serving(results=10) as found:
        yield found


@pytest.fixture
def client(served: Served) -> Iterator[Remote]:
    with vision_client(served.port) as found:
        yield found


def ua() -> Remote:
    return import_module("asyncua.ua")


class Heard:
    """What a subscription delivers."""

    def __init__(self) -> None:
        self.events: queue.Queue[Remote] = queue.Queue()
        self.values: queue.Queue[Remote] = queue.Queue()

    def event_notification(self, event: Remote) -> None:
        self.events.put(event)

    def datachange_notification(self, _: Remote, value: Remote, __: Remote) -> None:
        self.values.put(value)


def test_a_client_that_knows_only_what_the_server_says_reads_a_result() -> None:
    told = verdict("fail", "bolt 7", "scratch")
    told = replace(told, captured_at=told.decided_at - 0.0125)
    with serving() as served:
        served.output.send(told)

        done = subprocess.run(
            [sys.executable, str(READER), f"opc.tcp://127.0.0.1:{served.port}"],
            capture_output=True, check=True, text=True, timeout=60,
        )  # fmt: skip

    found = json.loads(done.stdout)
    content = found.pop("content")
    assert found == {
        "data_type": "ResultDataType",
        "type": "ResultType",
        "id": "0123456789abcdef-bolt 7",
        "part": "bolt 7",
        "state": 1,
        "duration_ms": pytest.approx(12.5),
        "subset": True,
    }
    assert content[:5] == ["fail", "fail", "judged", "scratch 0.98 of a fail", "scratch"]
    assert content[5] == pytest.approx(0.98)
    assert json.loads(content[6]) == told.table()


@pytest.mark.parametrize("place", ["i=2253", MANAGEMENT])
def test_who_subscribes_hears_of_each_result_once_and_in_order(
    served: Served, client: Remote, place: str
) -> None:
    heard = Heard()
    subscription = client.create_subscription(20, heard)
    subscription.subscribe_events(client.get_node(place), client.get_node("ns=2;i=1024"))
    parts = [f"{place} {number}" for number in range(30)]

    for part in parts:
        served.output.send(verdict("fail", part))
    events = [heard.events.get(timeout=WAIT_S) for _ in parts]

    assert [event.PartId.Id for event in events] == parts
    assert events[0].ResultId.Id == f"0123456789abcdef-{parts[0]}"
    assert events[0].ResultState == 1
    assert events[0].ResultContent[0].Value == "fail"
    assert events[0].Message.Text == "ok 0.98 of a fail"
    assert heard.events.empty()
    subscription.delete()


def test_who_subscribes_to_a_value_hears_of_its_change(served: Served, client: Remote) -> None:
    served.output.send(verdict("pass", "1"))
    heard = Heard()
    subscription = client.create_subscription(20, heard)
    subscription.subscribe_data_change(client.get_node("ns=1;s=LastVerdict.outcome"))
    assert heard.values.get(timeout=WAIT_S) == "pass"

    served.output.send(verdict("fail", "2"))

    assert heard.values.get(timeout=WAIT_S) == "fail"
    subscription.delete()


def called(client: Remote, method: str, *arguments: Remote) -> list[Remote]:
    node = client.get_node(MANAGEMENT)
    found: list[Remote] = node.call_method(f"2:{method}", *arguments)
    return found


def result_by_id(client: Remote, result_id: str) -> list[Remote]:
    return called(client, "GetResultById", ua().ResultIdDataType(result_id), ua().Int32(0))


def test_the_latest_results_are_kept_and_older_ones_make_room(
    served: Served, client: Remote
) -> None:
    for number in range(25):
        served.output.send(verdict("pass", f"ring {number}"))

    variables = client.get_node(f"{MANAGEMENT}.Results").get_children()
    parts = {int(one.read_value().PartId.Id.removeprefix("ring ")) for one in variables}
    handle, result, error = result_by_id(client, "0123456789abcdef-ring 24")
    assert parts == {*range(15, 25)}
    assert (handle, result.PartId.Id, error) == (0, "ring 24", 0)
    assert result_by_id(client, "0123456789abcdef-ring 14")[2] == -1


def filtered(client: Remote, **asked: Remote) -> list[Remote]:
    u = ua()
    kinds = {
        "MeasId": u.MeasIdDataType, "PartId": u.PartIdDataType,
        "ExternalRecipeId": u.RecipeIdExternalDataType,
        "InternalRecipeId": u.RecipeIdInternalDataType,
        "ExternalConfigurationId": u.ConfigurationIdDataType,
        "InternalConfigurationId": u.ConfigurationIdDataType,
        "ProductId": u.ProductIdDataType, "JobId": u.JobIdDataType,
    }  # fmt: skip
    ids = [kind(Id=asked.get(name, "")) for name, kind in kinds.items()]
    return called(
        client,
        "GetResultListFiltered",
        u.Variant(asked.get("state", 0), u.VariantType.Int32),
        *ids,
        u.Variant(asked.get("most", 0), u.VariantType.UInt32),
        u.Variant(asked.get("start", 0), u.VariantType.UInt32),
        u.Variant(0, u.VariantType.Int32),
    )


def test_results_are_found_by_what_they_hold_the_newest_first(
    served: Served, client: Remote
) -> None:
    for number in range(10):
        kind = "missed" if number == 3 else "pass"
        told = verdict(kind, f"found {number}")
        served.output.send(replace(told, recipe="M8" if number % 2 else "M6"))

    def parts(**asked: Remote) -> list[int]:
        complete, count, _, results, error = filtered(client, **asked)
        assert (error, count) == (0, len(results))
        seen.append(complete)
        return [int(one.PartId.Id.removeprefix("found ")) for one in results]

    seen: list[bool] = []
    assert parts() == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert parts(PartId="found 4") == [4]
    assert parts(state=4) == [3]
    assert parts(InternalRecipeId="M8") == [9, 7, 5, 3, 1]
    assert parts(InternalRecipeId="M8", state=4) == [3]
    assert parts(ProductId="none of ours") == []
    assert all(seen)
    assert parts(most=4) == [9, 8, 7, 6]
    assert parts(most=4, start=4) == [5, 4, 3, 2]
    assert seen[-2:] == [False, False]
    assert parts(most=4, start=8) == [1, 0]
    assert seen[-1]


def states(client: Remote) -> tuple[object, ...]:
    machine = "VisionSystem.VisionStateMachine"
    system = vision_value(client, "VisionSystem.SystemState")
    mode = client.get_node(f"ns=1;s={machine}.AutomaticModeStateMachine.CurrentState")
    try:
        inner = mode.read_value().Text
    except import_module("asyncua.ua.uaerrors").BadStateNotActive:
        inner = None
    node = client.get_node(vision_value(client, f"{machine}.CurrentState.Id"))
    outer = vision_value(client, f"{machine}.CurrentState").Text
    assert node.read_browse_name().Name == outer
    return outer, inner, int(system.State), system.StateDescription


def test_the_states_are_those_of_a_vision_system() -> None:
    with serving() as served, vision_client(served.port) as client:
        found = [states(client)]
        served.output.send(verdict("pass", "1"))
        found.append(states(client))
        served.output.make_safe("the camera is lost")
        found.append(states(client))
        served.output.send(verdict("pass", "2"))
        found.append(states(client))

    runs = ("Operational", "ContinuousExecution", 1, None)
    assert found == [
        ("Operational", "Ready", 2, None),
        runs,
        ("Error", None, 5, "the camera is lost"),
        runs,
    ]


def test_counters_balance_and_signs_of_life_are_counted() -> None:
    kinds = ["pass"] * 3 + ["fail"] * 2 + ["review", "missed", "error", "incident"]
    with serving() as served, vision_client(served.port) as client:
        for number in range(9):
            served.output.expect(str(number), 0.0)
        for number, kind in enumerate(kinds[:-1]):
            served.output.send(verdict(kind, str(number)))
        served.output.send(verdict("incident", ""))
        served.output.beat()
        until(lambda: vision_value(client, "Counters.heartbeat") == 1)

        names = ("triggers", "waiting", *dict.fromkeys(kinds))
        found = [vision_value(client, f"Counters.{name}") for name in names]

    assert found == [9, 1, 3, 2, 1, 1, 1, 1]


def test_a_client_that_was_away_finds_what_it_missed(served: Served) -> None:
    with vision_client(served.port):
        served.output.send(verdict("pass", "away 0"))
    for number in (1, 2, 3):
        served.output.send(verdict("fail", f"away {number}"))

    with vision_client(served.port) as client:
        found = filtered(client, most=4)[3]

    assert [one.PartId.Id for one in found] == [f"away {number}" for number in (3, 2, 1, 0)]


def test_without_a_journal_results_have_ids_of_this_run(served: Served, client: Remote) -> None:
    for part in ("own 1", "own 2"):
        served.output.send(replace(verdict("pass", part), id="", recorded_at=""))

    second, first = filtered(client, most=2)[3]

    assert first.JobId.Id == second.JobId.Id
    assert first.ResultId.Id != second.ResultId.Id
    assert first.ResultId.Id.startswith(first.JobId.Id)


def test_nobody_changes_anything(served: Served, client: Remote) -> None:
    errors = import_module("asyncua.ua.uaerrors")
    served.output.send(verdict("pass", "kept"))

    with pytest.raises(errors.BadUserAccessDenied):
        client.get_node("ns=1;s=LastVerdict.outcome").write_value("fail")
    with pytest.raises(errors.BadUserAccessDenied):
        client.nodes.objects.add_object(1, "mine")
    with pytest.raises(errors.BadUserAccessDenied):
        client.delete_nodes([client.get_node("ns=1;s=VisionSystem")])

    assert vision_value(client, "LastVerdict.outcome") == "pass"


def refusal(port: int, prepare: Callable[[Remote], object]) -> str:
    """Return why a client is not let in; empty where it is."""
    try:
        with vision_client(port, prepare):
            return ""
    except import_module("asyncua.ua").UaError as error:
        return type(error).__name__


def named(user: str, password: str) -> Callable[[Remote], None]:
    """Return what makes a client say who it is."""

    def prepare(client: Remote) -> None:
        client.set_user(user)
        client.set_password(password)

    return prepare


def test_with_a_password_only_who_knows_it_may_read(served: Served) -> None:
    # asyncua makes whoever is called admin an administrator, unless it is told otherwise.
    assert refusal(served.port, named("admin", "")) == "BadIdentityTokenRejected"
    with serving(**USER) as locked:
        locked.output.send(verdict("pass"))

        assert refusal(locked.port, lambda _: None) == "BadIdentityTokenRejected"
        for user, password in (("line1", "guess"), ("line1", ""), ("admin", "s3cret word")):
            assert refusal(locked.port, named(user, password)) == "BadUserAccessDenied"
        with vision_client(locked.port, named(**USER)) as client:
            assert vision_value(client, "LastVerdict.outcome") == "pass"


def certificate(folder: Path, name: str, uri: str) -> tuple[Path, Path]:
    """Make a certificate of an OPC UA application, and its key."""
    files = folder / f"{name}.pem", folder / f"{name}-key.pem"
    command = ["openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-days", "2"]
    command += ["-subj", f"/CN={name}", "-addext", f"subjectAltName=URI:{uri},IP:127.0.0.1"]
    usage = "digitalSignature,nonRepudiation,keyEncipherment,dataEncipherment,keyCertSign"
    command += ["-addext", f"keyUsage={usage}", "-addext", "extendedKeyUsage=serverAuth,clientAuth"]
    command += ["-keyout", str(files[1]), "-out", str(files[0])]
    subprocess.run(command, check=True, capture_output=True)
    return files


def encrypted(
    own: tuple[Path, Path], server: Path, user: str, password: str
) -> Callable[[Remote], None]:
    """Return what makes a client encrypt, and say who it is."""

    def prepare(client: Remote) -> None:
        client.application_uri = "urn:plc"
        policies = import_module("asyncua.crypto.security_policies")
        client.set_security(
            policies.SecurityPolicyBasic256Sha256, *map(str, own), None, str(server)
        )
        named(user, password)(client)

    return prepare


def test_with_a_certificate_nobody_listens_in_and_only_who_is_trusted_may_read(
    tmp_path: Path,
) -> None:
    ours, key = certificate(tmp_path, "ours", "urn:edgecls:station")
    plc = certificate(tmp_path, "plc", "urn:plc")
    other = certificate(tmp_path, "other", "urn:plc")
    files = {"certificate": str(ours), "private_key": str(key), "trusted": [str(plc[0])]}
    with serving(**files, **USER) as served:
        served.output.send(verdict("pass"))

        guessed, stranger = encrypted(plc, ours, "line1", "guess"), encrypted(other, ours, **USER)
        assert refusal(served.port, guessed) == "BadUserAccessDenied"
        assert refusal(served.port, stranger) == "BadUserAccessDenied"
        assert refusal(served.port, named(**USER)) == "UaError"  # it finds no such endpoint
        with vision_client(served.port, encrypted(plc, ours, **USER)) as client:
            assert vision_value(client, "LastVerdict.outcome") == "pass"


def test_a_session_without_encryption_is_refused_also_where_a_client_insists(
    tmp_path: Path,
) -> None:
    # asyncua gives anybody a channel without encryption, to find out what there is.
    access = Access("line1", "s3cret word", tmp_path, tmp_path, ())

    assert not access.admits("line1", "s3cret word", None)
    assert access.admits("line1", "s3cret word", b"a certificate")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("certificate", "expected a PEM or DER file of a certificate"),
        ("private_key", "expected a PEM or DER file of a key without a password"),
        ("trusted", "expected a PEM or DER file of a certificate"),
    ],
)
@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_file_that_is_none_is_said(
    tmp_path: Path, key: str, text: str, content: bytes | None
) -> None:
    ours, own_key = certificate(tmp_path, "ours", "urn:edgecls:station")
    wrong = tmp_path / "wrong.pem"
    if content is not None:
        wrong.write_bytes(content)
    files: Table = {"certificate": str(ours), "private_key": str(own_key), "trusted": [str(ours)]}
    files[key] = [str(wrong)] if key == "trusted" else str(wrong)

    with pytest.raises(OutputError) as raised, serving(**files):
        pass

    reason = "No such file or directory" if content is None else "cannot be read as one"
    assert str(raised.value).partition(": ")[2] == f"{key} {wrong}: {reason}; {text}"


def test_closing_leaves_no_port_and_no_thread() -> None:
    before = threading.active_count()
    with serving() as served:
        served.output.send(verdict("pass"))

    assert not listens(served.port)
    until(lambda: threading.active_count() <= before)
    with pytest.raises(OutputError) as raised:
        served.output.send(verdict("pass"))
    assert str(raised.value) == (
        f"opcua output 127.0.0.1:{served.port}: is closed; expected to be told before"
    )
