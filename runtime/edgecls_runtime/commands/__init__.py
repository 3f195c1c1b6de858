"""The commands that run on the device: one file each, and what they share here."""

import argparse
import json
import sys
from pathlib import Path

from edgecls.bundle import Bundle
from edgecls_runtime.fitting import fitting, misfit
from edgecls_runtime.protocols import Provider


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """Add the bundle that nearly every command takes, and ``--json``."""
    parser.add_argument("bundle", metavar="BUNDLE", type=Path, help="folder made by edgecls export")
    add_json(parser)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="answer as JSON on stdout")


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add the choice of variant and provider."""
    parser.add_argument("--variant", default="auto", help="such as fp32 or int8 (default: auto)")
    parser.add_argument(
        "--provider",
        default="auto",
        help="such as cpu or cuda; edgecls devices lists them (default: auto: what edgecls tune "
        "chose, else cpu)",
    )


def add_good(parser: argparse.ArgumentParser) -> None:
    """Add the labels that let a part pass."""
    parser.add_argument(
        "--good",
        metavar="LABEL",
        action="append",
        default=[],
        help="a label that lets a part pass; may be given more than once",
    )


def count(text: str) -> int:
    """Read a flag that counts something: a whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number}: expected 1 or more")
    return number


def print_json(table: object) -> None:
    """Write data to stdout as JSON; what was not measured is null."""
    text = json.dumps(table, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write(text + "\n")


def fitting_variants(
    bundle: Bundle, wanted: str, provider: Provider
) -> tuple[list[str], dict[str, str]]:
    """Return the names of the variants to run, and why each other one is not run, by its name.

    Args:
        bundle: Opened.
        wanted: Name of a variant, which runs whatever it was made for, or ``auto`` for every one
            that was made for the provider and this machine.
        provider: What they shall run on.

    Raises:
        ProviderError: None was.

    """
    if wanted != "auto":
        return [bundle.variant(wanted).name], {}
    fit = [variant.name for variant in fitting(bundle, provider)]
    found = {variant.name: misfit(variant, provider) for variant in bundle.variants}
    return fit, {name: reason for name, reason in found.items() if reason}


def percent(share: float | None) -> str:
    """Write a share of 0..1 as ``93.10 %``, or ``-`` where it was not measured."""
    return "-" if share is None else f"{100 * share:.2f} %"
