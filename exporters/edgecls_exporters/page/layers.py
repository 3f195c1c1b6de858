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
SENSITIVITY_TITLE = "sensitivity, KL of the scores when it alone is quantized: lower is better"
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
    noise, sensitivity = _noise_axis(layers), _sensitivity_axis(layers)
    shapes = [
        *_panel("signal to noise, dB: higher is better", noise, "{:g}"),
        *_panel(SENSITIVITY_TITLE, sensitivity, "1e{:g}"),
    ]
    for integer, mark in ((True, "layer"), (False, "layer kept")):
        mine = [
            (LEFT + (i + 0.5) * room, layer)
            for i, layer in enumerate(layers)
            if layer.integer is integer
        ]
        heard = [(round(x, 1), noise.start, noise.at(db)) for x, db in _noises(mine)]
        felt = [(round(x, 1), sensitivity.start, sensitivity.at(p)) for x, p in _powers(mine)]
        shapes += [bars(heard, width, mark), bars(felt, width, mark)]
    kept = sum(not layer.integer for layer in layers)
    shapes.append(text(LEFT, HEIGHT - 4, "layers in the order of the graph"))
    if kept:
        shapes.append(text(WIDTH - RIGHT, HEIGHT - 4, "kept in float", "end kept"))
    what = f"Noise and sensitivity of {len(layers)} layers; kept in float: {kept}"
    return scrolling(drawing(what, WIDTH, HEIGHT, *shapes, mark="chart fixed"), what)


def _noises(placed: Sequence[tuple[float, QuantizedLayer]]) -> list[tuple[float, float]]:
    """Return (place, dB) of the layers whose noise is known."""
    return [
        (x, db) for x, layer in placed if figures.known(db := layer.noise_db) and db is not None
    ]


def _powers(placed: Sequence[tuple[float, QuantizedLayer]]) -> list[tuple[float, float]]:
    """Return (place, power of ten) of the layers whose sensitivity is known and not 0."""
    return [
        (x, math.log10(s))
        for x, layer in placed
        if (s := layer.sensitivity) is not None and _positive(s)
    ]


def _noise_axis(layers: Sequence[QuantizedLayer]) -> Axis:
    found = [db for _, db in _noises([(0.0, layer) for layer in layers])]
    return Axis(min([0.0, *found]), max([1.0, *found]), NOISE[1], NOISE[0])


def _sensitivity_axis(layers: Sequence[QuantizedLayer]) -> Axis:
    """Return an axis of powers of ten: sensitivities differ by thousands."""
    found = [power for _, power in _powers([(0.0, layer) for layer in layers])] or [-1.0]
    return Axis(math.floor(min(found)) - 0.2, math.ceil(max(found)), SENSITIVITY[1], SENSITIVITY[0])


def _panel(title: str, axis: Axis, form: str) -> list[Html]:
    shapes = [text(LEFT, axis.end - 8, title)]
    for tick in axis.ticks(4):
        y = axis.at(tick)
        shapes.append(line((LEFT, y), (WIDTH - RIGHT, y), "grid"))
        shapes.append(text(LEFT - 8, y + 4, form.format(round(tick, 6)), "end"))
    return shapes
