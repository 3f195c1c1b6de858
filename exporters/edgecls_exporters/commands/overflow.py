"""Does an int8 model compute wrongly on x86 without VNNI, and does this processor?

    edgecls overflow MODEL.onnx [--data photos]        any int8 ONNX file, whoever made it
    edgecls overflow bolt.bundle:int8 [--data photos]

There the fast kernel adds two products in 16 bits and saturates. Each image is run twice, by exact
arithmetic and by a model of that kernel that is exact to the bit; neither depends on this
processor. Whether this processor saturates is asked by running a product on it.

Exit code 1: answers change, and this processor is one that changes them (with --anywhere: whatever
this processor is). A model without answers (its first output is no table) fails by any saturated
pair. 0 otherwise.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from edgecls.bundle import Bundle
from edgecls.errors import ConfigError
from edgecls.manifest import Precision
from edgecls_exporters.interpreter import Network, fused
from edgecls_exporters.model_inputs import Wanted, for_bundle, for_file
from edgecls_exporters.pair_probe import saturates
from edgecls_exporters.saturation_check import Check, Layer, check, has_integers
from edgecls_runtime.commands import add_json, count, percent, print_json


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("model", metavar="MODEL.onnx|BUNDLE[:VARIANT]")
    parser.add_argument("--data", metavar="DIR", type=Path, help="images (default: see below)")
    parser.add_argument("--images", metavar="N", type=count, default=16, help="default: 16")
    parser.add_argument("--anywhere", action="store_true", help="judge for every x86 processor")
    parser.add_argument("--seed", type=count, default=1, help="of the noise (default: 1)")
    add_json(parser)
    group = parser.add_argument_group("images for a bare ONNX file (without --data: seeded noise)")
    group.add_argument("--size", metavar="PX", type=count, nargs="+", help="side, or height width")
    group.add_argument("--mean", type=float, nargs=3, help="of 0..1 RGB (default: 0 0 0)")
    group.add_argument("--std", type=float, nargs=3, help="of 0..1 RGB (default: 1 1 1)")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A check, and what it means here.

    Attributes:
        model: As it was asked for.
        fed: What it was fed; "" where there was nothing to feed.
        check: What was found.
        here: Whether this processor saturates.
        anywhere: Whether every processor counts.

    """

    model: str
    fed: str
    check: Check
    here: bool
    anywhere: bool

    @property
    def harmed(self) -> bool:
        """Whether saturation changes what the model says."""
        if self.check.changed is None:
            return self.check.total.saturated > 0
        return self.check.changed > 0

    @property
    def failed(self) -> bool:
        """Whether the answer is no."""
        return self.harmed and (self.here or self.anywhere)


def run(arguments: argparse.Namespace) -> int:
    """Check and print."""
    bundle, file = _found(arguments.model)
    with tempfile.TemporaryDirectory() as folder:
        model = fused(file, Path(folder))
    wanted = Wanted(
        arguments.data,
        arguments.images,
        _size(arguments.size),
        tuple(arguments.mean) if arguments.mean else None,
        _positive(arguments.std),
        arguments.seed,
    )
    if not has_integers(model):
        return _nothing(arguments)
    inputs = Network(model).inputs
    fed = for_file(inputs, wanted) if bundle is None else for_bundle(bundle, inputs, wanted)
    found = check(model, fed.inputs, fed.answer)
    for message in fed.skipped:
        sys.stderr.write(f"skipped: {message}\n")
    if not found.images:
        raise ConfigError(f"{arguments.data}: none of its files is an image")
    verdict = Verdict(arguments.model, fed.said, found, saturates(), arguments.anywhere)
    if arguments.json:
        print_json(_table(verdict))
    else:
        sys.stdout.write(_screen(verdict))
    return int(verdict.failed)


def _nothing(arguments: argparse.Namespace) -> int:
    if arguments.json:
        print_json({"model": arguments.model, "quantized": False, "ok": True})
    else:
        said = f"{arguments.model}: no int8 layers, as onnxruntime runs it: nothing to saturate\n"
        sys.stdout.write(said)
    return 0


def _found(text: str) -> tuple[Bundle | None, Path]:
    """Return the bundle, if it is one, and the ONNX file."""
    path, variant = Path(text), ""
    if not path.exists() and ":" in text:
        before, _, variant = text.rpartition(":")
        path = Path(before)
    if not path.exists():
        raise ConfigError(f"{text}: no such file; expected an ONNX file or a bundle")
    if path.is_file() and not variant:
        return None, path
    bundle = Bundle.open(path)
    if not variant:
        int8 = [v.name for v in bundle.variants if v.precision is Precision.INT8]
        variant = int8[0] if int8 else "auto"
    return bundle, path / bundle.variant(variant).file


def _size(given: list[int] | None) -> tuple[int, int] | None:
    if given is None:
        return None
    if len(given) > 2:
        raise ConfigError(f"--size: {given}; expected one or two lengths")
    return given[0], given[-1]


def _positive(given: list[float] | None) -> tuple[float, float, float] | None:
    if given is None:
        return None
    if min(given) <= 0:
        raise ConfigError(f"--std: {given}; expected values above 0")
    return given[0], given[1], given[2]


def _table(verdict: Verdict) -> dict[str, object]:
    found = verdict.check
    return {
        "model": verdict.model,
        "fed": verdict.fed,
        "images": found.images,
        "quantized": True,
        "this_cpu_saturates": verdict.here,
        "can_saturate": found.possible,
        "pairs": found.total.pairs,
        "saturated": found.total.saturated,
        "changed": found.changed,
        "largest_difference": found.largest_difference,
        "ok": not verdict.failed,
        "layers": [_row(layer) for layer in found.layers],
        "other_kernels": found.spared,
        "not_examined": found.unread,
    }


def _row(layer: Layer) -> dict[str, object]:
    return {
        "name": layer.name,
        "operator": layer.operator,
        "can_saturate": layer.possible,
        "largest_possible_pair": layer.reach,
        "pairs": layer.saturation.pairs,
        "saturated": layer.saturation.saturated,
        "pair_share": layer.pair_share,
        "output_share": layer.output_share,
        "lost_share": layer.lost_share,
        "worst_pair": layer.saturation.worst,
        "mean_steps": layer.mean_steps,
        "most_steps": layer.most_steps if layer.has_steps else None,
    }


def _screen(verdict: Verdict) -> str:
    found, here = verdict.check, "saturates" if verdict.here else "does not saturate"
    lines = [f"model       {verdict.model}", f"processor   this one {here}"]
    spared = ", ".join(f"{number} {name}" for name, number in found.spared.items())
    lines += [
        f"layers      {len(found.layers)} of u8 x s8" + (f"; spared: {spared}" * bool(spared))
    ]
    if found.unread:
        names = ", ".join(f"{number} {name}" for name, number in found.unread.items())
        lines.append(f"            not examined: {names}")
    lines.append(f"fed         {verdict.fed}")
    lines += [*_effect(found), *_layers(found.layers), _said(verdict)]
    return "\n".join(lines) + "\n"


def _effect(found: Check) -> list[str]:
    total = found.total
    if not found.possible:
        return ["saturated   never: no input can make a pair of any layer saturate"]
    hit = sum(layer.saturation.saturated > 0 for layer in found.layers)
    share = 100 * total.saturated / max(total.pairs, 1)
    changed = "none" if found.changed is None else f"{found.changed} of {found.images} change"
    return [
        f"saturated   {share:.4f} % of pairs, in {hit} of {len(found.layers)} layers",
        f"answers     {changed}; largest difference of an output {found.largest_difference:.4g}",
    ]


def _layers(layers: tuple[Layer, ...], most: int = 12) -> list[str]:
    hit = [layer for layer in layers if layer.saturation.saturated]
    if not hit:
        return []
    worst = sorted(hit, key=lambda layer: -layer.output_share)
    head = (
        f"  {'pairs':>10} {'outputs':>10} {'lost':>8} {'steps':>6} {'most':>5} {'worst':>6}  layer"
    )
    rows = [
        f"  {100 * layer.pair_share:8.4f} % {percent(layer.output_share):>10} "
        f"{percent(layer.lost_share):>8} {_steps(layer)} {layer.saturation.worst:6}  "
        f"{layer.operator} {layer.name}"
        for layer in worst[:most]
    ]
    return ["", head, *rows, *[f"  ... {len(hit) - most} more"] * (len(hit) > most), ""]


def _steps(layer: Layer) -> str:
    if layer.mean_steps is None:
        return f"{'-':>6} {'-':>5}"
    return f"{layer.mean_steps:6.3f} {layer.most_steps:5}"


def _said(verdict: Verdict) -> str:
    if not verdict.harmed:
        return "verdict     saturation changes no answer"
    what = "answers change" if verdict.check.changed else "outputs change"
    if verdict.here:
        return f"verdict     {what} by saturation, on this processor"
    return f"verdict     {what} by saturation on x86 processors without VNNI, not on this one"
