"""A station file (TOML) as a frozen dataclass; every key is checked, and a wrong one named."""

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgecls import schema
from edgecls.errors import ConfigError
from edgecls_runtime.capture.live import Keep
from edgecls_runtime.capture.settings import MOST_QUEUED, CaptureSettings
from edgecls_runtime.changes import recipes
from edgecls_runtime.changes.recipes import Recipe
from edgecls_runtime.decision import Places, Rule
from edgecls_runtime.decision.cameras import Cameras, Parts
from edgecls_runtime.decision.votes import Vote
from edgecls_runtime.health.settings import HealthSettings
from edgecls_runtime.host.settings import HostSettings
from edgecls_runtime.logs.settings import LogSettings
from edgecls_runtime.placement import Limits
from edgecls_runtime.views import settings as views_of_file
from edgecls_runtime.views.settings import View
from edgecls_runtime.web.settings import WebSettings

FORMAT = 1
# No clock waits forever: an infinite wait is a number that the operating system refuses.
LONGEST_MS = 86_400_000
# Each holds a frame in memory: 6 MB of 1080p.
MOST_THREADS = 16
MOST_RESERVE_MB, LONGEST_DAYS = 65_536, 36_500


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """The ``[journal]`` table.

    Attributes:
        path: The SQLite file.
        reserve_mb: Disk space that is kept free for it, MiB: used when the disk is full.
        keep_days: Older verdicts are removed, once every output has them; 0 keeps all.

    """

    path: Path
    reserve_mb: float = 16.0
    keep_days: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no disk has."""
        if not 0 <= self.reserve_mb <= MOST_RESERVE_MB:
            raise ConfigError(
                f"journal.reserve_mb: {self.reserve_mb:g}; expected 0 to {MOST_RESERVE_MB}"
            )
        if not 0 <= self.keep_days <= LONGEST_DAYS:
            raise ConfigError(
                f"journal.keep_days: {self.keep_days:g}; expected 0 to {LONGEST_DAYS}"
            )

    @property
    def written(self) -> tuple[Path, ...]:
        """What a service must be allowed to write to."""
        return (self.path,)


@dataclass(frozen=True, slots=True)
class Settings:
    """A station file. Hardware tables are checked by the hardware's own ``open``.

    Attributes:
        bundle: Path of the bundle.
        rule: When a part passes.
        camera: ``kind`` and its settings; empty where ``cameras`` stands instead.
        cameras: Several, by name: each has its own parts.
        trigger: ``kind`` and its settings: what announces parts; None takes each frame for one.
        views: Where to look in each frame; none looks at it as a whole.
        frame_px: Width and height of the frames that views are measured in, px; a frame of another
            size is REVIEW. Needed where a view holds px of the frame.
        capture: Which frames are judged, and how late they may be.
        health: Which frames are not fit to be judged.
        format: Version of this layout.
        variant: Name of a variant; ``auto`` tries those that fit in the bundle's order.
        providers: Tried in order; falling back to the next one is reported. ``auto`` is what
            ``edgecls tune`` chose here, else ``cpu``.
        placement: How much of the network must run on the provider.
        journal: Where verdicts are kept; None keeps none.
        outputs: Told in this order.
        web: The operator's page; None opens none.
        timeout_ms: Longest wait for a frame; then the part is REVIEW.
        max_age_ms: An older frame is not judged but REVIEW.
        name: Tells this station from others of its process: it begins the ids of its parts.
        prepare_threads: Threads that decode and resize the next frames while the engine is busy,
            and frames at most on their way, shared out among the cameras, at least one each; 0
            does one thing after the other.
        recipe: Which of ``recipes`` judges at the beginning; empty without any.
        recipes: What differs from product to product, by name.
        vote: Frames that must agree.
        parts: What is one part, where there are several cameras.
        host: From where on something is said of the machine.
        log: What becomes of the lines that a station says.

    """

    bundle: Path
    rule: Rule
    camera: dict[str, object] = field(default_factory=dict)
    cameras: dict[str, dict[str, object]] = field(default_factory=dict)
    trigger: dict[str, object] | None = None
    views: tuple[View, ...] = ()
    frame_px: tuple[int, int] | None = None
    capture: CaptureSettings = field(default_factory=CaptureSettings)
    health: HealthSettings = field(default_factory=HealthSettings)
    format: int = FORMAT
    variant: str = "auto"
    providers: tuple[dict[str, object], ...] = ({"kind": "auto"},)
    placement: Limits = field(default_factory=Limits)
    journal: JournalSettings | None = None
    outputs: tuple[dict[str, object], ...] = ({"kind": "terminal"},)
    web: WebSettings | None = None
    timeout_ms: float = 1000.0
    max_age_ms: float = 1000.0
    prepare_threads: int = 2
    name: str = ""
    recipe: str = ""
    recipes: dict[str, Recipe] = field(default_factory=dict)
    vote: Vote = field(default_factory=Vote)
    parts: Parts = field(default_factory=Parts)
    host: HostSettings = field(default_factory=HostSettings)
    log: LogSettings = field(default_factory=LogSettings)

    @property
    def all_cameras(self) -> dict[str, dict[str, object]]:
        """Every camera's table by its name; a single one has none."""
        return self.cameras or {"": self.camera}

    def station_of(self, camera: str) -> str:
        """Return what the station of one of ``all_cameras`` is called; nothing for the only one."""
        return f"{self.name} {camera}".strip()

    @property
    def stations(self) -> tuple[str, ...]:
        """What the stations of the file are called: each has parts of its own."""
        if self.together:
            return (self.name,)
        return tuple(self.station_of(camera) for camera in self.all_cameras)

    def views_of(self, camera: str) -> tuple[View, ...]:
        """Return where to look in the frames of one of ``all_cameras``."""
        return views_of_file.of_camera(self.views, camera)

    @property
    def together(self) -> bool:
        """Whether all cameras look at the same parts."""
        return self.parts.cameras is Cameras.TOGETHER

    def with_recipe(self, name: str) -> "Settings":
        """Return the settings of a station that judges by another recipe.

        Raises:
            ConfigError: There is none of that name, or it contradicts the rest.

        """
        recipe = recipes.found(self.recipes, name)
        return replace(
            self,
            recipe=name,
            rule=recipe.rule or self.rule,
            bundle=recipe.bundle or self.bundle,
            views=self.views if recipe.views is None else recipe.views,
            frame_px=self.frame_px if recipe.frame_px is None else recipe.frame_px,
        )

    def __post_init__(self) -> None:
        """Refuse what no station can do."""
        if self.format != FORMAT:
            raise ConfigError(
                f"format: {self.format}; this edgecls reads station files of format {FORMAT}"
            )
        if bool(self.camera) is bool(self.cameras):
            found = "both [camera] and [cameras]" if self.camera else "no camera"
            raise ConfigError(f"camera: {found}; expected one [camera], or [cameras.NAME] for each")
        if self.trigger is not None and self.capture.keep is not Keep.NEWEST:
            raise ConfigError(
                f"trigger: not together with capture.keep = '{self.capture.keep}'; "
                f"with a trigger the frame is the first one after it"
            )
        recipes.check(self.recipes, self.recipe)
        self._check_parts()
        views_of_file.check(self.views, self.frame_px, self.cameras)
        if not self.views and (self.rule.most_bad or self.rule.places is not Places.ALL):
            raise ConfigError(
                "rule: places and most_bad without [[views]]; a whole frame is one place"
            )
        if not self.providers:
            raise ConfigError("providers: none given; expected at least one, such as kind = 'cpu'")
        if not 0 <= self.prepare_threads <= MOST_THREADS:
            raise ConfigError(
                f"prepare_threads: {self.prepare_threads}; expected 0 to {MOST_THREADS}"
            )
        for key in ("timeout_ms", "max_age_ms"):
            if not 0 < getattr(self, key) <= LONGEST_MS:  # NaN compares false
                raise ConfigError(
                    f"{key}: {getattr(self, key):g}; "
                    f"expected milliseconds above 0, at most {LONGEST_MS} (a day)"
                )

    def _check_parts(self) -> None:
        """Refuse what cannot be one part."""
        frames, queue = self.vote.frames, self.capture.queue
        if self.trigger is None and frames > 1:
            raise ConfigError(
                f"vote.frames: {frames} without [trigger], which announces the part they show; "
                f"expected consecutive = {frames}, or a [trigger]"
            )
        if frames * queue > MOST_QUEUED:
            raise ConfigError(
                f"vote.frames: {frames} of each of {queue} parts that may wait (capture.queue); "
                f"expected at most {MOST_QUEUED} frames in memory; lower one of both"
            )
        announced = self.trigger is not None or self.capture.keep is Keep.TRIGGERED
        if self.vote.is_steadied and announced:
            raise ConfigError(
                "vote.consecutive: with parts that are announced, which have nothing to do with "
                "each other; expected frames, or a camera that nothing triggers"
            )
        if self.together and (self.trigger is None or len(self.cameras) < 2):
            raise ConfigError(
                f"parts.cameras: 'together' with {len(self.all_cameras)} of [cameras] and "
                f"{'no' if self.trigger is None else 'a'} [trigger]; expected two cameras or more "
                f"and a [trigger] that announces the part they look at"
            )


def read(path: Path) -> Settings:
    """Read a station file; paths in it are relative to the file's own folder.

    Where it has recipes, what it says is that of the one it chooses, and each of them is whole.

    Raises:
        ConfigError: No such file, not TOML, or a key is unknown, missing or wrong.

    """
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; expected a station file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    settings = schema.call(Settings, table, str(path), base=path.parent)
    if not settings.recipes:
        return settings
    whole = {name: _whole(settings, name) for name in settings.recipes}
    return replace(settings, recipes=whole).with_recipe(settings.recipe)


def _whole(settings: Settings, name: str) -> Recipe:
    try:
        one = settings.with_recipe(name)
    except ConfigError as error:
        raise ConfigError(f"recipes.{name}: {error}") from error
    return Recipe(one.rule, one.bundle, one.views, one.frame_px)
