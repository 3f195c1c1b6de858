"""What a trial and its process say to each other, as tables of one line each."""

from dataclasses import dataclass

from edgecls.manifest import Resampling


@dataclass(frozen=True, slots=True)
class Configuration:
    """What can be varied.

    Attributes:
        variant: Name of a variant.
        provider: A provider's table as in a station file.
        resampling: Rung of the ladder of resizes.
        batch: Frames in one call of the engine.

    """

    variant: str
    provider: dict[str, object]
    resampling: Resampling
    batch: int = 1

    def __str__(self) -> str:
        """Return one line for people."""
        batch = f" batch={self.batch}" if self.batch > 1 else ""
        return f"{self.variant} on {place(self.provider)}, {self.resampling}{batch}"


def place(provider: dict[str, object]) -> str:
    """Return a provider and its settings for people, such as ``cpu threads=2 spinning``."""
    settings = [
        name if value is True else f"{name}={value}"
        for name, value in provider.items()
        if name != "kind" and value is not False
    ]
    return " ".join([str(provider["kind"]), *settings])


@dataclass(frozen=True, slots=True)
class Start:
    """What the process is started with; ``frame`` is a JPEG file, ``started`` monotonic seconds."""

    bundle: str
    frame: str
    variant: str
    provider: dict[str, object]
    resampling: Resampling
    started: float


@dataclass(frozen=True, slots=True)
class Ready:
    """What the process tells first.

    Attributes:
        cold_start_s: From the start of the process to its first answer, from an image file.
        peak_memory_mb: Resident memory until then, in 2**20 bytes.
        placement: Which node runs where, as a table.
        placement_line: The same for people.

    """

    cold_start_s: float
    peak_memory_mb: float
    placement: dict[str, object]
    placement_line: str


@dataclass(frozen=True, slots=True)
class Ask:
    """One question.

    Attributes:
        frames: How many calls are timed.
        batch: Frames in each call.
        jpeg: Also time each call from JPEG files on.
        engine: Also time the network alone.
        paced: Instead run so many calls at 10 a second, and measure the processor's work.
        golden: Instead run the golden samples.

    """

    frames: int = 0
    batch: int = 1
    jpeg: bool = False
    engine: bool = False
    paced: int = 0
    golden: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """One answer.

    Attributes:
        frame_s: Seconds from frames in memory to their predictions, of each call.
        jpeg_s: Likewise from JPEG files.
        engine_s: Likewise of the network alone.
        cpu_share: The process's work in the paced loop, as a share of one core.
        wrong: Why the golden samples were not answered rightly; empty if they were.
        work_s: Core-seconds that the process used for this answer.
        peak_memory_mb: Resident memory up to now, in 2**20 bytes.

    """

    frame_s: tuple[float, ...] = ()
    jpeg_s: tuple[float, ...] = ()
    engine_s: tuple[float, ...] = ()
    cpu_share: float | None = None
    wrong: str = ""
    work_s: float = 0.0
    peak_memory_mb: float = 0.0
