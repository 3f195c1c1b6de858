"""One picture of a run: every part, framed by its verdict, with its score."""

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecls.verdict import Outcome
from edgecls_runtime.images import read_image

COLUMNS, SIDE, FRAME, TEXT = 12, 120, 5, 34
COLOURS = {Outcome.PASS: (46, 160, 67), Outcome.FAIL: (218, 54, 51), Outcome.REVIEW: (210, 153, 34)}
DARK, LIGHT = (24, 24, 27), (235, 235, 235)


@dataclass(frozen=True, slots=True)
class Part:
    """One line of a journal."""

    name: str
    outcome: Outcome
    scores: dict[str, float]


def judged(journal: Path) -> list[Part]:
    """Return the parts of the latest session of a journal."""
    with sqlite3.connect(journal) as database:
        rows = database.execute(
            "SELECT part, outcome, scores FROM verdicts"
            " WHERE session = (SELECT max(id) FROM sessions) ORDER BY id"
        ).fetchall()
    database.close()
    return [
        Part(name, Outcome(outcome), json.loads(scores or "{}")) for name, outcome, scores in rows
    ]


def draw(parts: list[Part], folder: Path, truth: dict[str, str], good: str) -> NDArray[np.uint8]:
    """Draw a sheet; a part whose verdict contradicts the truth is named an escape or overkill."""
    rows = -(-len(parts) // COLUMNS)
    cell = (SIDE + 2 * FRAME + TEXT, SIDE + 2 * FRAME)
    sheet = np.full((rows * cell[0], COLUMNS * cell[1], 3), DARK, np.uint8)
    for i, part in enumerate(parts):
        top, left = (i // COLUMNS) * cell[0], (i % COLUMNS) * cell[1]
        sheet[top : top + cell[0], left : left + cell[1]] = _cell(
            part, read_image(folder / part.name), _mistake(part, truth.get(part.name), good)
        )
    return sheet


def _cell(part: Part, image: NDArray[np.uint8], mistake: str) -> NDArray[np.uint8]:
    whole = np.full((SIDE + 2 * FRAME + TEXT, SIDE + 2 * FRAME, 3), DARK, np.uint8)
    whole[: SIDE + 2 * FRAME] = COLOURS[part.outcome]
    photo = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    whole[FRAME : FRAME + SIDE, FRAME : FRAME + SIDE] = photo
    label, score = max(part.scores.items(), key=lambda item: item[1], default=("-", 0.0))
    for line, text, colour in (
        (0, f"{part.outcome.upper()} {mistake}", COLOURS[part.outcome]),
        (1, f"{label} {score:.2f}", LIGHT),
    ):
        place = (FRAME, SIDE + 2 * FRAME + 13 + 15 * line)
        cv2.putText(whole, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)
    return whole


def _mistake(part: Part, true: str | None, good: str) -> str:
    if part.outcome is Outcome.PASS and true != good:
        return "(escape)"
    return "(overkill)" if part.outcome is Outcome.FAIL and true == good else ""
