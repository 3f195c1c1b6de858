"""The results of ``families.py``: one line of JSON each, and the table of docs/families.md."""

import json
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort
import timm
import torch

LARGEST_PX = 288
LABELS = 10
# Scores are near fp32's from here on.
COSINE = 0.95
PAGE = Path(__file__).parent.parent / "docs" / "families.md"
RESULTS = PAGE.with_suffix(".jsonl")


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table.

    Attributes:
        family: Module of timm.
        member: Name of the model; empty where the family has none that fits.
        parameters: Number of them, millions.
        size: Side of the image, px.
        export: ``ok``, or why there is no graph.
        difference: Largest difference of a score, 0..1, between PyTorch and the fp32 graph.
        int8: ``ok``, why there is no int8 graph, or empty when it was not asked for.
        operators: As ``quantization.Plan.operators``.
        agreement: Share of made-up photos with the same first label in int8 and fp32.
        cosine: Between the log scores of int8 and fp32, each photo's mean taken out.
        seconds: What it took.

    """

    family: str
    member: str = ""
    parameters: float = 0.0
    size: int = 0
    export: str = ""
    difference: float | None = None
    int8: str = ""
    operators: str = "all"
    agreement: float | None = None
    cosine: float | None = None
    seconds: float = 0.0


def read(file: Path) -> dict[str, Result]:
    """Return the results of a file by their family; the last of each counts."""
    if not file.is_file():
        return {}
    lines = file.read_text(encoding="utf-8").splitlines()
    return {result.family: result for result in (Result(**json.loads(line)) for line in lines)}


def page(results: list[Result]) -> str:
    """Return docs/families.md."""
    exported = sum(result.export == "ok" for result in results)
    quantized_too = sum(result.int8 == "ok" for result in results)
    count = (
        f"{len(timm.list_modules())} families {len(results)} were tried, {exported} export to fp32"
    )
    if any(result.int8 for result in results):
        count += f", {quantized_too} to int8"
    torch_version = torch.__version__.partition("+")[0]
    text = f"""# Every timm family, exported

Made by `python scripts/families.py --write` with timm {timm.__version__}, torch {torch_version},
onnxruntime {ort.__version__}: of {count}.

One member each: the one with the fewest parameters whose image is at most {LARGEST_PX} px (or the
smallest image there is), with random weights and {LABELS} labels, on 16 made-up photos.
*difference*: largest of any score between PyTorch and the fp32 graph. *int8*: which operators are
integers: all that have kernels; *layers*, convolutions and products; *weights*, those of them with
weights; *head*, what comes after the last pooling, all other weights being stored in 8 bits. The
first of these is taken whose scores are near fp32's (a cosine of {COSINE}). *agreement* and
*cosine*: int8 against fp32, calibrated on 16 other photos. Random weights say what graph and
kernels do, not what accuracy a trained model keeps: the proof of an export does. A drawn network
may magnify the least change: where even *head* leaves a low cosine, 8 bits of weights are enough
for that.

| family | member | M params | px | fp32 | difference | int8 | agreement | cosine |
|---|---|--:|--:|---|--:|---|--:|--:|
"""
    lines = [line(result) for result in sorted(results, key=lambda result: result.family)]
    measured = {result.family for result in results}
    missing = [family for family in timm.list_modules() if family not in measured]
    rest = f"\nNot tried yet: {', '.join(missing)}.\n" if missing else ""
    return text + "\n".join(lines) + "\n" + rest


def line(result: Result) -> str:
    """Return a result as a line of the table."""
    difference = "" if result.difference is None else f"{result.difference:.0e}"
    agreement = "" if result.agreement is None else f"{100 * result.agreement:.0f} %"
    near = "" if result.cosine is None else f"{result.cosine:.3f}"
    int8 = result.operators if result.int8 == "ok" else result.int8
    texts = [result.export.replace("|", "/"), difference, int8.replace("|", "/")]
    return (
        f"| {result.family} | {result.member} | {result.parameters:.1f} | {result.size} | "
        f"{texts[0]} | {texts[1]} | {texts[2]} | {agreement} | {near} |"
    )
