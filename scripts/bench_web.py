"""What the operator's page costs the station, and how soon it is there.

    python scripts/bench_web.py [--browsers 3] [--seconds 10] [--rounds 3]

A line of 25 full-HD frames a second is written to a journal and told to the page, in one process.
Cost is the process's CPU time with browsers less that without, of one core, in rounds side by side.
The browsers are Chromium, each in a process of its own that is not counted. Also measured: from the
address to the first paint, and how long the page has whoever tells it of a verdict wait.
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from edgecls.frame import Frame
from edgecls.metrics import percentile
from edgecls_runtime.web.serving import Web
from web_station import TOKEN, Station, drawn_part, page_of, shift, station_of, verdict

CHROMIUM = "/usr/bin/chromium"
RATE_HZ = 25.0
SETTLE_S = 3.0


@dataclass
class Line:
    """A line that judges a part every 40 ms.

    Attributes:
        took: Seconds that each verdict took to be told.

    """

    station: Station
    took: list[float] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Judge until it is ended."""
        images = [drawn_part(seed) for seed in range(4)]
        number = 10_000
        while not self.ended.wait(1 / RATE_HZ):
            number += 1
            frame = Frame(images[number % 4], number, time.monotonic())
            kept = replace(self.station.journal.record(verdict(number, looks=True)), frame=frame)
            began = time.monotonic()
            self.station.hub.send(kept)
            self.took.append(time.monotonic() - began)


@dataclass(frozen=True)
class Window:
    """What was seen for some seconds: CPU share of a core, pictures a second, p99 of telling."""

    cpu: float
    pictures: float
    p99: float


def watched(page: Web, line: Line, seconds: float) -> Window:
    """Look on for some seconds."""
    line.took.clear()
    began, cpu, made = time.monotonic(), time.process_time(), page.inside.live.pictures
    time.sleep(seconds)
    lasted = time.monotonic() - began
    made = page.inside.live.pictures - made
    return Window((time.process_time() - cpu) / lasted, made / lasted, percentile([*line.took], 99))


@contextmanager
def browsers(page: Web, count: int) -> Iterator[list[float]]:
    """Open the page in some browsers; give the seconds to each one's first paint."""
    with sync_playwright() as driver, ExitStack() as opened:
        painted = []
        for _ in range(count):
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            opened.callback(browser.close)
            tab = browser.new_page()
            tab.goto(f"{page.url}/login", wait_until="commit")
            tab.fill("#token", TOKEN)
            tab.click("#by-token button")
            tab.wait_for_selector("#verdict.is-pass")
            painted.append(first_paint(tab))
        time.sleep(SETTLE_S)
        yield painted


def first_paint(tab: Page) -> float:
    """Return the seconds from the address to the first paint."""
    found = tab.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    return float(found) / 1000


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--browsers", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        station_of(Path(folder)) as station,
        page_of(station) as page,
    ):
        shift(station)
        line = Line(station)
        thread = threading.Thread(target=line.run)
        thread.start()
        try:
            for count in range(1, arguments.browsers + 1):
                measure(page, line, count, arguments)
        finally:
            line.ended.set()
            thread.join()


def measure(page: Web, line: Line, count: int, arguments: argparse.Namespace) -> None:
    """Compare some browsers with none, in turns."""
    alone, seen, painted = [], [], []
    for _ in range(arguments.rounds):
        alone.append(watched(page, line, arguments.seconds))
        with browsers(page, count) as paints:
            seen.append(watched(page, line, arguments.seconds))
        painted += paints
    cost = statistics.median(s.cpu - a.cpu for a, s in zip(alone, seen, strict=True))
    told = [1000 * statistics.median(one.p99 for one in windows) for windows in (seen, alone)]
    print(
        f"{count} browsers: {100 * cost:.1f} % of a core, "
        f"{statistics.median(s.pictures for s in seen):.1f} pictures/s, first paint "
        f"{1000 * statistics.median(painted):.0f} ms (worst {1000 * max(painted):.0f}), "
        f"telling a verdict p99 {told[0]:.2f} ms, without browsers {told[1]:.2f} ms",
        flush=True,
    )


if __name__ == "__main__":
    main()
