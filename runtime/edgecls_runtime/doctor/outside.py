"""Who announces parts and who is told of them: opened only as far as nobody notices."""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from edgecls import plugins
from edgecls_runtime import outputs, triggers
from edgecls_runtime.config import Settings
from edgecls_runtime.doctor.finding import Finding, fault, looked, not_tried, ok
from edgecls_runtime.probe import probe
from edgecls_runtime.protocols import Counting
from edgecls_runtime.telling.settings import parted
from edgecls_runtime.web.hub import Hub
from edgecls_runtime.web.opening import Seen, open_web
from edgecls_runtime.web.settings import WebSettings

WRONG = "its table is wrong"


def trigger(settings: Settings, base: Path, wrong: frozenset[str]) -> Iterator[Finding]:
    """Yield whether what announces parts is there."""
    if settings.trigger is None:
        return
    if "trigger" in wrong:
        yield not_tried("trigger", WRONG)
        return
    table = settings.trigger
    kind = plugins.kind(triggers.__name__, table, "trigger")
    module = plugins.module(triggers.__name__, kind)
    if consumes := getattr(module, "CONSUMES", ""):
        yield not_tried("trigger", f"{kind}: not opened: {consumes}")
        return

    def look() -> Finding:
        with closing(triggers.open_table(table, base)) as opened:
            pass
        # Only now does it hear of no more.
        heard = opened.heard.announced if isinstance(opened, Counting) else 0
        if heard:
            return fault(
                "trigger",
                f"{kind}: announced {heard} parts meanwhile, which nobody judges; expected a line "
                f"that stands still while it is looked at",
            )
        return ok("trigger", f"{kind}: opened and closed", kind=kind)

    yield looked("trigger", look, is_of_file=True)


def told(
    settings: Settings, base: Path, wrong: frozenset[str], *, opens: bool
) -> Iterator[Finding]:
    """Yield whether those who are told are there.

    Args:
        settings: The station file.
        base: What relative paths in its tables of hardware are relative to.
        wrong: Tables that cannot be opened.
        opens: Open them too: that drives pins, and other sides notice it.

    """
    for number, table in enumerate(settings.outputs):
        where = f"outputs[{number}]"
        room = f"output {table.get('name') or table.get('kind')}"
        if where in wrong:
            yield not_tried(room, WRONG)
            continue
        _, own = parted(table)
        if opens:
            look = partial(_opened, own, where, room, base)
            yield looked(room, look, is_of_file=True)
        else:
            yield _stands(room, str(own["kind"]))


def _stands(room: str, kind: str) -> Finding:
    """Return whether what an output stands on is here: packages, chips, drivers."""
    unopened = "not opened (--open-outputs opens it)"
    if not hasattr(plugins.module(outputs.__name__, kind), "probed"):
        return ok(room, f"{kind}: needs nothing; {unopened}", kind=kind)
    found = probe(kind, "outputs")  # a driver may crash: in a process of its own
    if not found.ready:
        return fault(room, f"{kind}: {found.what}")
    devices = f" ({', '.join(found.devices)})" if found.devices else ""
    return ok(room, f"{kind}: {found.what}{devices}; {unopened}", kind=kind)


def _opened(table: dict[str, object], where: str, room: str, base: Path) -> Finding:
    with closing(outputs.open_table(table, where, base)):
        return ok(room, f"{table['kind']}: opened and closed", kind=table["kind"])


def web(settings: WebSettings | None) -> Iterator[Finding]:
    """Yield whether the operator's page can be served."""
    if settings is None:
        return
    seen = settings

    def look() -> Finding:
        with closing(open_web(seen, Seen(Hub()), lambda _: None)) as page:
            url = page.url
        who = "with a login" if seen.has_login else "with a link that is printed at the start"
        if seen.open_on_loopback:
            who = "without a login, on this machine"
        return ok("web", f"{url} was served, {who}", url=url)

    yield looked("web", look)
