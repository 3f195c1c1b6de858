"""Show what a bundle is, in one screen. Opening it checks the hash of every file."""

import argparse
import sys
from dataclasses import asdict

from edgecls.bundle import Bundle
from edgecls.manifest import Manifest, Variant
from edgecls_runtime.commands import add_bundle, percent, print_json
from edgecls_runtime.placement import short


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add_bundle(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the bundle."""
    bundle = Bundle.open(arguments.bundle)
    if arguments.json:
        print_json({"path": str(bundle.path), "digest": bundle.digest, **asdict(bundle.manifest)})
    else:
        sys.stdout.write(_screen(bundle))
    return 0


def _screen(bundle: Bundle) -> str:
    manifest = bundle.manifest
    lines = [
        f"{manifest.name} {manifest.version}   {manifest.task}, {len(manifest.labels)} labels",
        f"digest    {bundle.digest}",
        f"labels    {_some(manifest.labels)}",
        f"image     {_path_of_an_image(manifest)}",
        "",
        *_variants(manifest.variants),
        "",
        *(f"{key:10}{value}" for key, value in manifest.provenance.items()),
    ]
    return "\n".join(lines) + "\n"


def _some(labels: tuple[str, ...], most: int = 8) -> str:
    more = f", ... {len(labels) - most} more" if len(labels) > most else ""
    return ", ".join(labels[:most]) + more


def _path_of_an_image(manifest: Manifest) -> str:
    done = manifest.preprocessing
    scaled = "x".join(map(str, done.resize_size))
    size = "x".join(map(str, done.size))
    return (
        f"RGB, {done.resize} to {scaled} px ({done.interpolation}, {done.resampling}), "
        f"centre {size}, mean {_numbers(done.mean)}, std {_numbers(done.std)}"
    )


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.3g}" for value in values)


def _variants(variants: tuple[Variant, ...]) -> list[str]:
    """Return a table of the variants, its columns as wide as they need."""
    head = ("variant", "precision", "target", "size", "accuracy", "agreement", "runs on")
    rows = [head, *map(_cells, variants)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _cells(variant: Variant) -> tuple[str, ...]:
    return (
        variant.name,
        variant.precision,
        variant.target,
        f"{variant.size_bytes / 1e6:.1f} MB",
        percent(variant.accuracy),
        percent(variant.agreement),
        _runs_on(variant),
    )


def _runs_on(variant: Variant) -> str:
    """Name the providers, as onnxruntime does but short, and the machines."""
    providers = ", ".join(map(short, variant.providers)) or "any"
    return f"{providers} on {', '.join(variant.machines) or 'any machine'}"
