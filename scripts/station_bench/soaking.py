"""Half an hour of random faults: threads, files and memory stay as they are, no part is lost."""

import random
import time

from edgecls.progress import tell
from edgecls_runtime.drill.account import account
from edgecls_runtime.drill.feeding import Feeder
from edgecls_runtime.drill.running import started
from soak import drawn
from station_bench.line import Held, Line, Row, held, require_first, slope

# Of the camera, drawn as in tests/soak.py, and then again.
FAULTS = 1000
RATE_HZ = 15.0
# Between two faults of provider, output and clock, and how long they last, s.
APART_S, LONGEST_S = (4.0, 12.0), 3.0
SETTLED = 0.3
MOST_MORE = 3
MOST_MB_AN_HOUR = 20.0


def _script(seed: int) -> tuple[str, ...]:
    """Draw faults of a camera; without wrong passwords, after which it is left alone for long."""
    return tuple(word for word in drawn(FAULTS, seed, isolated=False) if word != "auth")


def measured(line: Line, minutes: float, seed: int = 0) -> list[Row]:
    """Let faults befall a station for so long."""
    random_ = random.Random(seed)  # noqa: S311 - no secret
    loaded = line.plan(_script(seed))
    plan = loaded.plan
    looks: list[tuple[float, Held]] = []
    did = dict.fromkeys(("provider", "output", "clock"), 0)
    with started(plan) as running:
        feeder = Feeder(loaded.port, RATE_HZ)
        require_first(running)
        began = time.monotonic()
        while (now := time.monotonic() - began) < 60 * minutes and not running.has_ended:
            lasts = random_.uniform(0.1, LONGEST_S)
            match what := random_.choice([*did]):
                case "provider":
                    running.do("lose provider", lasts)
                case "clock":
                    running.do("set clock", random_.uniform(-7200, 7200))
                case "output":
                    folder = plan.told.parent
                    folder.rename(folder.with_name("away"))
                    time.sleep(lasts)
                    folder.with_name("away").rename(folder)
            did[what] += 1
            time.sleep(random_.uniform(*APART_S))
            looks.append((now, held(running)))
            if len(looks) % 20 == 0:
                tell(f"{now:.0f} s, {len(running.told)} verdicts, {looks[-1][1]}")
        running.do("lose provider", 0.0)
        feeder.stop()
        running.until(lambda: False, 5.0)
        code = running.stop()
    said = account(loaded.journal, [one.table for one in running.told], feeder.acknowledged)
    played = int(plan.cameras[""].state.read_bytes() or b"0")
    reopened = sum("provider back" in text for _, text in running.said)
    settled = looks[int(SETTLED * len(looks)) :]
    first, last = settled[: len(settled) // 3], settled[-(len(settled) // 3) :]
    more = {
        key: min(getattr(h, key) for _, h in last) - min(getattr(h, key) for _, h in first)
        for key in ("threads", "files")
    }
    grown = slope([(at, one.memory_mb) for at, one in settled])
    return [
        Row(f"{minutes:g} minutes", f"{len(running.told)} verdicts; {played} events of the camera, "
            f"{', '.join(f'{n} of {k}' for k, n in did.items())}; the provider was back "
            f"{reopened} times; exit code {code}", "0", reached=code == 0),
        Row("threads, files", f"{more['threads']:+} and {more['files']:+} between the first and "
            f"the last third", f"at most {MOST_MORE}", reached=max(more.values()) <= MOST_MORE),
        Row("memory", f"{grown:+.1f} MB an hour", f"within {MOST_MB_AN_HOUR:g}",
            reached=grown < MOST_MB_AN_HOUR),
        Row("journal", said.said, "none lost", reached=not said.wrong),
    ]  # fmt: skip
