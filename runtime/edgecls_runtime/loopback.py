"""Which addresses only this machine can reach: what listens elsewhere needs to know who asks."""

import ipaddress


def is_own(host: str) -> bool:
    """Return whether only programs of this machine reach what listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
