"""A line to load: a station file, a camera of small scenes, parts that are announced by HTTP."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edgecls.bundle import Bundle
from edgecls_runtime.drill.feeding import free_port
from edgecls_runtime.drill.plan import CameraPlan, Plan
from edgecls_runtime.drill.running import Running

SIZE = (240, 320)
SCENES = 8
# More than any load here: a part waits for the next frame 7 ms at most.
RATE_HZ = 140.0
START_S = 60.0
TRIM_S = 0.3


@dataclass(frozen=True)
class Row:
    """One figure beside its target.

    Attributes:
        what: Was measured.
        seen: It.
        target: What it must reach; empty is none.
        reached: Whether it does; None where there is no target.

    """

    what: str
    seen: str
    target: str = ""
    reached: bool | None = None

    def __str__(self) -> str:
        mark = {True: "ok  ", False: "NOT ", None: "    "}[self.reached]
        target = f"   (target: {self.target})" if self.target else ""
        return f"{mark}{self.what}: {self.seen}{target}"


@dataclass(frozen=True)
class Loaded:
    """A station to load.

    Attributes:
        plan: What it runs with.
        journal: Where that is.
        port: Where parts are announced.

    """

    plan: Plan
    journal: Path
    port: int


class Line:
    """What every figure is measured on."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        """Write what a station needs.

        Args:
            folder: Where to.
            bundle: Of any labels; the first lets a part pass.

        """
        self.folder, self.bundle = folder, bundle
        self._count = 0
        self.scenes = folder / "scenes"
        self.scenes.mkdir()
        random = np.random.default_rng(0)
        for number in range(SCENES):
            coarse = random.integers(0, 256, (SIZE[0] // 16, SIZE[1] // 16, 3), dtype=np.uint8)
            smooth = cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
            image = np.clip(smooth + random.normal(0, 3, smooth.shape), 0, 255).astype(np.uint8)
            cv2.imwrite(str(self.scenes / f"{number}.jpg"), image)

    def plan(
        self,
        script: tuple[str, ...] = ("frame*1000000000",),
        outputs: tuple[dict[str, object], ...] = (),
        journal: Path | None = None,
    ) -> Loaded:
        """Return a station in a place of its own.

        Args:
            script: Of its camera.
            outputs: That it tells besides those that every plan has.
            journal: Where that is; by default in that place.

        """
        self._count += 1
        scratch = self.folder / f"{self._count}"
        scratch.mkdir()
        camera = CameraPlan(self.scenes, scratch / "place", script, repeat=True, rate_hz=RATE_HZ)
        kept, port = journal or scratch / "journal" / "verdicts.db", free_port()
        plan = Plan(
            self._station(scratch, outputs),
            scratch,
            {"": camera},
            kept,
            reserve_mb=16.0,
            port=port,
            with_outputs=bool(outputs),
        )
        return Loaded(plan, kept, port)

    def _station(self, scratch: Path, outputs: tuple[dict[str, object], ...]) -> Path:
        good = Bundle.open(self.bundle).labels[0]
        lines = [
            f"bundle = {json.dumps(str(self.bundle.absolute()))}",
            f"rule = {{ good = [{json.dumps(good)}] }}",
            'camera = { kind = "fake" }',
            'trigger = { kind = "http" }',
            'journal = { path = "not here.db" }',
        ]
        for table in outputs:
            lines += ["[[outputs]]", *(f"{k} = {json.dumps(v)}" for k, v in table.items())]
        file = scratch / "station.toml"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file


@dataclass(frozen=True)
class Held:
    """What a process holds at a moment.

    Attributes:
        memory_mb: Of its own, without files that are mapped.
        threads: Of the operating system.
        files: Descriptors.

    """

    memory_mb: float
    threads: int
    files: int


def held(running: Running) -> Held:
    """Look at what a station holds, without what its allocator only keeps."""
    running.do("give memory back", 0.0)
    time.sleep(TRIM_S)
    folder = Path(f"/proc/{running.process.pid}")
    status = dict(
        line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line
    )
    memory, threads = status["RssAnon"].split()[0], status["Threads"]
    return Held(int(memory) / 1000, int(threads), len(os.listdir(folder / "fd")))  # noqa: PTH208 - names only


def require_first(running: Running) -> None:
    """Wait until a station judges.

    Raises:
        RuntimeError: It does not.

    """
    if running.until_told(lambda _: True, START_S) is None:
        raise RuntimeError(f"no verdict within {START_S:g} s: {running.last_words}")


def slope(values: list[tuple[float, float]]) -> float:
    """Return by how much values grow in an hour.

    Args:
        values: Each with its time, s.

    """
    times, seen = np.array(values).T
    return float(np.polyfit(times, seen, 1)[0]) * 3600
