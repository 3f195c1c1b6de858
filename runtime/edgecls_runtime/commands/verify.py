"""Prove that a bundle answers rightly on this device.

Checks the hash of every file, the shape of every model, and runs the golden samples: images that
travel with the bundle, from the file through this device's engine to the scores.
Exit code 1 means: it opens, but it answers wrongly here.
"""

import argparse
import sys

from edgecls.bundle import Bundle
from edgecls_runtime import golden
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.commands import add_bundle, add_engine, print_json, variant_names


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add_bundle(parser)
    add_engine(parser)


def run(arguments: argparse.Namespace) -> int:
    """Verify one variant, or all of them."""
    bundle = Bundle.open(arguments.bundle)
    results = []
    for name in variant_names(bundle, arguments.variant):
        checks = golden.check(Classifier(bundle, arguments.provider, name))
        results.append(
            {
                "variant": name,
                "passed": all(check.passed for check in checks),
                "samples": len(checks),
                "largest_difference": max(check.difference for check in checks),
                "tolerance": checks[0].tolerance,
                "largest_difference_from_original": max(check.from_reference for check in checks),
            }
        )
    passed = all(result["passed"] for result in results)
    if arguments.json:
        print_json({"bundle": str(bundle.path), "passed": passed, "variants": results})
    else:
        sys.stdout.write(f"{len(bundle.manifest.files)} files unaltered\n")
        sys.stdout.writelines(_line(result) for result in results)
    return 0 if passed else 1


def _line(result: dict[str, object]) -> str:
    word = "right" if result["passed"] else "WRONG"
    return (
        f"{result['variant']:8} {word}: {result['samples']} golden samples, scores within "
        f"{result['largest_difference']:.2g} of the build machine's "
        f"(allowed {result['tolerance']:.2g}), "
        f"{result['largest_difference_from_original']:.2g} of the original model's\n"
    )
