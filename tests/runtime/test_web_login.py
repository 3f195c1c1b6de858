"""Who is let in: with what, how often, for how long. Over real HTTP."""

import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from edgecls.errors import ConfigError
from edgecls_runtime.web import door
from edgecls_runtime.web.logins import (
    IDLE_S,
    LONGEST_S,
    MOST_SESSIONS,
    WITHIN_S,
    Secrets,
    Sessions,
    Tries,
)
from edgecls_runtime.web.serving import Web
from edgecls_runtime.web.session_file import SessionFile
from trigger_sources import certificates, missing
from web_station import TOKEN, WAIT_S, Answer, Station, ask, page_of, station_of

OTHER = "fedcba9876543210fedc"


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    with station_of(tmp_path) as station:
        yield station


@pytest.fixture
def page(station: Station) -> Iterator[Web]:
    with page_of(station) as page:
        yield page


def origin(page: Web) -> dict[str, str]:
    return {"Origin": f"http://127.0.0.1:{page.port}"}


def login(page: Web, **shown: str) -> Answer:
    return ask(page, "/login", "POST", shown, signed=False, **origin(page))


def cookie(answer: Answer) -> str:
    return str(answer.headers["Set-Cookie"]).partition(";")[0]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_nothing_but_the_login_answers_a_stranger(page: Web) -> None:
    found = {
        (way.method, way.path): ask(
            page,
            way.path.replace("{id}", "x-1").replace("{name}", "page.js"),
            way.method,
            {} if way.method == "POST" else None,
            signed=False,
            **origin(page),
        ).status
        for way in page.ways
        if not way.path.startswith("/login")
    }

    assert len(found) >= 18
    assert set(found.values()) == {401}


@pytest.mark.parametrize("path", ["/nothing", "/api", "/api/", "/static/../login", "/loginx", "//"])
def test_a_stranger_is_not_told_what_there_is(page: Web, path: str) -> None:
    assert ask(page, path, signed=False).status == 401


def test_a_stranger_with_a_browser_is_shown_the_login(page: Web) -> None:
    answer = ask(page, "/", signed=False, Accept="text/html,*/*")

    assert answer.status == 401
    assert b'id="by-token"' in answer.body


def test_what_the_login_gives_away_is_its_own(page: Web) -> None:
    found = {
        name: ask(page, f"/login/{name}", signed=False).status
        for name in ("login.css", "login.js", "icon.svg", "page.js", "index.html", "login.html")
    }

    assert [name for name, status in found.items() if status == 200] == [
        "login.css",
        "login.js",
        "icon.svg",
    ]
    assert set(found.values()) == {200, 404}


def test_the_token_signs_in_and_the_cookie_stays_in_the_browser(page: Web) -> None:
    answer = login(page, token=TOKEN)

    given = str(answer.headers["Set-Cookie"])
    assert answer.status == 200
    assert re.search(
        rf"^edgecls-{page.port}=[\w-]{{43}}; HttpOnly; Max-Age=\d+; Path=/; SameSite=strict$", given
    )
    assert ask(page, "/api/status", signed=False, Cookie=cookie(answer)).status == 200


def test_a_cookie_that_nobody_was_given_is_worth_nothing(page: Web) -> None:
    login(page, token=TOKEN)

    for made_up in (f"edgecls-{page.port}=guess", f"edgecls-{page.port}=", "edgecls=1", ";;=="):
        assert ask(page, "/api/status", signed=False, Cookie=made_up).status == 401


def test_who_signs_out_is_out(page: Web) -> None:
    shown = cookie(login(page, token=TOKEN))

    answer = ask(page, "/logout", "POST", {}, signed=False, Cookie=shown, **origin(page))

    assert answer.status == 200
    assert ask(page, "/api/status", signed=False, Cookie=shown).status == 401


@pytest.mark.parametrize("shown", ["bearer", "Bearer"])
def test_programs_show_the_token_with_each_request(page: Web, shown: str) -> None:
    header = f"{shown} {TOKEN}"

    assert ask(page, "/api/status", signed=False, Authorization=header).status == 200


@pytest.mark.parametrize(
    "header", [f"Bearer {OTHER}", "Bearer", f"Basic {TOKEN}", f"Token {TOKEN}", "Basic ???"]
)
def test_a_wrong_token_is_refused(page: Web, header: str) -> None:
    answer = ask(page, "/api/status", signed=False, Authorization=header)

    assert answer.status == 401
    assert answer.table == {"error": "not signed in; expected a session or a token"}
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_name_and_password_sign_in_too(station: Station) -> None:
    path = station.folder / "password"
    path.write_text("correct horse\n", encoding="utf-8")
    path.chmod(0o600)
    with page_of(station, user="joe", password_file=path, token="") as page:
        state = ask(page, "/login/state", signed=False).table
        wrong = login(page, user="joe", password="wrong horse")  # noqa: S106 - of this test
        stranger = login(page, user="", password="correct horse")  # noqa: S106 - likewise
        right = login(page, user="joe", password="correct horse")  # noqa: S106 - likewise
        basic = "Basic " + b64encode(b"joe:correct horse").decode()

        assert state == {"signed_in": False, "ways": ["password"]}
        assert (wrong.status, stranger.status, right.status) == (401, 401, 200)
        assert ask(page, "/api/status", signed=False, Authorization=basic).status == 200


def test_without_a_login_in_the_file_a_link_is_printed_that_opens_once(station: Station) -> None:
    with page_of(station, token="") as page:
        found = re.fullmatch(
            rf"web page: http://127\.0\.0\.1:{page.port}/login#link=(\S+) \(opens once\)",
            station.said[0],
        )
        assert found

        first, second = login(page, link=found[1]), login(page, link=found[1])

        assert (first.status, second.status) == (200, 401)
        assert ask(page, "/api/status", signed=False, Cookie=cookie(first)).status == 200
        assert login(page, link="").status == login(page, token="").status == 401
        assert ask(page, "/api/status", signed=False, Authorization="Bearer ").status == 401


def test_a_kiosk_needs_no_login_and_still_no_other_site_gets_in(station: Station) -> None:
    with page_of(station, token="", open_on_loopback=True) as page:
        mine = ask(page, "/api/status", signed=False)
        asked = ask(page, "/api/recipe", "POST", {"recipe": "M8"}, signed=False, **origin(page))
        elsewhere = ask(
            page, "/api/recipe", "POST", {"recipe": "M8"}, signed=False, Origin="http://evil.test"
        )
        none = ask(page, "/api/recipe", "POST", {"recipe": "M8"}, Authorization="Bearer x")

        assert (mine.status, asked.status, elsewhere.status, none.status) == (200, 200, 403, 403)


def test_who_is_wrong_five_times_waits(page: Web) -> None:
    wrong = [login(page, token=OTHER).status for _ in range(5)]
    late = login(page, token=TOKEN)
    header = ask(page, "/api/status", signed=True)

    assert wrong == [401] * 5
    assert late.status == header.status == 429
    assert 0 < int(late.headers["Retry-After"]) <= WITHIN_S + 1
    assert re.fullmatch(r"too many wrong tries; wait \d+ s", str(late.table["error"]))


def test_who_is_signed_in_stays_so_while_somebody_guesses(page: Web) -> None:
    shown = cookie(login(page, token=TOKEN))
    for _ in range(6):
        ask(page, "/api/status", signed=False, Authorization=f"Bearer {OTHER}")

    assert ask(page, "/api/status", signed=False, Cookie=shown).status == 200


def test_tries_are_forgotten_after_a_minute() -> None:
    tries = Tries(clock := Clock())
    for _ in range(5):
        tries.failed("10.0.0.7")

    assert tries.wait("10.0.0.7") == WITHIN_S
    assert tries.wait("10.0.0.8") == 0
    clock.now += WITHIN_S
    assert tries.wait("10.0.0.7") == 0


def test_the_addresses_of_one_ipv6_network_are_one_client() -> None:
    tries = Tries(Clock())
    for last in range(5):
        tries.failed(f"2001:db8:0:1::{last}")

    assert tries.wait("2001:db8:0:1:ffff::1") > 0
    assert tries.wait("2001:db8:0:2::1") == 0


def test_many_addresses_that_guess_wait_too() -> None:
    tries = Tries(Clock())
    for number in range(60):
        tries.failed(f"10.0.{number}.1")

    assert tries.wait("10.1.1.1") > 0


def test_a_session_ends_when_nobody_looks_and_at_the_latest_after_a_month() -> None:
    sessions = Sessions(clock := Clock())
    idle, busy = sessions.begin("joe"), sessions.begin("ann")

    clock.now += IDLE_S - 1
    assert sessions.who(busy) == "ann"
    clock.now += 2
    assert (sessions.who(idle), sessions.who(busy)) == ("", "ann")
    while clock.now < 1000 + LONGEST_S:
        clock.now += IDLE_S - 1
        last = sessions.who(busy)
    assert last == ""


def test_who_is_signed_in_stays_so_over_a_restart_and_not_with_another_token(
    station: Station,
) -> None:
    with page_of(station) as page:
        port, shown = page.port, cookie(login(page, token=TOKEN))
        gone = cookie(login(page, token=TOKEN))
        ask(page, "/logout", "POST", {}, signed=False, Cookie=gone, **origin(page))
    kept = station.journal_path.with_name("verdicts.db-sessions")
    with page_of(station, port=port) as page:
        after = [ask(page, "/api/status", signed=False, Cookie=one).status for one in (shown, gone)]
    with page_of(station, port=port, token=OTHER) as page:
        other = ask(page, "/api/status", signed=False, Cookie=shown).status

    assert (after, other) == ([200, 401], 401)
    assert kept.stat().st_mode & 0o777 == 0o600
    assert shown.partition("=")[2] not in kept.read_text(encoding="ascii")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"for": 1}', "\0", '{"for": "", "sessions": 7}'])
def test_a_damaged_file_of_sessions_signs_nobody_in(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sessions"
    path.write_text(text, encoding="ascii")

    assert SessionFile(path, Secrets()).sessions.kept == {}


def test_sessions_take_bounded_memory() -> None:
    sessions = Sessions(Clock())
    first = sessions.begin("first")
    others = [sessions.begin("other") for _ in range(MOST_SESSIONS)]

    assert sessions.who(first) == ""
    assert all(sessions.who(one) for one in others)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    if reason := missing("openssl"):
        pytest.skip(reason)
    certificates(tmp_path)
    return tmp_path


def test_with_tls_the_cookie_never_travels_in_the_clear(station: Station, files: Path) -> None:
    keys = {"certificate": files / "server.crt", "key": files / "server.key"}
    trusted = ssl.create_default_context(cafile=files / "ca.crt")
    with page_of(station, host="0.0.0.0", **keys) as page:  # noqa: S104 - opened on purpose
        connection = HTTPSConnection("127.0.0.1", page.port, timeout=WAIT_S, context=trusted)
        headers = {"Content-Type": "application/json", "Origin": f"https://127.0.0.1:{page.port}"}
        connection.request("POST", "/login", f'{{"token": "{TOKEN}"}}', headers)
        answer = connection.getresponse()
        given = answer.headers["Set-Cookie"]
        connection.close()

        assert answer.status == 200
        assert given.startswith(f"__Host-edgecls-{page.port}=")
        assert "; Secure" in given


def test_whoever_does_not_speak_tls_is_cut_off(
    station: Station, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "HANDSHAKE_S", 0.5)
    keys = {"certificate": files / "server.crt", "key": files / "server.key"}
    with (
        page_of(station, **keys) as page,
        closing(socket.create_connection(("127.0.0.1", page.port), WAIT_S)) as silent,
    ):
        assert silent.recv(100) == b""


def test_behind_a_proxy_the_page_answers_to_its_name(station: Station) -> None:
    with page_of(station, address="https://line3.example") as page:
        named = {"Host": "line3.example", "Origin": "https://line3.example"}
        signed_in = ask(page, "/login", "POST", {"token": TOKEN}, signed=False, **named)
        other = ask(page, "/api/status", Host="line4.example")

        assert signed_in.status == 200
        assert "; Secure" in str(signed_in.headers["Set-Cookie"])
        assert ask(page, "/api/status", signed=False, Host="line3.example",
                   Cookie=cookie(signed_in)).status == 200  # fmt: skip
        assert other.status == 421
        assert page.url == "https://line3.example"


def test_a_certificate_that_does_not_fit_its_key_is_refused(station: Station, files: Path) -> None:
    names = {"certificate": files / "server.crt", "key": files / "ca.key"}
    with pytest.raises(ConfigError) as caught, page_of(station, **names):
        pass

    text = str(caught.value)
    assert text.startswith(f"web.certificate: {names['certificate']} with {names['key']}: ")
    assert text.endswith("; expected two PEM files that belong together")


def test_a_port_that_is_taken_is_said(station: Station) -> None:
    with (
        page_of(station) as page,
        pytest.raises(ConfigError) as caught,
        page_of(station, port=page.port),
    ):
        pass

    assert str(caught.value) == (
        f"web 127.0.0.1:{page.port}: Address already in use; "
        f"expected a free port of this machine; set another one as web.port"
    )
