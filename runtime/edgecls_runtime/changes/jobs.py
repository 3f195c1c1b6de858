"""Settings of a recipe become a job: its bundle opened and proven, its rule held to the labels."""

from pathlib import Path

from edgecls.bundle import Bundle
from edgecls_runtime.changes.engines import Engines, Shared
from edgecls_runtime.changes.succession import Job, Seeing
from edgecls_runtime.config import Settings
from edgecls_runtime.failover import Failover
from edgecls_runtime.opening import Allowed
from edgecls_runtime.views.looking import Looking


def open_job(settings: Settings, base: Path, engines: Engines) -> tuple[Job, Shared]:
    """Return a job, with the classifier that is to be given back when it judges no more.

    Args:
        settings: With the recipe's rule and bundle.
        base: What relative paths in the tables of providers are relative to.
        engines: Where its classifier comes from.

    Raises:
        EdgeclsError: The bundle cannot be opened or answers wrongly here, or rule or views name a
            label that it lacks; nothing is left open.

    """
    bundle = Bundle.open(settings.bundle)
    settings.rule.check(bundle.labels)
    allowed = Allowed(settings.providers, settings.variant, settings.placement, base)
    shared = engines.take(bundle, allowed)
    try:
        # Whether views fit is known before any camera is opened.
        seeing = {name: seeing_of(settings, name, shared.classify) for name in settings.all_cameras}
    except BaseException:
        engines.give_back(shared.classify)
        raise
    return Job(settings, shared.classify, seeing), shared


def seeing_of(settings: Settings, camera: str, classify: Failover) -> Seeing:
    """Return what sees the frames of a camera: whole, or at the places that views name.

    Raises:
        ConfigError: The views do not fit the frame, or each other.

    """
    if not (views := settings.views_of(camera)):
        return Seeing(classify, classify.prepare, settings.rule)
    looking = Looking(views, settings.frame_px, classify)
    return Seeing(looking, looking.prepare, settings.rule.judge_places)
