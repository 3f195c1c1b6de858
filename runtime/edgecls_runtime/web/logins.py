"""Who is signed in, and who tries too often."""

import hashlib
import hmac
import ipaddress
import secrets
import time
from base64 import b64decode
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from edgecls_runtime.web.settings import (
    SHORTEST_PASSWORD,
    SHORTEST_TOKEN,
    WebSettings,
    check_length,
    first_line,
)

# A screen that shows the page all day stays signed in; one that is closed does not for long.
IDLE_S, LONGEST_S = 12 * 3600.0, 30 * 86_400.0
MOST_SESSIONS = 64
# Wrong tries within a minute, of one address and of all.
TRIES, ALL_TRIES, WITHIN_S = 5, 60, 60.0
MOST_ADDRESSES = 1024

Clock = Callable[[], float]
_NONE: Mapping[bytes, "Session"] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Secrets:
    """What opens the page; empty ones open nothing."""

    token: str = ""
    user: str = ""
    password: str = ""

    def by_token(self, shown: str) -> str:
        """Return who showed the token; empty when it is wrong."""
        return "token" if self.token and same(shown, self.token) else ""

    def by_password(self, user: str, password: str) -> str:
        """Return who showed name and password; empty when either is wrong."""
        # Both are compared, so that the time tells neither.
        right = same(user, self.user) & same(password, self.password)
        return self.user if self.user and right else ""

    def by_header(self, header: str) -> str:
        """Return who a header ``Authorization`` shows; empty when nobody."""
        kind, _, shown = header.partition(" ")
        if kind.lower() == "bearer":
            return self.by_token(shown.strip())
        if kind.lower() != "basic":
            return ""
        try:
            user, _, password = b64decode(shown, validate=True).decode().partition(":")
        except ValueError:
            return ""
        return self.by_password(user, password)


def read_secrets(settings: WebSettings) -> Secrets:
    """Return what opens the page.

    Raises:
        ConfigError: A file is missing, open to others, or what it holds is too short.

    """
    token, password = settings.token, ""
    if settings.token_file:
        token = first_line(settings.token_file, "token_file", SHORTEST_TOKEN)
    elif token:
        check_length(token, "token", SHORTEST_TOKEN)
    if settings.password_file:
        password = first_line(settings.password_file, "password_file", SHORTEST_PASSWORD)
    return Secrets(token, settings.user, password)


def same(one: str, other: str) -> bool:
    """Return whether two texts are the same, in a time that tells nothing about them."""
    return hmac.compare_digest(_digest(one), _digest(other))


@dataclass(slots=True)
class Session:
    """Somebody who is signed in.

    Attributes:
        who: Name, or what they signed in with.
        began: Seconds of the clock, like ``seen``.
        seen: When they asked for something last.

    """

    who: str
    began: float
    seen: float


class Sessions:
    """Who is signed in. Only digests of their cookies are kept.

    Attributes:
        kept: By the digest of the cookie; who was seen longest ago comes first.

    """

    def __init__(self, clock: Clock = time.time, kept: Mapping[bytes, Session] = _NONE) -> None:
        """Begin.

        Args:
            clock: Seconds since 1970: sessions may outlive the process.
            kept: Those of an earlier process.

        """
        self._clock = clock
        self.kept = OrderedDict(kept)

    def begin(self, who: str) -> str:
        """Return the cookie of a new session; the one that was seen longest ago may have to go."""
        cookie, now = secrets.token_urlsafe(32), self._clock()
        while len(self.kept) >= MOST_SESSIONS:
            self.kept.popitem(last=False)
        self.kept[_digest(cookie)] = Session(who, now, now)
        return cookie

    def who(self, cookie: str) -> str:
        """Return whose session a cookie is; empty when it is none, or over."""
        key, now = _digest(cookie), self._clock()
        found = self.kept.get(key)
        if found is None:
            return ""
        if now - found.seen > IDLE_S or now - found.began > LONGEST_S:
            del self.kept[key]
            return ""
        found.seen = now
        self.kept.move_to_end(key)
        return found.who

    def end(self, cookie: str) -> None:
        """Sign out."""
        self.kept.pop(_digest(cookie), None)


class Link:
    """A link that signs in once."""

    def __init__(self) -> None:
        """Make one."""
        self.secret = secrets.token_urlsafe(24)

    def use(self, shown: str) -> bool:
        """Return whether it opens; it then never does again."""
        if not self.secret or not same(shown, self.secret):
            return False
        self.secret = ""
        return True


@dataclass
class Tries:
    """Wrong tries of late: whoever makes many has to wait.

    Attributes:
        clock: Monotonic seconds.

    """

    clock: Clock = time.monotonic
    _by_address: "OrderedDict[str, deque[float]]" = field(default_factory=OrderedDict)
    _all: "deque[float]" = field(default_factory=lambda: deque(maxlen=ALL_TRIES))

    def wait(self, address: str) -> float:
        """Return how many seconds an address has to wait before its next try; 0 is none."""
        found = self._by_address.get(_network(address), deque())
        return max(self._left(found, TRIES), self._left(self._all, ALL_TRIES))

    def failed(self, address: str) -> None:
        """Take note of a wrong try."""
        now, network = self.clock(), _network(address)
        kept = self._by_address.setdefault(network, deque(maxlen=TRIES))
        self._by_address.move_to_end(network)
        if len(self._by_address) > MOST_ADDRESSES:
            self._by_address.popitem(last=False)
        kept.append(now)
        self._all.append(now)

    def _left(self, times: "deque[float]", most: int) -> float:
        return max(times[0] + WITHIN_S - self.clock(), 0.0) if len(times) >= most else 0.0


def _network(address: str) -> str:
    """Return an address, or of IPv6 its network: one client has 2**64 addresses there."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address
    return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
