"""The picture of where: the outline of each place on the frame, coloured by what was decided there.

A line of text needs some twenty pixels whatever the camera, so a small frame is enlarged, and a
text is as wide as its place at most: what does not fit is left out, the outline never is.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecls.verdict import Look, Outcome

Image = NDArray[np.uint8]
Rgb = tuple[int, int, int]

# Told apart on dark, on bright and on coloured ground, and by people who do not tell red from
# green: the colours of Okabe and Ito (2008), bluish green, vermillion, and yellow for review.
COLOURS: dict[Outcome, Rgb] = {
    Outcome.PASS: (0, 158, 115),
    Outcome.FAIL: (213, 94, 0),
    Outcome.REVIEW: (240, 228, 66),
}
# A frame whose longer side is shorter is enlarged by a whole factor.
LEAST_PX = 800
# Height of a text as a share of the longer side, and at least px.
TEXT_SHARE, TEXT_LEAST_PX = 1 / 80, 12
# cv2's simplex letters are 22 px high at scale 1.
LETTER_PX = 22
FONT = cv2.FONT_HERSHEY_SIMPLEX
WORST_LAST = (Outcome.PASS, Outcome.REVIEW, Outcome.FAIL)


def draw(image: Image, looks: Sequence[Look]) -> Image:
    """Draw places on a copy of a frame.

    Args:
        image: uint8, shape (height, width, 3), RGB.
        looks: In any order; bad ones are drawn on top.

    Returns:
        uint8, RGB, of the same size, or of a whole multiple where the frame is small.

    """
    times = max(1, -(-LEAST_PX // max(image.shape[:2])))
    picture = np.ascontiguousarray(image.repeat(times, 0).repeat(times, 1))
    longer = max(picture.shape[:2])
    thick = max(2, longer // 500)
    height = max(TEXT_LEAST_PX, round(longer * TEXT_SHARE))
    ordered = sorted(looks, key=lambda look: WORST_LAST.index(look.outcome))
    for look in ordered:
        points = np.array(look.outline, np.float64) * times
        # Inside the place, so that a whole frame has an outline too, and neighbours two.
        inward = points + thick * np.sign(points.mean(axis=0) - points) / 2
        drawn = [np.round(inward).astype(np.int32)]
        cv2.polylines(picture, drawn, True, (0, 0, 0), thick + 2, cv2.LINE_AA)
        cv2.polylines(picture, drawn, True, COLOURS[look.outcome], thick, cv2.LINE_AA)
    for look in ordered:
        _write(picture, look, np.array(look.outline, np.float64) * times, height, thick)
    return picture


def _write(
    picture: Image, look: Look, points: NDArray[np.float64], height: int, thick: int
) -> None:
    """Write the longest text that fits beside the place's upper left corner, inside it."""
    left, top = points.min(axis=0) + 2 * thick
    room = points.max(axis=0) - 2 * thick - (left, top)
    scale, weight, gap = height / LETTER_PX, max(1, height // 9), max(2, height // 3)
    for text in _texts(look):
        (width, _), below = cv2.getTextSize(text, FONT, scale, weight)
        box = np.array((width + 2 * gap, height + below + 2 * gap))
        if (box <= room).all():
            break
    else:
        return
    start = np.round((left, top)).astype(int)
    end = start + box
    colour = COLOURS[look.outcome]
    cv2.rectangle(picture, start.tolist(), end.tolist(), colour, -1)
    origin = (int(start[0]) + gap, int(start[1]) + gap + height)
    cv2.putText(picture, text, origin, FONT, scale, _ink(colour), weight, cv2.LINE_AA)


def _texts(look: Look) -> tuple[str, ...]:
    """Return what may be said of a place, the longest first."""
    return (
        f"{look.name}: {look.label} {look.score:.2f}",
        f"{look.label} {look.score:.2f}",
        look.label,
        f"{look.score:.2f}",
    )


def _ink(ground: Rgb) -> Rgb:
    """Return black or white, whichever is read better on a colour."""
    red, green, blue = ground
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else (255, 255, 255)
