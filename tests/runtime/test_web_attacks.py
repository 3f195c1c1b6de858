"""What a hostile network tries, over real connections, and what it gets: nothing."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from edgecls_runtime.web import door
from edgecls_runtime.web.guard import HEADERS, LARGEST_BODY
from edgecls_runtime.web.serving import Web
from trigger_sources import until
from web_station import TOKEN, WAIT_S, Station, ask, drawn_part, page_of, station_of

BEARER = f"Authorization: Bearer {TOKEN}\r\n"


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    with station_of(tmp_path) as station:
        yield station


@pytest.fixture
def page(station: Station) -> Iterator[Web]:
    with page_of(station) as page:
        yield page


@contextmanager
def connected(page: Web) -> Iterator[socket.socket]:
    with closing(socket.create_connection(("127.0.0.1", page.port), WAIT_S)) as client:
        yield client


def raw(page: Web, request: str) -> str:
    """Send text; return all that is answered until the page closes."""
    with connected(page) as client:
        client.sendall(request.encode("latin-1"))
        return b"".join(iter(lambda: client.recv(65_536), b"")).decode("utf-8", "replace")


def head(page: Web, line: str, extra: str = BEARER) -> str:
    return f"{line} HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\nConnection: close\r\n{extra}\r\n"


def is_closed(client: socket.socket) -> bool:
    try:
        while client.recv(65_536):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../../../etc/passwd",
        "/static/..%2f..%2f..%2fetc%2fpasswd",
        "/static/%2e%2e/serving.py",
        "/static/..%5cserving.py",
        "/static/....//serving.py",
        "/static//etc/passwd",
        "/static/page.js%00.css",
        "/login/..%2fstatic%2fpage.js",
        "/api/images/..%2f..%2fverdicts.db",
        "/api/images/%2fetc%2fpasswd",
        "/api/images/....verdicts.db/../x",
        "/api/verdicts/..%2f1",
    ],
)
def test_no_path_leads_out_of_the_page(page: Web, path: str) -> None:
    answer = raw(page, head(page, f"GET {path}"))

    assert answer.split(" ")[1] in ("400", "404")
    assert "root:" not in answer
    assert "SQLite" not in answer


@pytest.mark.parametrize(
    "verdict_id", ["../verdicts", "..", ".", "a/b", "x" * 101, "é", "", 7, None]
)
def test_a_relabel_names_a_verdict_and_no_file(page: Web, verdict_id: object) -> None:
    answer = ask(page, "/api/relabel", "POST", {"verdict": verdict_id, "label": "ok"})

    assert answer.status in (400, 404)


@pytest.mark.parametrize("label", ["../ok", "a/b", "a\\b", ".hidden", "x" * 65, " ok", "a\x07"])
def test_a_label_is_the_name_of_a_folder_or_refused(
    station: Station, page: Web, label: str
) -> None:
    kept = station.judge(1, "fail", image=drawn_part(1, size=(90, 120)))

    answer = ask(page, "/api/relabel", "POST", {"verdict": kept.id, "label": label})

    assert answer.status == 400
    assert str(answer.table["error"]).startswith("label: ")


@pytest.mark.parametrize(
    "name", ["../bolt-head.bundle", "/etc", "evidence", ".", "", "verdicts.db"]
)
def test_a_bundle_is_chosen_from_those_beside_it(station: Station, page: Web, name: str) -> None:
    answer = ask(page, "/api/bundle", "POST", {"bundle": name})

    assert answer.status == 400
    assert station.changing.changed == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.test"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://127.0.0.1.evil.test"},
        {"Origin": ""},
        {},
        {"Origin": "SELF", "Sec_Fetch_Site": "cross-site"},
        {"Origin": "SELF", "Sec_Fetch_Site": "same-site"},
    ],
    ids=lambda headers: " ".join(headers.values()) or "none",
)
def test_a_page_of_another_site_changes_nothing_with_our_cookie(
    station: Station, page: Web, headers: dict[str, str]
) -> None:
    mine = f"http://127.0.0.1:{page.port}"
    signed_in = ask(page, "/login", "POST", {"token": TOKEN}, signed=False, Origin=mine)
    cookie = str(signed_in.headers["Set-Cookie"]).partition(";")[0]
    sent = {name: mine if value == "SELF" else value for name, value in headers.items()}

    found = [
        ask(page, path, "POST", body, signed=False, Cookie=cookie, **sent).status
        for path, body in (
            ("/api/recipe", {"recipe": "M10 stainless"}),
            ("/api/bundle", {"bundle": "bolt-head-4.bundle"}),
            ("/api/relabel", {"verdict": "x-1", "label": "ok"}),
            ("/logout", {}),
            ("/login", {"token": TOKEN}),
        )
    ]

    assert found == [403] * 5
    assert station.changing.changed == []
    assert ask(page, "/api/status", signed=False, Cookie=cookie).status == 200


def test_a_form_of_another_site_is_not_json(page: Web) -> None:
    answer = ask(
        page,
        "/api/recipe",
        "POST",
        b'{"recipe": "M8", "x": "="}',
        Content_Type="text/plain",
    )

    assert answer.status == 415


def test_another_site_cannot_show_our_pictures(station: Station, page: Web) -> None:
    station.judge(1, image=drawn_part(1, size=(90, 120)))

    answer = ask(page, "/api/live.jpg", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")

    assert answer.status == 403


def test_a_name_that_leads_here_by_a_strangers_will_is_not_ours(page: Web) -> None:
    for host in ("evil.test", f"evil.test:{page.port}", "", "127.0.0.1:1", "127.0.0.1"):
        answer = raw(page, f"GET /api/status HTTP/1.1\r\nHost: {host}\r\n{BEARER}\r\n")

        assert answer.split(" ")[1] == "421"


def test_every_answer_says_what_a_browser_may_do_with_it(page: Web) -> None:
    for path in ("/", "/static/page.js", "/api/status", "/nothing", "/login"):
        for signed in (True, False):
            found = ask(page, path, signed=signed).headers

            assert {name: found[name] for name in HEADERS} == HEADERS
            assert found["Cache-Control"] in ("no-store", "private, no-cache")
            assert "server" not in found


def test_the_page_has_no_script_and_no_style_of_its_own(page: Web) -> None:
    for text in (ask(page, "/").body, ask(page, "/login").body):
        assert b"<style" not in text
        assert b" style=" not in text
        assert b" onclick" not in text
        assert text.count(b"<script") == text.count(b"<script src=") + text.count(
            b'<script type="module" src='
        )
        assert b"http://" not in text.replace(b"http://www.w3.org", b"")
        assert b"https://" not in text


@pytest.mark.parametrize("path", ["/login", "/api/relabel", "/api/recipe"])
def test_a_body_that_is_too_large_is_refused_before_it_is_read(page: Web, path: str) -> None:
    kind = "Content-Type: application/json\r\n"
    origin = f"Origin: http://127.0.0.1:{page.port}\r\n"
    for size in (LARGEST_BODY + 1, 10**12, "9" * 400, "-1", "x"):
        line = head(page, f"POST {path}", f"{BEARER}{kind}{origin}Content-Length: {size}\r\n")

        assert raw(page, line).split(" ")[1] in ("400", "413")


def test_a_body_in_pieces_is_refused_as_soon_as_it_is_too_large(page: Web) -> None:
    origin = f"Origin: http://127.0.0.1:{page.port}\r\n"
    kind = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    piece = "1000\r\n" + "a" * 4096 + "\r\n"

    answer = raw(page, head(page, "POST /login", origin + kind) + piece * 5)

    assert answer.split(" ")[1] == "413"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"{}",
        b'{"recipe": 1}',
        b'{"recipe": "M8", "x": "y"}',
        b"[" * 9000,
    ],
    ids=["nothing", "half", "list", "null", "text", "empty", "number", "more", "deep"],
)
def test_a_body_that_makes_no_sense_is_refused(page: Web, body: bytes) -> None:
    answer = ask(page, "/api/recipe", "POST", body, Content_Type="application/json")

    assert answer.status == 400
    assert str(answer.table["error"]).startswith("body: ")


@pytest.mark.parametrize(
    "query",
    [
        "outcome=lost",
        "most=0",
        "most=201",
        "most=-1",
        "most=1e3",
        "most=" + "9" * 30,
        "since=yesterday",
        "until=2026-11-28T06:00+05:00",
        "before=x",
        "before=2026~x",
        "text=" + "x" * 201,
    ],
)
def test_a_question_that_makes_no_sense_is_refused(page: Web, query: str) -> None:
    answer = ask(page, f"/api/verdicts?{query}")

    assert answer.status == 400
    assert "error" in answer.table


def test_what_is_asked_for_is_never_sql(station: Station, page: Web) -> None:
    station.judge(1, "fail")

    for text in ("'; DROP TABLE verdicts; --", "%25", "_", "\\", "' OR '1'='1"):
        found = ask(page, f"/api/verdicts?text={text.replace(' ', '%20').replace(';', '%3B')}")

        assert found.table["verdicts"] == []


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW"])
def test_only_what_is_offered_is_done(page: Web, method: str) -> None:
    answer = raw(page, head(page, f"{method} /api/status", f"{BEARER}"))

    assert answer.split(" ")[1] in ("403", "405")


def test_nonsense_is_answered_and_the_page_goes_on(page: Web) -> None:
    for text in ("\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", "GET\r\n\r\n", "\x00" * 100 + "\r\n\r\n"):
        assert raw(page, text).startswith(("HTTP/1.1 400", ""))
    assert raw(page, "GET / HTTP/1.1\r\n" + "a: b\r\n" * 10_000).startswith("HTTP/1.1 4")

    assert ask(page, "/api/status").status == 200


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait ten seconds for a test."""
    monkeypatch.setattr(door, "ASKING_S", 0.5)
    monkeypatch.setattr(door, "TAKING_S", 0.5)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    "begun",
    [
        "",
        "\r\n",
        "GET /api/status HTTP/1.1\r\nHost: x\r\n",
        (
            "POST /login HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nOrigin: http://127.0.0.1:PORT\r\n"
            "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        ),
    ],
    ids=["silent", "blank", "half a head", "half a body"],
)
def test_a_client_that_never_ends_its_request_is_cut_off(page: Web, begun: str) -> None:
    with connected(page) as client:
        client.sendall(begun.replace("PORT", str(page.port)).encode())

        assert is_closed(client)


@pytest.mark.usefixtures("hasty")
def test_a_client_that_sends_a_byte_now_and_then_is_cut_off(page: Web) -> None:
    with connected(page) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        end = time.monotonic() + WAIT_S
        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            while time.monotonic() < end:
                client.sendall(b"a")
                time.sleep(0.05)


@pytest.mark.usefixtures("hasty")
def test_a_client_that_does_not_take_what_it_asked_for_is_cut_off(
    station: Station, page: Web
) -> None:
    noise = drawn_part(1, size=(1600, 2400))
    kept = station.judge(1, "fail", image=noise)
    large = station.pictures.find(kept.id)
    assert large is not None
    large.write_bytes(large.read_bytes() + b"\0" * 20_000_000)
    with closing(socket.socket()) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(WAIT_S)
        client.connect(("127.0.0.1", page.port))
        client.sendall(head(page, f"GET /api/images/{kept.id}").encode())
        inside = page._server.server_state.connections
        until(lambda: len(inside) == 1)

        until(lambda: not inside)


def test_more_clients_than_there_is_room_for_are_sent_away(page: Web) -> None:
    with ExitStack() as clients:
        waiting = [clients.enter_context(connected(page)) for _ in range(door.MOST_OF_ONE)]
        until(lambda: len(page._server.server_state.connections) == door.MOST_OF_ONE)
        with connected(page) as late:
            sent_away = is_closed(late)

        assert sent_away
        assert page.refused == 1
        assert waiting[0].fileno() > 0
    until(lambda: len(page._server.server_state.connections) == 0)
    assert ask(page, "/api/status").status == 200


def test_slow_clients_never_delay_a_verdict(station: Station, page: Web) -> None:
    image = drawn_part(1, size=(540, 960))
    with ExitStack() as clients:
        for path in ("/api/events", "/api/live", "/api/verdicts", "/") * 5:
            client = clients.enter_context(connected(page))
            client.sendall(head(page, f"GET {path}").encode())
        took = []
        for number in range(50):
            kept = station.judge(number, tell=False, image=image if number == 0 else None)
            began = time.monotonic()
            station.hub.send(kept)
            took.append(time.monotonic() - began)

    assert sorted(took)[25] < 0.01


def test_a_fault_of_the_page_leaves_the_station_alone(station: Station, page: Web) -> None:
    station.journal_path.with_name("verdicts.db-x").touch()
    page.inside.journal._id = "gone"
    station.judge(1)

    def broken() -> None:
        raise RuntimeError("the page's own fault")

    page.inside.status._ask = broken  # type: ignore[assignment]
    answer = ask(page, "/api/status").table
    health = answer["health"]

    assert isinstance(health, list)
    assert health[0]["text"] == ("its status cannot be read: RuntimeError: the page's own fault")
    assert ask(page, "/api/health").status == 503
    assert page.is_serving


def test_closing_ends_every_stream_at_once(station: Station) -> None:
    with page_of(station) as page, ExitStack() as clients:
        for path in ("/api/events", "/api/live?after=0"):
            client = clients.enter_context(connected(page))
            client.sendall(head(page, f"GET {path}").encode())
        until(lambda: len(page._server.server_state.tasks) == 2)
        began = time.monotonic()
        page.close()

        assert time.monotonic() - began < WAIT_S / 2
        assert not page.is_serving
    left = [thread.name for thread in threading.enumerate() if thread.name == "web page"]
    assert left == []


def test_the_documentation_names_every_address(page: Web) -> None:
    text = (Path(__file__).parents[2] / "docs" / "web.md").read_text(encoding="utf-8")

    for way in page.ways:
        if way.path.startswith("/api/"):
            assert re.search(rf"`?{way.method}\b.*{re.escape(way.path)}`", text), way.path


def test_the_description_is_that_of_the_addresses(page: Web) -> None:
    found = ask(page, "/api/openapi.json").table
    paths = found["paths"]

    assert isinstance(paths, dict)
    described = {(method.upper(), path) for path, table in paths.items() for method in table}
    assert described == {
        (way.method, way.path)
        for way in page.ways
        if way.path.startswith("/api/") or way.method == "POST"
    }
    assert json.dumps(found)
