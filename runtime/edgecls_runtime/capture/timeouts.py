"""A camera's ``timeout_ms`` and its kin: one check, one message."""

from edgecls.errors import ConfigError

LONGEST_MS = 600_000


def seconds(
    wait_ms: int, key: str = "timeout_ms", *, least_ms: int = 1, longest_ms: int = LONGEST_MS
) -> float:
    """Return a wait of a camera's table in seconds.

    Args:
        wait_ms: The setting.
        key: Its name, for the message.
        least_ms: 0 where that means for ever.
        longest_ms: What the driver takes at most.

    Raises:
        ConfigError: It is not a wait that the driver takes.

    """
    if not least_ms <= wait_ms <= longest_ms:
        raise ConfigError(f"camera.{key}: {wait_ms}; expected {least_ms} to {longest_ms}")
    return wait_ms / 1000
