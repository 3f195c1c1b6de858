"""Who may read a station by OPC UA, and whether anybody else can listen.

A server that has a certificate speaks only encrypted; one that has a password lets nobody in
without it. The library decides neither by itself: a client may always ask for a channel without
encryption (to find out what there is), and a session on it is refused here.
"""

import hmac
from dataclasses import dataclass, field
from pathlib import Path

from edgecls.errors import ConfigError
from edgecls_runtime.loopback import is_own


@dataclass(frozen=True, slots=True)
class Access:
    """Who may read.

    Attributes:
        user: Name that a client must give; empty lets everybody in.
        password: Of the user; not shown.
        certificate: PEM or DER file of ours; None does not encrypt.
        private_key: PEM or DER file that belongs to it.
        trusted: PEM or DER files of the clients that may come; empty lets any come.

    """

    user: str
    password: str = field(repr=False)
    certificate: Path | None
    private_key: Path | None
    trusted: tuple[Path, ...]

    def __post_init__(self) -> None:
        """Refuse one half without the other."""
        if bool(self.user) != bool(self.password):
            missing = "user" if self.password else "password"
            raise ConfigError(f"outputs.{missing}: required with the other of user and password")
        if (self.certificate is None) != (self.private_key is None):
            missing = "certificate" if self.certificate is None else "private_key"
            raise ConfigError(
                f"outputs.{missing}: required with the other of certificate and private_key"
            )
        if self.trusted and self.certificate is None:
            raise ConfigError(
                "outputs.certificate: required with trusted; clients show who they are only "
                "where both sides encrypt"
            )

    def check(self, host: str) -> None:
        """Refuse to be open to others without knowing who they are."""
        if is_own(host) or (self.certificate is not None and (self.user or self.trusted)):
            return
        raise ConfigError(
            f"outputs.certificate: required with host {host!r}, with private_key, and user and "
            f"password or trusted; without them, everybody there could read results; "
            f"expected all of them, or host = '127.0.0.1'"
        )

    def admits(self, user: str | None, password: str | None, shown: bytes | None) -> bool:
        """Return whether a client may have a session.

        Args:
            user: As it said; None where it is anonymous.
            password: Likewise.
            shown: Its certificate, DER, of an encrypted channel; None on one that is not.

        """
        if self.certificate is not None and shown is None:
            return False
        return not self.user or (_same(user, self.user) and _same(password, self.password))


def _same(said: str | None, wanted: str) -> bool:
    return hmac.compare_digest((said or "").encode(), wanted.encode())
