"""MJPEG over HTTP, taken to pieces; and the answer to a camera that asks for a password."""

import pytest

from edgecls_runtime.streams.digest import authorization
from edgecls_runtime.streams.multipart import Multipart, Part

JPEGS = [b"\xff\xd8one\xff\xd9", b"\xff\xd8two -- \r\n\xff\xd9", b"\xff\xd8three\xff\xd9"]


def parts(stream: bytes, boundary: str, piece: int) -> list[Part]:
    multipart = Multipart(boundary)
    found = []
    for start in range(0, len(stream), piece):
        part = multipart.feed(stream[start : start + piece])
        while part is not None:
            found.append(part)
            part = multipart.feed(b"")
    return found


@pytest.mark.parametrize("piece", [1, 7, 10_000])
@pytest.mark.parametrize(
    ("mark", "boundary", "end", "length"),
    [
        (b"--frame", "frame", b"\r\n", True),
        (b"--frame", "frame", b"\r\n", False),
        (b"--frame", "--frame", b"\r\n", False),
        (b"--frame", "", b"\r\n", True),
        (b"--frame", "frame", b"\n", True),
    ],
    ids=["whole", "no length", "dashes announced", "nothing announced", "bare line ends"],
)
def test_jpegs_come_out_as_they_went_in(
    mark: bytes, boundary: str, end: bytes, *, length: bool, piece: int
) -> None:
    stream = b""
    for jpeg in JPEGS:
        size = b"Content-Length: %d" % len(jpeg) + end if length else b""
        stream += mark + end + b"Content-Type: image/jpeg" + end + size + end + jpeg + end
    stream += mark + end

    found = parts(stream, boundary, piece)

    assert [part.body for part in found] == JPEGS
    assert found[0].headers["content-type"] == "image/jpeg"


def test_the_sender_s_time_is_read_where_it_is_one() -> None:
    stream = b"--f\r\nX-Timestamp: 12.5\r\nContent-Length: 1\r\n\r\na"
    stream += b"\r\n--f\r\nX-Timestamp: noon\r\nContent-Length: 1\r\n\r\nb"

    assert [part.stamp for part in parts(stream, "f", 10)] == [12.5, None]


def test_what_never_becomes_a_part_is_refused() -> None:
    with pytest.raises(ValueError, match="no part within 65536 bytes"):
        Multipart("f").feed(b"x" * 70_000)


def test_digest_answers_as_the_standard_s_example(monkeypatch: pytest.MonkeyPatch) -> None:
    own = "0a4f113b"
    monkeypatch.setattr("secrets.token_hex", lambda _: own)
    challenge = (
        'Digest realm="testrealm@host.com", qop="auth,auth-int", '
        'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )

    answer = authorization([challenge], "/dir/index.html", "Mufasa", "Circle Of Life")

    assert answer is not None
    assert 'response="6629fae49393a05397450978507c4ef1"' in answer  # RFC 2617, section 3.5


def test_digest_is_preferred_and_what_is_unknown_is_not_answered() -> None:
    digest = 'Digest realm="a", nonce="b", algorithm=SHA-256'

    assert str(authorization(["Basic realm=a", digest], "/", "u", "p")).startswith("Digest ")
    assert authorization(["Basic realm=a"], "/", "u", "p") == "Basic dTpw"
    assert authorization(["Negotiate"], "/", "u", "p") is None
