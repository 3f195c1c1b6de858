"""The answer to a camera that asks for a password: HTTP's Basic and Digest schemes.

Source: RFC 7617 and RFC 7616, with ``qop=auth`` or, as in RFC 2069, none.
"""

import base64
import hashlib
import re
import secrets

HASHES = {"MD5": "md5", "SHA-256": "sha256"}


def authorization(challenges: list[str], path: str, user: str, password: str) -> str | None:
    """Return the header ``Authorization`` for a GET; None where no scheme is known.

    Args:
        challenges: The headers ``WWW-Authenticate``.
        path: Path and query that are asked for.
        user: Not encoded.
        password: Likewise.

    """
    for challenge in sorted(challenges, key=lambda text: not text.lower().startswith("digest")):
        scheme, _, rest = challenge.strip().partition(" ")
        if scheme.lower() == "basic":
            return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        if scheme.lower() == "digest" and (answer := _digest(rest, path, user, password)):
            return answer
    return None


def _digest(challenge: str, path: str, user: str, password: str) -> str | None:
    found = re.findall(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]+))', challenge)
    said = {key.lower(): quoted or plain for key, quoted, plain in found}
    algorithm = said.get("algorithm", "MD5").upper()
    if algorithm not in HASHES or "nonce" not in said:
        return None

    def hashed(*texts: str) -> str:
        return hashlib.new(HASHES[algorithm], ":".join(texts).encode()).hexdigest()

    realm, nonce = said.get("realm", ""), said["nonce"]
    secret, asked = hashed(user, realm, password), hashed("GET", path)
    fields = {"username": user, "realm": realm, "nonce": nonce, "uri": path}
    bare = f"algorithm={algorithm}"
    if "auth" in said.get("qop", "").replace(",", " ").split():
        count, own = "00000001", secrets.token_hex(8)
        fields |= {"cnonce": own, "response": hashed(secret, nonce, count, own, "auth", asked)}
        bare += f", qop=auth, nc={count}"
    else:
        fields["response"] = hashed(secret, nonce, asked)
    if "opaque" in said:
        fields["opaque"] = said["opaque"]
    return "Digest " + ", ".join(f'{key}="{value}"' for key, value in fields.items()) + f", {bare}"
