"""Build ahead what a provider compiles for this device, so that no station waits for it.

TensorRT and Qualcomm's NPU compile a model for minutes or seconds and keep the result in a folder,
for each variant, setting and version. This loads every variant that was made for the provider, runs
the golden samples once, and says what took how long and where it is kept. Without it a station
builds when it starts, and says so on stderr. Exit code 1 means: built, but it answers wrongly.
"""

import argparse
import sys
import time

from edgecls import progress
from edgecls.bundle import Bundle
from edgecls_runtime import golden
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.commands import add_bundle, add_engine, fitting_variants, print_json
from edgecls_runtime.engine_cache import CachedProvider
from edgecls_runtime.protocols import Provider
from edgecls_runtime.providers import open_provider


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add_bundle(parser)
    add_engine(parser)


def run(arguments: argparse.Namespace) -> int:
    """Build for one variant, or for all that fit here."""
    bundle = Bundle.open(arguments.bundle)
    provider = open_provider(arguments.provider)
    names, not_run = fitting_variants(bundle, arguments.variant, provider)
    for name, why in not_run.items():
        progress.tell(f"{name}: not built: {why}")
    results = [_warmed(bundle, provider, name) for name in names]
    if arguments.json:
        print_json({"bundle": str(bundle.path), "provider": provider.name, "variants": results})
    else:
        sys.stdout.writelines(map(_line, results))
    return 0 if all(result["passed"] for result in results) else 1


def _warmed(bundle: Bundle, provider: Provider, name: str) -> dict[str, object]:
    """Load one variant and run its golden samples; times in seconds."""
    model = bundle.path / bundle.variant(name).file
    folder = provider.folder(model) if isinstance(provider, CachedProvider) else None
    was_kept = isinstance(provider, CachedProvider) and provider.kept(model)
    progress.step(f"{name}: loading on {provider.name}")
    started = time.monotonic()
    classifier = Classifier(bundle, provider, name)
    loaded = time.monotonic()
    checks = golden.check(classifier)
    done = time.monotonic()
    classifier.close()
    return {
        "variant": name,
        "passed": all(check.passed for check in checks),
        "samples": len(checks),
        "load_s": round(loaded - started, 2),
        "samples_s": round(done - loaded, 2),
        "was_kept": was_kept,
        "kept_in": str(folder) if folder else None,
    }


def _line(result: dict[str, object]) -> str:
    place = f"kept in {result['kept_in']}" if result["kept_in"] else "nothing to keep"
    built = "loaded" if result["was_kept"] or not result["kept_in"] else "built"
    return (
        f"{result['variant']}: {built} in {result['load_s']} s, {result['samples']} golden samples "
        f"in {result['samples_s']} s, {'right' if result['passed'] else 'WRONG'}; {place}\n"
    )
