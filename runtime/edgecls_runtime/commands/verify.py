"""Prove that a bundle answers rightly on this device.

Checks the hash of every file, the shape of every model, and runs the golden samples: images that
travel with the bundle, from the file through this device's engine to the scores. Variants that were
made for another provider or machine are named and not run; --provider reference runs them all.
Exit code 1 means: it opens, but it answers wrongly here.
"""

import argparse
import sys

from edgecls.bundle import Bundle
from edgecls.errors import ProviderError, ProviderMissing
from edgecls_runtime import golden
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.commands import add_bundle, add_engine, fitting_variants, print_json
from edgecls_runtime.providers import open_provider


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add_bundle(parser)
    add_engine(parser)


def run(arguments: argparse.Namespace) -> int:
    """Verify one variant, or all that fit here."""
    bundle = Bundle.open(arguments.bundle)
    provider = open_provider(arguments.provider)
    names, not_run = fitting_variants(bundle, arguments.variant, provider)
    results = []
    for name in names:
        try:
            results.append(_verified(Classifier(bundle, provider, name)))
        except ProviderMissing:
            raise
        except ProviderError as error:  # this file on this device: another may do
            if name == names[-1] and not results:
                raise
            not_run[name] = str(error)
    passed = all(result["passed"] for result in results)
    if arguments.json:
        table = {"bundle": str(bundle.path), "passed": passed, "variants": results}
        print_json({**table, "not_run": not_run})
    else:
        sys.stdout.write(f"{len(bundle.manifest.files)} files unaltered\n")
        width = max(map(len, [*names, *not_run]))
        sys.stdout.writelines(_line(result, width) for result in results)
        sys.stdout.writelines(f"{name:{width}}  not run: {why}\n" for name, why in not_run.items())
    return 0 if passed else 1


def _verified(classifier: Classifier) -> dict[str, object]:
    checks = golden.check(classifier)
    classifier.close()
    return {
        "variant": classifier.variant.name,
        "passed": all(check.passed for check in checks),
        "samples": len(checks),
        "largest_difference": max(check.difference for check in checks),
        "tolerance": checks[0].tolerance,
        "largest_difference_from_original": max(check.from_reference for check in checks),
        "placement": str(classifier.placement),
        "flops_share": classifier.placement.flops_share,
    }


def _line(result: dict[str, object], width: int) -> str:
    word = "right" if result["passed"] else "WRONG"
    return (
        f"{result['variant']:{width}}  {word}: {result['samples']} golden samples, scores within "
        f"{result['largest_difference']:.2g} of the build machine's "
        f"(allowed {result['tolerance']:.2g}), "
        f"{result['largest_difference_from_original']:.2g} of the original model's; "
        f"{result['placement']}\n"
    )
