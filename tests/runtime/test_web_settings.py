"""Who may reach the page: what would let strangers in is refused in one line."""

from pathlib import Path

import pytest

from edgecls import schema
from edgecls.errors import ConfigError
from edgecls_runtime import config
from edgecls_runtime.web.logins import read_secrets
from edgecls_runtime.web.settings import WebSettings

LOGIN = {"token_file": "token"}
TLS = {"certificate": "a.pem", "key": "b.pem"}


def settings(**keys: object) -> WebSettings:
    return schema.call(WebSettings, keys, "web")


@pytest.mark.parametrize(
    ("keys", "lacks"),
    [
        (
            {},
            (
                "without a login (token_file, or user and password_file) and without "
                "TLS (certificate and key)"
            ),
        ),
        (TLS, "without a login (token_file, or user and password_file)"),
        (LOGIN, "without TLS (certificate and key)"),
    ],
    ids=["neither", "no login", "no TLS"],
)
@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::", "station.example", ""])  # noqa: S104 - that is the test
def test_the_network_gets_in_only_with_a_login_and_tls(
    host: str, keys: dict[str, object], lacks: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(host=host, **keys)

    assert str(caught.value) == (
        f"web.host: {host} opens the page to the network {lacks}; give them, or listen at 127.0.0.1"
    )


def test_the_network_gets_in_with_a_login_and_tls() -> None:
    found = settings(host="0.0.0.0", **LOGIN, **TLS)  # noqa: S104 - that is the test

    assert found.url(8700) == "https://0.0.0.0:8700"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_this_machine_gets_in_without_either(host: str) -> None:
    assert settings(host=host).is_local


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"port": 65_536}, "web.port: 65536; expected 0 to 65535"),
        (
            {"token": "x" * 20, "token_file": "t"},
            "web.token: not together with token_file; leave one out",
        ),
        ({"user": "joe"}, "web.password_file: not given; user and password_file go together"),
        ({"password_file": "p"}, "web.user: not given; user and password_file go together"),
        ({"key": "k"}, "web.certificate: not given; certificate and key go together"),
        ({"certificate": "c"}, "web.key: not given; certificate and key go together"),
        (
            {"address": "line3.example"},
            "web.address: 'line3.example'; expected such as 'https://line3.example'",
        ),
        (
            {"address": "https://joe:pw@line3.example"},
            "web.address: 'https://joe:pw@line3.example'; expected such as 'https://line3.example'",
        ),
        (
            {"open_on_loopback": True, "token": "x" * 20},
            (
                "web.open_on_loopback: not together with a login, an address or another host; "
                "leave it out"
            ),
        ),
        (
            {"open_on_loopback": True, "address": "https://line3.example"},
            (
                "web.open_on_loopback: not together with a login, an address or another host; "
                "leave it out"
            ),
        ),
        (
            {"colour": "blue"},
            (
                "web.colour: unknown key; known keys are host, port, token, token_file, user, "
                "password_file, certificate, key, address, open_on_loopback"
            ),
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else " ".join(value),
)
def test_what_cannot_be_meant_is_refused(keys: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(**keys)

    assert str(caught.value) == message


def test_the_table_stands_in_the_station_file(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text(
        'bundle = "b"\ncamera = {kind = "folder", path = "p"}\nrule = {good = ["ok"]}\n'
        '[web]\nport = 8800\ntoken_file = "token"\n',
        encoding="utf-8",
    )

    assert config.read(path).web == WebSettings(port=8800, token_file=tmp_path / "token")


def test_a_token_in_a_file_is_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("0123456789abcdef\nsecond\n", encoding="utf-8")
    path.chmod(0o600)

    assert read_secrets(WebSettings(token_file=path)).token == "0123456789abcdef"  # noqa: S105 - of this test


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        (
            "0123456789abcdef",
            0o644,
            "web.token_file: {path}: others may read it; run: chmod 600 {path}",
        ),
        (
            "short",
            0o600,
            "web.token_file: 5 characters; expected at least 16, as of: openssl rand -hex 16",
        ),
        (
            "",
            0o600,
            "web.token_file: 0 characters; expected at least 16, as of: openssl rand -hex 16",
        ),
        (
            None,
            0,
            "web.token_file: {path}: No such file or directory; expected a file with one line",
        ),
    ],
    ids=["open", "short", "empty", "missing"],
)
def test_a_secret_that_is_none_is_refused(
    tmp_path: Path, text: str | None, mode: int, message: str
) -> None:
    path = tmp_path / "token"
    if text is not None:
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)

    with pytest.raises(ConfigError) as caught:
        read_secrets(WebSettings(token_file=path))

    assert str(caught.value) == message.format(path=path)


def test_a_token_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        read_secrets(WebSettings(token="secret"))  # noqa: S106 - of this test

    assert str(caught.value) == (
        "web.token: 6 characters; expected at least 16, as of: openssl rand -hex 16"
    )
