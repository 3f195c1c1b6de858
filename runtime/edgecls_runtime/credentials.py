"""What of a camera's address may be shown: never a password.

Rather too much is hidden than too little: everything before the last ``@`` counts as a password,
because passwords with ``/``, ``@`` and blanks are typed into addresses without being encoded.
"""

import re
from collections.abc import Mapping

SECRET = r"pass|pwd|secret|token|auth|key"  # noqa: S105 - words that announce a password
# A property of an element in a pipeline, as ``user-pw=...``, or a key of a table.
PROPERTY = rf"""((?:^|[\s:,])[\w-]*(?:{SECRET}|pw)[\w-]*\s*=\s*)("[^"]*"|[^\s,]+)"""


def without_credentials(url: str) -> str:
    """Return an address or a pipeline with its passwords masked, for messages and journals."""
    masked = re.sub(r"://.*@", "://***@", url, flags=re.DOTALL)
    query = rf"([?&][^=&]*(?:{SECRET})[^=&]*=)[^&#]*"
    masked = re.sub(query, r"\1***", masked, flags=re.IGNORECASE)
    return re.sub(PROPERTY, r"\1***", masked, flags=re.IGNORECASE)


def hidden(table: Mapping[str, object]) -> dict[str, object]:
    """Return the settings of a camera or an output with the passwords in them masked."""
    return {key: _hidden(key, value) for key, value in table.items()}


def _hidden(key: str, value: object) -> object:
    is_secret = bool(re.search(SECRET, key, re.IGNORECASE))
    if isinstance(value, Mapping):
        return {name: _hidden(key if is_secret else name, one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(key, one) for one in value]
    if is_secret and isinstance(value, str | int | float) and not isinstance(value, bool):
        return "***"
    return without_credentials(value) if isinstance(value, str) else value
