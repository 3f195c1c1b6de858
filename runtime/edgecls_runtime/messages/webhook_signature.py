"""Headers by which a receiver knows who sent a message, when, and whether it came before.

As the specification Standard Webhooks has it, so that its libraries, which there are for most
languages, check it: ``webhook-signature`` is ``v1,`` and the HMAC-SHA256, in base64, of id,
timestamp and body with dots between. The timestamp is signed, so an old message is no new one.

Source:
    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import time
from pathlib import Path

from edgecls.errors import ConfigError

# What the specification asks for; what is shorter can be guessed from one message.
SHORTEST = 24
ENCODED = "whsec_"
EXPECTED = f"expected {SHORTEST} or more random ones, such as openssl rand -base64 {SHORTEST} makes"


def key(secret: str, file: Path | None) -> bytes:
    """Return the bytes to sign with; none where nothing is to be signed.

    Args:
        secret: As it is, or in base64 behind ``whsec_``; empty is none.
        file: Holds the secret instead.

    Raises:
        ConfigError: Both are given, the file cannot be read, or the secret is too short.

    """
    where = "outputs.secret"
    if file is not None:
        if secret:
            raise ConfigError("outputs.secret: not together with secret_file; expected one of them")
        where = f"outputs.secret_file: {file}"
        try:
            secret = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            text = getattr(error, "strerror", None) or "not UTF-8"
            raise ConfigError(f"{where}: {text}; expected the secret in it") from error
    if not secret and file is None:
        return b""
    found = secret.encode()
    if secret.startswith(ENCODED):
        try:
            found = base64.b64decode(secret.removeprefix(ENCODED), validate=True)
        except binascii.Error:
            raise ConfigError(f"{where}: no base64 behind {ENCODED}; {EXPECTED}") from None
    if len(found) < SHORTEST:
        raise ConfigError(f"{where}: {len(found)} bytes; {EXPECTED}")
    return found


def headers(name: str, body: bytes, signed_with: bytes) -> dict[str, str]:
    """Return the headers of one message, sent now.

    Args:
        name: Id of the message: the same whenever it is sent again.
        body: Of the message.
        signed_with: As ``key`` returns it.

    """
    moment = str(int(time.time()))
    found = {"Idempotency-Key": name, "webhook-id": name, "webhook-timestamp": moment}
    if signed_with:
        signed = f"{name}.{moment}.".encode() + body
        proof = hmac.new(signed_with, signed, hashlib.sha256).digest()
        found["webhook-signature"] = f"v1,{base64.b64encode(proof).decode()}"
    return found
