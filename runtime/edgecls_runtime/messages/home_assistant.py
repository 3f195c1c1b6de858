"""What Home Assistant wants to know to show a station without being configured.

Retained messages below a prefix that it watches: the outcome with its reason, counters, and a
problem while parts come by that nothing can judge.

Source:
    https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edgecls import __version__
from edgecls.verdict import Cause, Outcome

UNJUDGED = (Cause.MISSED.value, Cause.ERROR.value, Cause.INCIDENT.value)
COUNTED = (*(outcome.value for outcome in Outcome), Cause.MISSED.value, Cause.ERROR.value)
PREFIX = re.compile(r"[^+#\x00/$][^+#\x00]*")


@dataclass(frozen=True, slots=True)
class Discovery:
    """A station as a device of Home Assistant.

    Attributes:
        prefix: Of the topics that it watches; its own is ``homeassistant``.
        station: Name of the device.
        availability: Topic that holds ``online`` or ``offline``.
        state: Topic that holds the latest verdict and the counters.

    """

    prefix: str
    station: str
    availability: str
    state: str

    def messages(self) -> Iterator[tuple[str, dict[str, object]]]:
        """Yield the topics, each with the JSON that it is to hold."""
        unjudged = ", ".join(f"'{cause}'" for cause in UNJUDGED)
        yield self._entity(
            "sensor",
            "outcome",
            "{{ value_json.counts_as }}",
            device_class="enum",
            options=[*COUNTED, Cause.INCIDENT.value],
            json_attributes_topic=self.state,
        )
        for name in COUNTED:
            template = f"{{{{ value_json.counts['{name}'] }}}}"
            yield self._entity("sensor", f"{name} count", template, state_class="total_increasing")
        yield self._entity(
            "binary_sensor",
            "problem",
            f"{{{{ 'ON' if value_json.counts_as in [{unjudged}] else 'OFF' }}}}",
            device_class="problem",
        )

    def _entity(
        self, component: str, name: str, template: str, **more: object
    ) -> tuple[str, dict[str, object]]:
        node = re.sub(r"[^a-zA-Z0-9_-]", "_", self.station)
        key = name.replace(" ", "_")
        table = {
            "name": name.capitalize(),
            "unique_id": f"edgecls_{node}_{key}",
            "state_topic": self.state,
            "value_template": template,
            "availability_topic": self.availability,
            "device": {
                "identifiers": [f"edgecls_{node}"],
                "name": self.station,
                "manufacturer": "edgecls",
                "model": "inspection station",
                "sw_version": __version__,
            },
            "origin": {"name": "edgecls", "sw_version": __version__},
        }
        return f"{self.prefix}/{component}/edgecls_{node}/{key}/config", {**table, **more}


def state(verdict: Mapping[str, object], counts_as: str, counts: Mapping[str, int]) -> object:
    """Return what the state topic holds.

    Args:
        verdict: Its ``table()``; left out is what was seen at each place of the frame.
        counts_as: Of that verdict.
        counts: Verdicts told since the start, that one among them, by what they count as.

    """
    table = {key: value for key, value in verdict.items() if key != "looks"}
    return {"counts_as": counts_as, "counts": {name: counts[name] for name in COUNTED}, **table}
