"""A station for tests of its page: a journal, drawn parts, kept images, something to change."""

import json
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecls import Outcome, Prediction, Verdict
from edgecls.errors import BundleError
from edgecls.frame import Frame
from edgecls.verdict import Cause, Look, Outline
from edgecls_runtime.changes.control import Control, Running
from edgecls_runtime.evidence.picture import Format
from edgecls_runtime.evidence.reading import Evidence
from edgecls_runtime.journal import Journal, SessionLine
from edgecls_runtime.outputs import image as evidence
from edgecls_runtime.web.hub import Hub
from edgecls_runtime.web.opening import Seen, open_web
from edgecls_runtime.web.serving import Web
from edgecls_runtime.web.settings import WebSettings
from edgecls_runtime.web.status import Balance, Health, State, Status

LABELS = ("ok", "scratch", "dent")
BUNDLE = "bolt-head 3 4f1c9a02be77"
TOKEN = "0123456789abcdef0123"  # noqa: S105 - of these tests
WAIT_S = 30.0
SIZE = (1080, 1920)
HEALTH = (
    Health("camera", "top", State.OK, "25.0 Hz, newest frame 12 ms old"),
    Health("output", "gpio", State.OK, "told within 1.2 ms"),
    Health("output", "mqtt", State.WARNING, "no connection to 10.0.0.5:8883; 214 verdicts wait"),
    Health("disk", "/var/lib/edgecls", State.OK, "41.2 GB free, evidence 6.1 of 20 GB"),
    Health("provider", "cpu", State.OK, "100 % of the arithmetic, int8"),
)


def drawn_part(seed: int, defect: str = "ok", size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """Return a picture of a turned bolt head: uint8 RGB of ``size`` (height, width)."""
    dice = np.random.default_rng(seed)
    height, width = size
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y, radius = width / 2 + dice.uniform(-30, 30), height / 2, height * 0.4
    distance = np.hypot(columns - x, rows - y)
    ground = 46 + 10 * columns / width + dice.normal(0, 2.5, size).astype(np.float32)
    turned = (
        150
        + 16 * np.sin(distance / height * 700)
        + 30 * np.cos(np.arctan2(rows - y, columns - x) * 2)
    )
    grey = np.where(distance < radius, turned, ground)
    grey = np.where(np.abs(distance - radius) < 5, 90, grey)
    image = np.dstack([grey * 0.97, grey, grey * 1.04]).clip(0, 255).astype(np.uint8)
    angle = dice.uniform(0, 2 * np.pi)
    at = np.array([x + np.cos(angle) * radius * 0.5, y + np.sin(angle) * radius * 0.5])
    if defect == "scratch":
        end = at + dice.uniform(-0.35, 0.35, 2) * radius
        cv2.line(
            image,
            at.astype(int).tolist(),
            end.astype(int).tolist(),
            (235, 238, 240),
            max(height // 200, 1),
            cv2.LINE_AA,
        )
    if defect == "dent":
        cv2.ellipse(
            image,
            (at.astype(int).tolist(), (radius * 0.22, radius * 0.15), 20),
            (70, 72, 76),
            -1,
            cv2.LINE_AA,
        )
    return np.asarray(image, np.uint8)


def outline(x: float, y: float, width: float, height: float) -> Outline:
    """Return the corners of an upright place."""
    return ((x, y), (x + width, y), (x + width, y + height), (x, y + height))


def verdict(number: int, counts_as: str = "pass", *, looks: bool = False) -> Verdict:
    """Return the verdict of a part, without its frame."""
    now = time.monotonic()
    common = {
        "part": f"bolt {number}",
        "bundle": BUNDLE,
        "announced_at": now - 0.031,
        "decided_at": now,
        "recipe": "M8",
    }
    if counts_as in ("missed", "error", "incident"):
        reasons = {
            "missed": "usb camera 0: no frame within 1 s; 312 delivered before",
            "error": "CPUExecutionProvider: out of memory",
            "incident": "mqtt trigger: connection lost",
        }
        return Verdict(Outcome.REVIEW, reasons[counts_as], cause=Cause(counts_as), **common)  # type: ignore[arg-type]
    score = {"pass": 0.981, "fail": 0.964, "review": 0.713}[counts_as]
    label = {"pass": "ok", "fail": ("scratch", "dent")[number % 2], "review": "scratch"}[counts_as]
    scores = np.full(3, (1 - score) / 2, np.float32)
    scores[LABELS.index(label)] = score
    reason = f"{label} scored {score:.3f}" + (" < 0.9" if counts_as == "review" else "")
    outcome = Outcome(counts_as)
    places = (
        Look("head", outline(510, 90, 900, 900), outcome, label, score),
        Look("recess", outline(850, 430, 220, 220), Outcome.PASS, "ok", 0.99),
    )
    return Verdict(
        outcome,
        reason,
        Prediction(scores, LABELS),
        frame_number=number,
        captured_at=now - 0.0184,
        looks=places if looks else (),
        image_sha256=f"{number:064x}",
        **common,  # type: ignore[arg-type]
    )


@dataclass
class Changing:
    """Something whose recipe and bundle can be changed."""

    path: Path
    recipe: str = "M8"
    changed: list[str] = field(default_factory=list)

    @property
    def running(self) -> Running:
        return Running(self.recipe, ("M8", "M10 stainless"), BUNDLE, self.path)

    def change_recipe(self, name: str) -> str:
        self.recipe = name
        self.changed.append(name)
        return f"recipe {name} judges"

    def change_bundle(self, path: Path) -> str:
        if "bad" in path.name:
            raise BundleError(f"{path.name}: answers 3 of 5 golden samples wrongly on this device")
        self.changed.append(path.name)
        return f"bundle {path.name} judges"

    def reload(self) -> str:
        return "nothing changed"


@dataclass
class Station:
    """What a page shows, on a disk."""

    folder: Path
    hub: Hub = field(default_factory=Hub)
    health: tuple[Health, ...] = HEALTH

    def __post_init__(self) -> None:
        self.journal_path = self.folder / "verdicts.db"
        self.evidence = self.folder / "evidence"
        for name in ("bolt-head.bundle", "bolt-head-4.bundle", "bad.bundle"):
            (self.folder / name).mkdir()
            (self.folder / name / "manifest.json").write_text("{}", encoding="utf-8")
        self.pictures = Evidence(self.evidence)
        self.output = evidence.open(path=self.evidence, min_free_mb=1.0, format=Format.JPEG)
        self.journal = Journal(
            self.journal_path,
            SessionLine(
                "bolt-head 3",
                "4f1c9a02be77",
                "int8",
                "CPUExecutionProvider",
                "{}",
                "{}",
                "100 %",
                "M8",
            ),
        )
        self.changing = Changing(self.folder / "bolt-head.bundle")
        self.control = Control(self.changing, lambda _: None)
        self.said: list[str] = []

    def judge(
        self,
        number: int,
        counts_as: str = "pass",
        *,
        tell: bool = True,
        image: NDArray[np.uint8] | None = None,
        looks: bool = False,
    ) -> Verdict:
        """Judge a part: keep it in the journal, and its image, and tell the hub."""
        kept = self.journal.record(verdict(number, counts_as, looks=looks))
        if image is not None:
            kept = replace(
                kept, frame=Frame(image, number, time.monotonic() - 0.02, "usb camera 0")
            )
            self.output.send(kept)
        if tell:
            self.hub.send(kept)
        return kept

    def status(self) -> Status:
        """Return how it is, counted by its journal."""
        with closing(sqlite3.connect(self.journal_path)) as database:
            found = dict(
                database.execute(
                    "SELECT CASE cause WHEN 'judged' THEN outcome ELSE cause END, count(*)"
                    " FROM verdicts GROUP BY 1"
                )
            )
        parts = [found.get(name, 0) for name in ("pass", "fail", "review", "missed", "error")]
        return Status(
            station="Line 3, bolt heads",
            started_at=(datetime.now(UTC) - timedelta(hours=8)).isoformat(timespec="seconds"),
            bundle=BUNDLE,
            recipe=self.changing.recipe,
            labels=LABELS,
            provider="cpu",
            placement="100 % of the arithmetic",
            balance=replace(Balance(sum(parts) + 1, *parts), waiting=1),
            health=self.health,
        )

    def spread(self, hours: float) -> None:
        """Make it as if the verdicts had been reached over the last hours."""
        with closing(sqlite3.connect(self.journal_path)) as database:
            (count,) = database.execute("SELECT count(*) FROM verdicts").fetchone()
            now = datetime.now(UTC)
            for row in range(1, count + 1):
                at = now - timedelta(hours=hours * (count - row) / count)
                database.execute(
                    "UPDATE verdicts SET recorded_at = ? WHERE id = ?",
                    (at.isoformat(timespec="milliseconds"), row),
                )
            database.commit()

    def seen(self) -> Seen:
        """Return what the page is given."""
        return Seen(
            self.hub, self.status, self.journal_path, self.control, self.pictures, self.evidence
        )

    def close(self) -> None:
        self.control.close()
        self.output.close()
        self.journal.close()


def shift(station: Station, parts: int = 600) -> None:
    """Fill a station with the parts of a shift, the last of them with images."""
    dice = random.Random(4)  # noqa: S311 - a drawn shift
    for number in range(1, parts + 1):
        bad = 0.05 if 0.4 < number / parts < 0.55 else 0.015
        counts_as = dice.choices(
            ("pass", "fail", "review", "missed"), (1 - 2.4 * bad, bad, bad, bad / 8)
        )[0]
        kept = counts_as in ("fail", "review") and number > parts - 400
        image = (
            drawn_part(
                number,
                "scratch" if counts_as == "review" else ("scratch", "dent")[number % 2],
                (540, 720),
            )
            if kept
            else None
        )
        station.judge(number, counts_as, tell=False, image=image)
    station.spread(8)


@contextmanager
def station_of(folder: Path) -> Iterator[Station]:
    """Run a station."""
    with closing(Station(folder)) as station:
        yield station


@contextmanager
def page_of(station: Station, **keys: object) -> Iterator[Web]:
    """Run the page of a station on a free port; with a token unless something else is said."""
    settings = WebSettings(**{"port": 0, "token": TOKEN, **keys})  # type: ignore[arg-type]
    with closing(open_web(settings, station.seen(), station.said.append)) as page:
        yield page


@dataclass(frozen=True)
class Answer:
    """What a page answered."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def table(self) -> dict[str, object]:
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found


def ask(
    page: Web,
    path: str,
    method: str = "GET",
    body: object = None,
    *,
    signed: bool = True,
    **headers: str,
) -> Answer:
    """Ask a page; a body that is no bytes is sent as JSON."""
    connection = HTTPConnection("127.0.0.1", page.port, timeout=WAIT_S)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if signed:
        sent.setdefault("Authorization", f"Bearer {TOKEN}")
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        sent.setdefault("Content-Type", "application/json")
    with closing(connection):
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
