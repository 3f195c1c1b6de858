"""Outputs, specified: one page that every kind keeps; what each alone does is in its own file."""

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from edgecls import plugins
from edgecls.errors import ConfigError, MissingExtra, OutputError
from edgecls.verdict import Cause, Outcome, Verdict
from edgecls_runtime import probe
from edgecls_runtime.protocols import Output, Safeguarding
from output_kinds import ROOM, Kind, Peer, kinds, open_output, verdict
from trigger_sources import missing, until

KINDS = kinds()
WAIT_S = 30.0
COUNTS_AS = (*Outcome, Cause.MISSED, Cause.ERROR, Cause.INCIDENT)
# Each as it may stand in a bundle or on a part: quotes, brackets, other scripts, a tab, a null.
STRANGE = "a'b\"c\\d{e}%s;<f>/+# gä 漢字 🦊\t\x00"


@pytest.fixture(params=KINDS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def kind(name: str) -> Kind:
    if why := missing(*KINDS[name].needed):
        pytest.skip(why)
    return KINDS[name]


@pytest.fixture
def peer(kind: Kind, request: pytest.FixtureRequest) -> Iterator[Peer]:
    yield from kind.opened(request)


def tell(peer: Peer, told: Verdict) -> None:
    """Tell a verdict, and wait until the other side has it."""
    peer.output.send(told)
    until(lambda: peer.shows(told), WAIT_S)


def test_a_verdict_of_each_kind_is_told(peer: Peer) -> None:
    for number, counts_as in enumerate(COUNTS_AS, 1):
        tell(peer, verdict(counts_as, str(number)))


def test_a_verdict_without_a_prediction_is_told(peer: Peer) -> None:
    told = replace(verdict("review"), prediction=None, frame_number=None, image_sha256="")

    tell(peer, told)


def test_a_label_of_strange_characters_is_told(peer: Peer) -> None:
    tell(peer, verdict("fail", label=STRANGE))


def test_a_part_with_a_long_id_of_strange_characters_is_told(peer: Peer) -> None:
    # What part_ids lets through: at most 200 characters that can be printed.
    tell(peer, verdict("fail", part=("ä'\"\\{}%s;</+# 漢🦊" * 20)[:200].strip()))


def test_it_is_told_from_another_thread_than_the_one_that_opened_it(peer: Peer) -> None:
    faults: list[BaseException] = []

    def send() -> None:
        try:
            tell(peer, verdict("pass"))
        except BaseException as error:  # noqa: BLE001 - shown below
            faults.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    thread.join()

    assert faults == []


def test_closing_twice_is_allowed(peer: Peer) -> None:
    peer.output.close()
    peer.output.close()


def test_closing_leaves_the_safe_state(peer: Peer) -> None:
    if peer.is_safe is None:
        pytest.skip("no safe state")
    tell(peer, verdict("pass"))

    peer.output.close()

    until(peer.is_safe, WAIT_S)


def test_made_safe_it_shows_so_until_the_next_verdict(peer: Peer) -> None:
    if peer.is_safe is None or not isinstance(peer.output, Safeguarding):
        pytest.skip("no safe state")
    tell(peer, verdict("pass", "1"))

    peer.output.make_safe("the camera is lost")
    peer.output.make_safe("the camera is lost")
    until(peer.is_safe, WAIT_S)

    tell(peer, verdict("pass", "2"))


def test_another_side_that_goes_away_is_an_error_until_it_is_back(peer: Peer) -> None:
    if peer.lose is None:
        pytest.skip("nothing that can go away")
    tell(peer, verdict("pass", "1"))

    peer.lose()
    until(lambda: fault_of(peer.output, verdict("pass", "2")), WAIT_S)
    fault = fault_of(peer.output, verdict("pass", "3"))
    peer.restore()
    until(lambda: not fault_of(peer.output, verdict("pass", "4")), WAIT_S)

    assert re.search(r" output.*: .*; ", fault), fault
    assert "\n" not in fault
    tell(peer, verdict("fail", "5"))


def fault_of(output: Output, told: Verdict) -> str:
    """Return why a verdict cannot be told; empty when it was."""
    try:
        output.send(told)
    except OutputError as error:
        return str(error)
    return ""


def test_another_side_that_is_not_there_is_said_in_one_line(
    kind: Kind, request: pytest.FixtureRequest
) -> None:
    table = kind.absent(request)

    with pytest.raises(OutputError) as raised, closing(open_output(table)) as output:
        output.send(verdict("pass"))

    assert re.match(kind.says, str(raised.value)), str(raised.value)
    assert re.match(r"[a-z0-9_]+ output.*: .+; .+", str(raised.value)), str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_wrong_key_is_answered_with_the_known_ones(kind: Kind) -> None:
    with pytest.raises(ConfigError) as raised:
        open_output({**kind.table, "colour_px": 1})

    known = str(raised.value).removeprefix("outputs.colour_px: unknown key; known keys are ")
    assert known != str(raised.value)
    assert {*kind.table} - {"kind"} <= {*known.split(", ")}


@pytest.mark.parametrize(
    ("name", "number"),
    [(name, number) for name, kind in KINDS.items() for number in range(len(kind.wrong))],
)
def test_a_value_that_no_output_takes_is_an_error_of_the_table(kind: Kind, number: int) -> None:
    keys, message = kind.wrong[number]

    with pytest.raises(ConfigError) as raised:
        open_output({**kind.table, **keys})

    assert str(raised.value) == f"outputs.{message}"


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.extra])
def test_a_missing_package_is_answered_with_the_command_that_installs_it(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kind.extra is not None
    module, message = kind.extra
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(MissingExtra) as raised:
        open_output(kind.table)

    assert str(raised.value) == message


@pytest.mark.parametrize("one", plugins.kinds(ROOM))
def test_each_kind_says_whether_it_can_be_used_here_and_is_in_the_table(one: str) -> None:
    found = probe.here(one, "outputs")

    assert found.kind == one
    assert found.what
    assert "\n" not in found.what
    assert one in {kind.table["kind"] for kind in KINDS.values()}


def test_an_output_without_a_kind_is_answered_with_the_kinds() -> None:
    with pytest.raises(ConfigError) as raised:
        open_output({"json": True})

    known = ", ".join(plugins.kinds(ROOM))
    assert str(raised.value) == f"outputs.kind: required and not given; known kinds are {known}"
