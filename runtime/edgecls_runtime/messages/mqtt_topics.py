"""Topics that are made from what a verdict says: a template with ``{station}`` and the like."""

import re
from dataclasses import dataclass
from string import Formatter

from edgecls.errors import ConfigError
from edgecls.verdict import Verdict
from edgecls_runtime.messages.mqtt_broker import LONGEST_TOPIC

OF_STATION = ("station",)
OF_VERDICT = ("station", "camera", "counts_as")


@dataclass(frozen=True, slots=True)
class Topics:
    """Where a station's messages go.

    Attributes:
        station: Stands for ``{station}``.
        verdicts: Template with any of ``OF_VERDICT``.
        availability: Template with ``{station}``; holds ``online`` or ``offline``.
        state: Template with ``{station}``; holds the latest verdict. Empty is none.

    """

    station: str
    verdicts: str
    availability: str
    state: str

    def __post_init__(self) -> None:
        """Refuse what no broker takes, and what no verdict says."""
        _check("topic", self.verdicts, OF_VERDICT)
        _check("availability", self.availability, OF_STATION)
        if self.state:
            _check("state", self.state, OF_STATION)

    def of(self, verdict: Verdict) -> str:
        """Return where a verdict goes."""
        camera, counts_as = level(verdict.camera), verdict.counts_as
        return self.verdicts.format(station=level(self.station), camera=camera, counts_as=counts_as)

    def of_station(self, template: str) -> str:
        """Return where what concerns the whole station goes."""
        return template.format(station=level(self.station))


def level(name: str) -> str:
    """Return a name as one level of a topic, where ``/``, ``+`` and ``#`` mean something else."""
    return re.sub(r"[/+#\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "_", name) or "-"


def _check(key: str, template: str, known: tuple[str, ...]) -> None:
    """Refuse a template.

    Source:
        MQTT 5.0, 4.7: no ``+`` and ``#`` in the name of a topic, ``$`` first is the broker's own.
    """
    expected = f"expected such as edgecls/{{station}}/{key}, with any of " + ", ".join(
        f"{{{name}}}" for name in known
    )
    try:
        found = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
        topic = template.format(**dict.fromkeys(known, "x" * 100))
    except (ValueError, KeyError, IndexError, AttributeError):
        found, topic = [""], ""
    is_topic = topic and topic[0] != "$" and not set(topic) & set("+#\0")
    if not is_topic or not set(found) <= set(known):
        raise ConfigError(f"outputs.{key}: {template!r}; {expected}")
    if len(topic.encode()) > LONGEST_TOPIC:
        raise ConfigError(f"outputs.{key}: longer than {LONGEST_TOPIC} bytes")
