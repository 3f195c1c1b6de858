"""Parts by HTTP, against clients that are wrong, slow, many or strangers."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.request import urlopen

import pytest

from edgecls.errors import TriggerError
from edgecls_runtime.messages import small_server
from edgecls_runtime.triggers import http
from edgecls_runtime.triggers.http import HttpTrigger
from trigger_sources import WAIT_S, closed_port, post, until

TOKEN = "s3cret"  # noqa: S105 - of these tests


@contextmanager
def served(**keys: object) -> Iterator[HttpTrigger]:
    with closing(http.open(port=0, **keys)) as trigger:  # type: ignore[arg-type]
        yield trigger


@contextmanager
def connected(trigger: HttpTrigger) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", trigger.port), WAIT_S) as client:
        yield client


def raw(trigger: HttpTrigger, request: bytes) -> bytes:
    """Send bytes; return all that is answered until the server closes."""
    with connected(trigger) as client:
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(65_536), b""))


def test_a_part_is_answered_with_its_id_and_how_many_wait() -> None:
    with served() as trigger:
        first = post(trigger.port, b"bolt 7")
        second = post(trigger.port, b'{"part": "bolt 8"}', Content_Type="application/json")
        third = post(trigger.port, None)

        found = [signal and signal.part for signal in (trigger.wait(WAIT_S) for _ in range(3))]

    assert [(status, json.loads(text)) for status, text in (first, second, third)] == [
        (202, {"part": "bolt 7", "waiting": 1}),
        (202, {"part": "bolt 8", "waiting": 2}),
        (202, {"part": "3", "waiting": 3}),
    ]
    assert found == ["bolt 7", "bolt 8", "3"]


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (b"{", "application/json", 'body: not JSON; expected such as {"part": "bolt 7"}'),
        (b"[1]", "application/json", 'body: expected an object such as {"part": "bolt 7"}'),
        (b'{"part": null}', "text/plain", 'body: expected an object such as {"part": "bolt 7"}'),
        (b'{"part": true}', "text/plain", 'body: expected an object such as {"part": "bolt 7"}'),
        (b"\xff", "text/plain", "body: not UTF-8"),
        (b"a\x07", "text/plain", "part: holds \\x07; expected characters that can be printed"),
        (b"x" * 201, "text/plain", "part: 201 characters; expected at most 200"),
        (b"[" * 4000, "application/json", 'body: not JSON; expected such as {"part": "bolt 7"}'),
    ],
    ids=["no JSON", "list", "null", "true", "no UTF-8", "bell", "long", "deep"],
)
def test_what_is_no_part_is_refused_and_said(body: bytes, kind: str, message: str) -> None:
    with served() as trigger:
        status, text = post(trigger.port, body, Content_Type=kind)

        assert (status, json.loads(text)) == (400, {"error": message})
        assert trigger.heard.announced == 0


def test_a_part_for_which_there_is_no_room_is_refused_and_counted() -> None:
    with served(queue=2) as trigger:
        answers = [post(trigger.port, b"bolt") for _ in range(3)]

        assert [status for status, _ in answers] == [202, 202, 503]
        assert json.loads(answers[2][1]) == {
            "error": "too many parts wait; this one will not be looked at"
        }
        assert (trigger.heard.announced, trigger.heard.overrun) == (3, 1)


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        ("Bearer s3cret", 202),
        ("bearer s3cret", 202),
        ("Bearer wrong", 401),
        ("Bearer s3cret2", 401),
        ("Basic s3cret", 401),
        ("Bearer", 401),
        ("", 401),
    ],
)
def test_only_who_shows_the_token_announces_parts(shown: str, status: int) -> None:
    with served(token=TOKEN) as trigger:
        found, _ = post(trigger.port, b"bolt 7", Authorization=shown)

        assert found == status
        assert trigger.heard.announced == (status == 202)


def test_with_a_token_it_may_be_reached_from_elsewhere() -> None:
    with served(host="0.0.0.0", token=TOKEN) as trigger:  # noqa: S104 - that is the test
        assert post(trigger.port, b"", Authorization="Bearer s3cret")[0] == 202


def test_a_web_page_in_a_browser_of_this_machine_announces_nothing() -> None:
    with served() as trigger:
        status, _ = post(trigger.port, b"bolt 7", Origin="https://example.org")

        assert status == 403
        assert trigger.heard.announced == 0


def test_it_says_that_it_is_alive() -> None:
    with served() as trigger:
        post(trigger.port, b"bolt 7")
        with urlopen(f"http://127.0.0.1:{trigger.port}/healthz", timeout=WAIT_S) as answer:
            found = json.load(answer)

    assert found == {"announced": 1, "overrun": 0, "waiting": 1}


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"POST / HTTP/1.1\r\n", b"404"),
        (b"GET /trigger HTTP/1.1\r\n", b"404"),
        (b"DELETE /trigger HTTP/1.1\r\n", b"501"),
        (b"POST /trigger HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", b"411"),
        (b"POST /trigger HTTP/1.1\r\nContent-Length: -1\r\n", b"400"),
        (b"POST /trigger HTTP/1.1\r\nContent-Length: 99999999999999\r\n", b"413"),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n", b"400"),
    ],
    ids=["path", "GET", "DELETE", "chunked", "negative", "huge", "TLS"],
)
def test_a_request_that_makes_no_sense_is_refused(request_line: bytes, status: bytes) -> None:
    with served() as trigger:
        answer = raw(trigger, request_line + b"\r\n")

        assert status in answer.partition(b"\r\n")[0] or status in answer
        assert trigger.heard.announced == 0


def test_a_huge_body_is_refused_before_it_is_read() -> None:
    with served() as trigger:
        status, text = post(trigger.port, b"x" * 500_000)

        assert (status, json.loads(text)) == (413, {"error": "expected at most 4096 bytes"})
        assert trigger.heard.announced == 0


def test_a_client_that_drips_is_cut_off_and_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(small_server, "LONGEST_S", 0.5)
    with served() as trigger, connected(trigger) as slow:
        slow.sendall(b"POST /trigger HTTP/1.1\r\nContent-Length: 100\r\n\r\n")
        began = time.monotonic()
        ended = threading.Event()

        def drip() -> None:
            with pytest.raises(OSError, match=r"."):
                while True:
                    slow.sendall(b"x")
                    time.sleep(0.05)
            ended.set()

        dripping = threading.Thread(target=drip)
        dripping.start()

        assert post(trigger.port, b"bolt 7")[0] == 202
        assert ended.wait(WAIT_S)
        dripping.join()
        assert 0.4 < time.monotonic() - began < 5
        assert trigger.heard.announced == 1


def test_more_clients_than_there_is_room_for_are_sent_away_and_later_ones_served() -> None:
    with served() as trigger:
        crowd = [
            socket.create_connection(("127.0.0.1", trigger.port), WAIT_S)
            for _ in range(small_server.MOST_CLIENTS)
        ]
        until(lambda: len(trigger._server._clients) == small_server.MOST_CLIENTS)
        assert raw(trigger, b"") == b""
        for client in crowd:
            client.close()
        until(lambda: not trigger._server._clients)

        assert post(trigger.port, b"bolt 7")[0] == 202


def test_many_senders_at_once_are_each_answered_and_all_counted() -> None:
    with served() as trigger:
        answers: list[int] = []

        def send() -> None:
            answers.extend(post(trigger.port, b"bolt")[0] for _ in range(25))

        senders = [threading.Thread(target=send) for _ in range(8)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()

        assert answers == [202] * 200
        assert trigger.heard.announced == trigger.waiting == 200


def test_a_port_that_somebody_else_has_is_said_in_one_line() -> None:
    with served() as first, pytest.raises(TriggerError) as raised:
        http.open(port=first.port)

    assert str(raised.value) == (
        f"http trigger 127.0.0.1:{first.port}: Address already in use; "
        f"expected an address of this machine and a free port"
    )


def test_the_port_is_free_again_once_it_is_closed() -> None:
    port = closed_port()
    for _ in range(3):
        with closing(http.open(port=port)):
            assert post(port, b"bolt 7")[0] == 202
