import hashlib

import numpy as np
import pytest

from edgecls_runtime import fingerprint


def pixels(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_it_is_what_any_tool_says_of_the_bytes() -> None:
    image = pixels(6, 5, 3)

    assert fingerprint.of(image) == hashlib.sha256(image.tobytes()).hexdigest()


def test_a_batch_of_one_place_is_that_place() -> None:
    image = pixels(6, 5, 3)

    assert fingerprint.of(image[np.newaxis]) == fingerprint.of(image)


def test_where_the_pixels_lie_in_memory_makes_no_difference() -> None:
    image = pixels(6, 10, 3)[:, ::2]

    assert fingerprint.of(image) == fingerprint.of(image.copy())


def test_places_in_another_order_are_another_input() -> None:
    places = pixels(2, 6, 5, 3)

    assert fingerprint.of(places) != fingerprint.of(places[::-1])


def test_other_numbers_than_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="fingerprint: pixels are float32; expected uint8"):
        fingerprint.of(np.zeros((1, 2, 3), np.float32))
