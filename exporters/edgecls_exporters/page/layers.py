"""What quantization does to each layer: the noise it adds, and how much the scores feel of it."""

import math
from collections.abc import Sequence

from edgecls_exporters import figures
from edgecls_exporters.page.markup import Html, folded, joined, marked, note, scrolling, table
from edgecls_exporters.page.svg import Axis, bars, drawing, line, text
from edgecls_exporters.report import QuantizedLayer

WIDTH, LEFT, RIGHT = 760, 56, 8
NOISE, SENSITIVITY = (24.0, 120.0), (158.0, 254.0)
HEIGHT = 276
MOST_SENSITIVE = 6
HEAD = ("layer", "operator", "runs on", "signal to noise", "sensitivity (KL)", "weight growth")


def part(layers: Sequence[QuantizedLayer]) -> Html:
    """Return the layers as a chart, the most sensitive as a table, all on demand."""
    if not layers:
        return Html()
    known = [layer for layer in layers if _positive(layer.sensitivity)]
    worst = sorted(known, key=lambda layer: -(layer.sensitivity or 0))[:MOST_SENSITIVE]
    parts = [_chart(layers)]
    if worst and len(layers) > MOST_SENSITIVE:
        parts += [note("The most sensitive layers:"), _table(worst)]
    return joined([*parts, folded(f"All {len(layers)} layers", _table(layers))])


def _positive(value: float | None) -> bool:
    return value is not None and figures.known(value) and value > 0


def _table(layers: Sequence[QuantizedLayer]) -> Html:
    lines = [
        (
            layer.name,
            layer.operator,
            "integers" if layer.integer else marked("float", "kept"),
            f"{layer.noise_db:.1f} dB" if figures.known(layer.noise_db) else figures.NOTHING,
            figures.decimal(layer.sensitivity),
            f"{layer.weight_growth:.2f}" if figures.known(layer.weight_growth) else figures.NOTHING,
        )
        for layer in layers
    ]
    return table("Layers", HEAD, lines, left=(1, 2))


def _chart(layers: Sequence[QuantizedLayer]) -> Html:
    room = (WIDTH - LEFT - RIGHT) / len(layers)
    width = max(1.0, min(14.0, 0.7 * room))
    places = [LEFT + (i + 0.5) * room for i in range(len(layers))]
    shapes = [
        *_panel("signal to noise, dB: higher is better", _noise_axis(layers), "{:g}", NOISE[0]),
        *_panel(
            "sensitivity, KL of the scores when it alone is quantized: lower is better",
            _sensitivity_axis(layers),
            "1e{:g}",
            SENSITIVITY[0],
        ),
    ]
    for integer, mark in ((True, "layer"), (False, "layer kept")):
        mine = [
            (x, layer) for x, layer in zip(places, layers, strict=True) if layer.integer is integer
        ]
        noise, sensitivity = _noise_axis(layers), _sensitivity_axis(layers)
        shapes.append(
            bars(
                [
                    (x, NOISE[1], noise.at(layer.noise_db))
                    for x, layer in mine
                    if layer.noise_db is not None and figures.known(layer.noise_db)
                ],
                mark,
            )
        )
        shapes.append(
            bars(
                [
                    (x, SENSITIVITY[1], sensitivity.at(math.log10(layer.sensitivity)))
                    for x, layer in mine
                    if layer.sensitivity is not None and _positive(layer.sensitivity)
                ],
                mark,
            )
        )
    kept = [layer.name for layer in layers if not layer.integer]
    shapes.append(text(LEFT, HEIGHT - 4, "layers in the order of the graph"))
    if kept:
        shapes.append(text(WIDTH - RIGHT, HEIGHT - 4, "kept in float", "end kept"))
    what = f"Noise and sensitivity of {len(layers)} layers; kept in float: {len(kept)}"
    style = f"--bar:{width:.1f}px"
    chart = drawing(what, WIDTH, HEIGHT, *shapes, mark="chart fixed")
    return scrolling(Html(chart.replace("<svg ", f'<svg style="{style}" ', 1)), what)


def _noise_axis(layers: Sequence[QuantizedLayer]) -> Axis:
    found = [db for layer in layers if (db := layer.noise_db) is not None and figures.known(db)]
    return Axis(min([0.0, *found]), max([1.0, *found]), NOISE[1], NOISE[0])


def _sensitivity_axis(layers: Sequence[QuantizedLayer]) -> Axis:
    """Return an axis of powers of ten: sensitivities differ by thousands."""
    found = [
        math.log10(s) for layer in layers if (s := layer.sensitivity) is not None and _positive(s)
    ] or [-1.0]
    return Axis(math.floor(min(found)) - 0.2, math.ceil(max(found)), SENSITIVITY[1], SENSITIVITY[0])


def _panel(title: str, axis: Axis, form: str, top: float) -> list[Html]:
    shapes = [text(LEFT, top - 8, title)]
    for tick in axis.ticks(4):
        y = axis.at(tick)
        shapes.append(line((LEFT, y), (WIDTH - RIGHT, y), "grid"))
        shapes.append(text(LEFT - 8, y + 4, form.format(round(tick, 6)), "end"))
    return shapes
