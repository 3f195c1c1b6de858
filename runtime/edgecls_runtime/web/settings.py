"""Who may reach the page, as the ``[web]`` table says it."""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from edgecls.errors import ConfigError

# Shorter ones are guessed; what ``openssl rand -hex 16`` gives is twice as long.
SHORTEST_TOKEN, SHORTEST_PASSWORD = 16, 10
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The ``[web]`` table.

    Without a token and a password the page is signed in to by a link that is printed at the start.

    Attributes:
        host: Address to listen at. Beyond this machine it needs a login and a certificate.
        port: 0 takes a free one.
        token: What to sign in with, and what programs show as ``Authorization: Bearer TOKEN``.
        token_file: A file with the token in its first line, instead.
        user: Name to sign in with, together with ``password_file``.
        password_file: A file with the password in its first line.
        certificate: PEM file of the certificate, with those that lead to its root.
        key: PEM file of its private key.
        address: Where browsers find the page if not at ``host`` and ``port``, as behind a reverse
            proxy: ``https://line3.example``.
        open_on_loopback: Whoever uses this machine needs no login. For a kiosk.

    """

    host: str = "127.0.0.1"
    port: int = 8700
    token: str = ""
    token_file: Path | None = None
    user: str = ""
    password_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    address: str = ""
    open_on_loopback: bool = False

    def __post_init__(self) -> None:
        """Refuse what would let strangers in."""
        if not 0 <= self.port <= 65_535:
            raise ConfigError(f"web.port: {self.port}; expected 0 to 65535")
        if self.token and self.token_file:
            raise ConfigError("web.token: not together with token_file; leave one out")
        if bool(self.user) is not bool(self.password_file):
            missing = "password_file" if self.user else "user"
            raise ConfigError(f"web.{missing}: not given; user and password_file go together")
        if bool(self.certificate) is not bool(self.key):
            missing = "key" if self.certificate else "certificate"
            raise ConfigError(f"web.{missing}: not given; certificate and key go together")
        if self.address and not re.fullmatch(r"https?://[^\s/@]+", self.address):
            raise ConfigError(
                f"web.address: {self.address!r}; expected such as 'https://line3.example'"
            )
        self._check_reach()

    def _check_reach(self) -> None:
        if not self.is_local and not (self.has_login and self.certificate):
            lacks = [
                text
                for text, given in (
                    ("a login (token_file, or user and password_file)", self.has_login),
                    ("TLS (certificate and key)", self.certificate),
                )
                if not given
            ]
            raise ConfigError(
                f"web.host: {self.host} opens the page to the network without "
                f"{' and without '.join(lacks)}; give them, or listen at 127.0.0.1"
            )
        if self.open_on_loopback and (not self.is_local or self.has_login or self.address):
            raise ConfigError(
                "web.open_on_loopback: not together with a login, an address or another host; "
                "leave it out"
            )

    @property
    def has_login(self) -> bool:
        """Whether somebody can sign in with what the file names."""
        return bool(self.token or self.token_file or self.user)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return _is_loopback(self.host)

    @property
    def scheme(self) -> str:
        """What the port speaks."""
        return "https" if self.certificate else "http"

    def is_seen_with_tls(self) -> bool:
        """Return whether browsers come with TLS, here or at a proxy."""
        return bool(self.certificate) or self.address.startswith("https:")

    def names(self, port: int) -> frozenset[str] | None:
        """Return the values of ``Host`` that are ours at a port; None takes any.

        A page elsewhere can have its own name lead to this machine, and then read what is here as
        if it were its own; only its name gives it away. Where a login is needed it gets nothing.
        """
        if not self.is_local and not self.address:
            return None
        found = {self.address.partition("://")[2].lower()} if self.address else set()
        local = ("127.0.0.1", "localhost", "[::1]", bracketed(self.host.lower()))
        found.update(f"{name}:{port}" for name in local)
        if port == PORTS[self.scheme]:
            found.update(local)
        return frozenset(found)

    def url(self, port: int) -> str:
        """Return what to open in a browser."""
        return self.address or f"{self.scheme}://{bracketed(self.host)}:{port}"


def bracketed(host: str) -> str:
    """Return a host as it stands in an address."""
    return f"[{host}]" if ":" in host else host


def first_line(path: Path, key: str, shortest: int) -> str:
    """Return the secret that a file holds.

    Raises:
        ConfigError: No such file, others can read it, or it is too short.

    """
    try:
        mode = path.stat().st_mode
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigError(f"web.{key}: {path}: {reason}; expected a file with one line") from error
    if mode & 0o077:
        raise ConfigError(f"web.{key}: {path}: others may read it; run: chmod 600 {path}")
    secret = lines[0].strip() if lines else ""
    check_length(secret, key, shortest)
    return secret


def check_length(secret: str, key: str, shortest: int) -> None:
    """Raise ConfigError for a secret that is too short."""
    if len(secret) < shortest:
        raise ConfigError(
            f"web.{key}: {len(secret)} characters; expected at least {shortest}, "
            f"as of: openssl rand -hex 16"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name may lead anywhere
