"""How each integer variant was made: what was tried, and what it did to each layer."""

from edgecls_exporters import figures
from edgecls_exporters.page import layers
from edgecls_exporters.page.markup import Html, element, joined, marked, note, table
from edgecls_exporters.report import Attempt, Quantization, Report

HEAD = ("ranges", "integers", "layers released", "divergence (KL)", "agreement with fp32", "")
# By quantization.Plan.operators.
INTEGERS = {
    "all": "all operators",
    "layers": "convolutions and products",
    "weights": "layers with weights",
    "head": "head; other weights stored",
}


def part(report: Report) -> Html:
    """Return a block for each integer variant; empty without any."""
    if not report.quantizations:
        return Html()
    reading = note(
        "Ways of quantizing are compared on images of their own, which neither calibrate nor ",
        "measure. Divergence is how far scores move from fp32's; lower is better.",
    )
    return joined([reading, *(_block(report, found) for found in report.quantizations)])


def _block(report: Report, found: Quantization) -> Html:
    state = marked(" left out", "bad") if found.variant in report.left_out else Html()
    parts = [element("h3", found.variant, state), element("p", _summary(found))]
    if found.attempts:
        parts.append(table("What was tried", HEAD, map(_attempt, found.attempts), left=(1, 5)))
    return joined([*parts, layers.part(found.layers)])


def _summary(found: Quantization) -> str:
    integers = sum(layer.integer for layer in found.layers)
    text = f"Made for {found.target}. "
    if found.layers:
        text += f"{integers} of {figures.counted(len(found.layers), 'layer')} run on integers. "
    grown = [layer.weight_growth for layer in found.layers if layer.weight_growth > 1]
    if grown:
        mean = sum(grown) / len(grown)
        text += (
            f"Weight scales of {figures.counted(len(grown), 'layer')} grew, by a factor of "
            f"{mean:.2f} on average, so that pairs of products cannot saturate. "
        )
    if figures.known(found.temperature) and found.temperature != 1:
        text += f"Logits are divided by {found.temperature:.3g} to keep scores comparable."
    return text


def _attempt(attempt: Attempt) -> tuple[str, ...]:
    return (
        attempt.ranges,
        INTEGERS[attempt.operators],
        str(attempt.float_layers),
        figures.decimal(attempt.divergence),
        figures.percent(attempt.agreement),
        marked("chosen", "good") if attempt.chosen else "",
    )
