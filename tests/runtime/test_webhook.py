"""Verdicts by POST, against a web server that is slow, strange, unwilling, or an impostor."""

import base64
import email.utils
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from edgecls.errors import OutputError, OutputRefused
from edgecls_runtime.outputs import webhook
from edgecls_runtime.outputs.webhook import WebhookOutput
from held import held
from output_kinds import open_output, verdict
from trigger_sources import certificates, missing, until
from web_receiver import Answer, Handler, Taken, WebReceiver

PAGE = Path(__file__).parents[2] / "docs" / "outputs.md"
SECRET = "0123456789abcdef01234567"  # noqa: S105 - of these tests
# Whatever goes wrong, none of it may be read anywhere.
HIDDEN = ("hidden-path", "hidden-query", "hidden-token", "hidden-password", SECRET)
# Short, so that what never answers is over soon; long enough for one that does.
QUICK = {"timeout_ms": 1000}


@pytest.fixture
def receiver() -> Iterator[WebReceiver]:
    running = WebReceiver()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an authority and a certificate of 127.0.0.1."""
    if why := missing("openssl"):
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("certificates")
    certificates(folder)
    return folder


@contextmanager
def telling(url: str, **keys: object) -> Iterator[WebhookOutput]:
    output = open_output({"kind": "webhook", "url": url, "timeout_ms": 10_000, **keys})
    assert isinstance(output, WebhookOutput)
    with closing(output):
        yield output


def fault(output: WebhookOutput, kind: type[OutputError] = OutputError) -> str:
    with pytest.raises(OutputError) as raised:
        output.send(verdict("pass"))
    assert type(raised.value) is kind
    assert not [word for word in HIDDEN if word in str(raised.value)]
    return str(raised.value)


def status(code: int, **headers: str) -> Answer:
    return lambda handler: handler.plain(code, b"" if code in (204, 304) else b"{}", **headers)


def test_a_verdict_is_posted_as_json_under_its_own_id(receiver: WebReceiver) -> None:
    told = verdict("fail", "7")
    with telling(receiver.url + "?line=1", token="t0ken") as output:  # noqa: S106 - of these tests
        output.send(told)

    [taken] = receiver.taken
    assert json.loads(taken.body) == told.table()
    assert taken.path == "/verdicts?line=1"
    assert taken.headers["idempotency-key"] == taken.headers["webhook-id"] == told.id
    assert taken.headers["content-type"] == "application/json"
    assert taken.headers["authorization"] == "Bearer t0ken"
    assert "webhook-signature" not in taken.headers


def test_a_verdict_without_an_id_is_known_by_its_content(receiver: WebReceiver) -> None:
    with telling(receiver.url) as output:
        for part in ("1", "2", "2"):
            output.send(replace(verdict("pass", part), id=""))

    first, second, third = (taken.headers["webhook-id"] for taken in receiver.taken)
    assert first != second == third


def test_headers_and_a_password_in_the_url_are_sent(receiver: WebReceiver) -> None:
    url = receiver.url.replace("//", "//joe:se%2Fcr%40et@")
    with telling(url, headers={"X-Plant": "north"}) as output:
        output.send(verdict("pass"))

    [taken] = receiver.taken
    assert taken.headers["x-plant"] == "north"
    assert base64.b64decode(taken.headers["authorization"].removeprefix("Basic ")) == (
        b"joe:se/cr@et"
    )


def test_one_connection_serves_for_many_verdicts(receiver: WebReceiver) -> None:
    with telling(receiver.url) as output:
        for number in range(20):
            output.send(verdict("pass", str(number)))

    assert len(receiver.taken) == 20
    assert len(receiver.connections) == 1


def test_a_connection_that_the_receiver_has_closed_meanwhile_is_no_error(
    receiver: WebReceiver,
) -> None:
    with telling(receiver.url) as output:
        for number in range(3):
            output.send(verdict("pass", str(number)))
            receiver.hang_up()

    assert [json.loads(taken.body)["part"] for taken in receiver.taken] == ["0", "1", "2"]


def genuine() -> Callable[[dict[str, str], bytes, bytes], bool]:
    """Return the function that the page about outputs gives to receivers."""
    text = PAGE.read_text(encoding="utf-8")
    [code] = [
        code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "hmac" in code
    ]
    found: dict[str, Callable[[dict[str, str], bytes, bytes], bool]] = {}
    exec(code, found)  # noqa: S102 - what readers of the page run
    return found["is_genuine"]


def signed(receiver: WebReceiver, **keys: object) -> Taken:
    with telling(receiver.url, **keys) as output:
        output.send(verdict("fail"))
    return receiver.taken[-1]


def test_a_receiver_can_tell_that_a_verdict_is_ours_as_the_page_says(
    receiver: WebReceiver, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text(SECRET + "\n", encoding="ascii")
    encoded = "whsec_" + base64.b64encode(SECRET.encode()).decode()
    ways: tuple[dict[str, object], ...] = (
        {"secret": SECRET},
        {"secret": encoded},
        {"secret_file": str(tmp_path / "secret")},
    )

    for keys in ways:
        taken = signed(receiver, **keys)
        assert genuine()(taken.headers, taken.body, SECRET.encode())


@pytest.mark.parametrize("changed", ["body", "id", "secret", "moment", "signature"])
def test_what_is_not_ours_or_was_recorded_is_found_out(receiver: WebReceiver, changed: str) -> None:
    taken, secret = signed(receiver, secret=SECRET), SECRET
    headers, body = dict(taken.headers), taken.body
    if changed == "body":
        body = body.replace(b"fail", b"pass")
    elif changed == "secret":
        secret = secret[::-1]
    elif changed == "id":
        headers["webhook-id"] += "1"
    elif changed == "moment":
        headers["webhook-timestamp"] = str(int(headers["webhook-timestamp"]) - 301)
    else:
        headers["webhook-signature"] = "v1,"

    assert not genuine()(headers, body, secret.encode())


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
def test_every_2xx_is_told(receiver: WebReceiver, code: int) -> None:
    receiver.answer = status(code)
    with telling(receiver.url) as output:
        output.send(verdict("pass", "1"))
        output.send(verdict("pass", "2"))

    assert len(receiver.taken) == 2


@pytest.mark.parametrize(
    ("code", "name"),
    [(400, "Bad Request"), (413, "Request Entity Too Large"), (422, "Unprocessable Entity")],
)
def test_what_the_receiver_does_not_want_is_refused_for_good_and_the_next_one_told(
    receiver: WebReceiver, code: int, name: str
) -> None:
    receiver.answer = status(code)
    with telling(receiver.url) as output:
        found = fault(output, OutputRefused)
        receiver.answer = status(204)
        output.send(verdict("pass", "2"))

    assert found == (
        f"webhook output 127.0.0.1:{receiver.port}: answered {code} {name} "
        f"to verdict 0123456789abcdef-1; expected 2xx; it is not told again"
    )
    assert len(receiver.taken) == 2


@pytest.mark.parametrize("code", [401, 403, 404, 405, 408, 409, 410, 429, 500, 502, 503, 504, 599])
def test_other_answers_are_an_error_and_the_verdict_is_told_later(
    receiver: WebReceiver, code: int
) -> None:
    receiver.answer = status(code)
    with telling(receiver.url) as output:
        found = fault(output)
        receiver.answer = status(204)
        output.send(verdict("pass"))

    assert found.startswith(f"webhook output 127.0.0.1:{receiver.port}: answered {code}")
    assert found.endswith("; expected 2xx; are url, token and headers right?")


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_redirects_are_not_followed(receiver: WebReceiver, code: int) -> None:
    receiver.answer = status(code, Location=receiver.url + "/elsewhere")
    with telling(receiver.url) as output:
        found = fault(output)

    assert found.endswith("; expected a url that redirects nowhere")
    assert len(receiver.taken) == 1


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("code", [429, 503])
def test_a_receiver_that_wants_to_be_left_alone_is_not_asked_before(
    receiver: WebReceiver, code: int, form: str
) -> None:
    wanted = "2" if form == "seconds" else email.utils.formatdate(time.time() + 5, usegmt=True)
    receiver.answer = status(code, Retry_After=wanted)
    with telling(receiver.url) as output:
        first, began = fault(output), time.monotonic()
        second = fault(output)
        receiver.answer = status(204)
        asked = len(receiver.taken)
        until(lambda: is_told(output))
        took = time.monotonic() - began

    assert re.search(rf"answered {code} .*; it is asked again in \d s$", first)
    assert re.search(r": wants nothing for another \d s; it is asked again then$", second)
    assert asked == 1
    assert took > 1


def is_told(output: WebhookOutput) -> bool:
    try:
        output.send(verdict("pass"))
    except OutputError:
        return False
    return True


@pytest.mark.parametrize(
    "wanted",
    [
        "",
        "soon",
        "-5",
        "1e9",
        "²",
        "Mon, 99 Foo 2026 00:00:00 GMT",
        "Thu, 01 Jan 1970 00:00:00 GMT",
    ],
)
def test_a_time_to_wait_that_is_none_is_as_if_it_were_not_there(wanted: str) -> None:
    assert webhook._quiet(wanted) == 0


@pytest.mark.parametrize("wanted", ["9" * 100, "Fri, 31 Dec 9999 23:59:59 GMT", "86400"])
def test_nobody_is_left_alone_for_longer_than_an_hour(wanted: str) -> None:
    assert webhook._quiet(wanted) == 3600


def drip(data: bytes, first: bytes = b"") -> Answer:
    """Return what sends a little, again and again, as long as anybody listens."""

    def answer(handler: Handler) -> None:
        with suppress(OSError):
            handler.raw(first)
            while True:
                handler.raw(data)
                time.sleep(0.05)

    return answer


def raw(data: bytes) -> Answer:
    return lambda handler: handler.raw(data)


SLOW = "no answer within 1 s; is it overloaded, or timeout_ms too short?"
NO_HTTP = "what answers does not speak HTTP; is the url right?"
STRANGE: dict[str, tuple[Answer, str]] = {
    "drips a head": (drip(b"x"), SLOW),
    "drips headers": (drip(b"a", b"HTTP/1.1 200 OK\r\n"), SLOW),
    "goes on with 100": (drip(b"HTTP/1.1 100 Continue\r\n\r\n"), SLOW),
    "garbage": (raw(b"\x15\x03\x01\x00\x02\x02\n\n"), NO_HTTP),
    "a header without end": (raw(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000 + b"\r\n"), NO_HTTP),
    "headers without end": (raw(b"HTTP/1.1 200 OK\r\n" + b"A: x\r\n" * 200), NO_HTTP),
    "nothing": (
        raw(b""),
        "it closed the connection without an answer; is it running, and is the url right?",
    ),
    "a reset": (
        lambda handler: handler.reset(),
        "Connection reset by peer; is it running, and is the url right?",
    ),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_answers_strangely_is_an_error_in_time_and_the_next_verdict_is_told(
    receiver: WebReceiver, name: str
) -> None:
    receiver.answer, expected = STRANGE[name]
    keys = QUICK if expected == SLOW else {}
    with telling(receiver.url, **keys) as output:
        began = time.monotonic()
        found = fault(output)
        took = time.monotonic() - began
        receiver.answer = status(204)
        until(lambda: is_told(output))

    assert found == f"webhook output 127.0.0.1:{receiver.port}: {expected}"
    assert took < 10


@pytest.mark.parametrize("answer", [raw, drip], ids=["ends", "drips"])
def test_what_was_answered_with_2xx_is_told_even_if_the_answer_has_no_end(
    receiver: WebReceiver, answer: Callable[[bytes], Answer]
) -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx"
    receiver.answer = raw(half) if answer is raw else drip(b"x", half)
    with telling(receiver.url, **QUICK) as output:
        output.send(verdict("pass", "1"))
        receiver.answer = status(204)
        output.send(verdict("pass", "2"))

    assert len(receiver.taken) == 2


def test_a_receiver_that_says_nothing_is_given_up_in_time(receiver: WebReceiver) -> None:
    receiver.answer = lambda _: time.sleep(3)
    with telling(receiver.url, **QUICK) as output:
        found = fault(output)

    assert found == f"webhook output 127.0.0.1:{receiver.port}: {SLOW}"


def test_an_answer_larger_than_anybody_needs_is_cut_off_and_counts(receiver: WebReceiver) -> None:
    receiver.answer = lambda handler: handler.plain(200, b"x" * 1_000_000)
    with telling(receiver.url) as output:
        output.send(verdict("pass", "1"))
        output.send(verdict("pass", "2"))

    assert len(receiver.taken) == 2


def test_the_certificate_of_the_receiver_is_checked(authority: Path) -> None:
    receiver = WebReceiver(authority)
    try:
        with telling(receiver.url, ca=str(authority / "ca.crt")) as output:
            output.send(verdict("pass"))
        with telling(receiver.url) as output:
            found = fault(output)
        with telling(receiver.url.replace("https", "http")) as output:
            plain = fault(output)
    finally:
        receiver.stop()

    where = f"webhook output 127.0.0.1:{receiver.port}"
    assert len(receiver.taken) == 1
    assert found.startswith(f"{where}: its certificate is refused: ")
    assert found.endswith("; expected one that ca signed")
    assert plain.startswith(f"{where}: ")


def test_a_receiver_without_tls_is_no_receiver_for_https(receiver: WebReceiver) -> None:
    with telling(receiver.url.replace("http", "https")) as output:
        found = fault(output)

    assert found == (
        f"webhook output 127.0.0.1:{receiver.port}: "
        f"what answers does not speak TLS; is the url right?"
    )


def test_a_name_that_nobody_knows_is_said() -> None:
    with telling("http://nobody.invalid/") as output:
        found = fault(output)

    assert found.startswith("webhook output nobody.invalid:80: ")
    assert found.endswith("; is it running, and is the url right?")


@pytest.mark.parametrize("answer", [500, 422, 301, "reset", "gone"])
def test_what_is_secret_in_a_table_is_in_no_message(
    receiver: WebReceiver, answer: int | str
) -> None:
    if isinstance(answer, int):
        receiver.answer = status(answer)
    elif answer == "reset":
        receiver.answer = lambda handler: handler.reset()
    else:
        receiver.stop()
    place = f"127.0.0.1:{receiver.port}/hidden-path?key=hidden-query"
    tables: tuple[dict[str, object], ...] = (
        {"url": f"http://{place}", "token": "hidden-token", "secret": SECRET},
        {"url": f"http://joe:hidden-password@{place}"},
    )
    for table in tables:
        with telling(**table) as output:  # type: ignore[arg-type]
            kind = OutputRefused if answer == 422 else OutputError
            assert fault(output, kind)
            assert not [word for word in HIDDEN if word in repr(output._receiver)]


def test_a_receiver_that_is_away_costs_no_memory_and_no_files(receiver: WebReceiver) -> None:
    with telling(receiver.url) as output:
        output.send(verdict("pass"))
        receiver.stop()
        fault(output)
        before = held()
        for _ in range(50):
            fault(output)
        after = held()

    assert (after.threads, after.files) == (before.threads, before.files)
