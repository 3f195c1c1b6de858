"""An IP camera or a streamer that sends MJPEG over HTTP; needs nothing but Python."""

import ssl
from functools import partial
from pathlib import Path

from edgecls.errors import ConfigError
from edgecls_runtime.capture.timeouts import seconds
from edgecls_runtime.credentials import without_credentials
from edgecls_runtime.streams import http_stream
from edgecls_runtime.streams.address import Address
from edgecls_runtime.streams.stream_camera import StreamCamera, opened


def open(
    *,
    url: str,
    timeout_ms: int = 5000,
    silence_ms: int = 2000,
    verify: bool = True,
    ca_file: Path | None = None,
) -> StreamCamera:
    """Open an HTTP stream: ``multipart/x-mixed-replace`` of JPEGs.

    Args:
        url: ``http://user:password@host/stream.mjpg``, or ``https``; the password is never shown.
        timeout_ms: Longest wait for the first frame.
        silence_ms: Longest wait for the next frame; then the stream is lost and opened again.
        verify: Whether the certificate of an ``https`` camera must be trusted.
        ca_file: PEM file of who signed it; None trusts whom the system trusts.

    Raises:
        CameraError: No answer, refused, wrong password, or no stream in the answer.

    """
    address = Address.of(url, "http", "https")
    timeout, silence = seconds(timeout_ms), seconds(silence_ms, "silence_ms")
    try:
        tls = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except OSError as error:
        raise ConfigError(f"camera.ca_file: {ca_file}: {error.strerror or error}") from error
    if not verify:
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    name = f"http camera {without_credentials(url)}"
    connect = partial(http_stream.connect, address, name, silence, tls)
    return opened(connect, name, timeout, silence)
