"""The images that travel with the bundle, and the answers that a device must give on them."""

import numpy as np

from edgecls_exporters import figures
from edgecls_exporters.page.markup import Html, element, joined, note
from edgecls_exporters.page.thumbnails import picture
from edgecls_exporters.report import Report
from edgecls_runtime.golden import Sample


def part(report: Report, samples: tuple[Sample, ...], thumbnails: dict[str, bytes]) -> Html:
    """Return the samples; empty without any."""
    if not samples:
        return Html()
    cards = [_card(report, sample, thumbnails.get(sample.file)) for sample in samples]
    reading = note(
        "Run again on the device by ",
        element("code", "edgecls verify"),
        ": it must give these scores. The second line is the largest difference of any score of ",
        "any variant from the original's.",
    )
    return joined([reading, element("div", *cards, class_="gallery")])


def _card(report: Report, sample: Sample, jpeg: bytes | None) -> Html:
    reference = np.array(sample.reference)
    best = int(reference.argmax())
    label = report.labels[best] if best < len(report.labels) else str(best)
    off = max(
        (float(np.abs(np.array(s) - reference).max()) for s in sample.variants.values()), default=0
    )
    caption = element(
        "figcaption",
        joined([label, " ", figures.percent(float(reference[best]))]),
        element("small", f"off by {figures.decimal(off)} at most"),
        element("small", sample.file),
    )
    return element("figure", picture(jpeg, f"Golden sample {sample.file}: {label}"), caption)
