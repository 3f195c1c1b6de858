# /// script
# dependencies = []
# ///
"""Ours: a bundle of our exporter in ``edgecls_runtime.Classifier``; the project's own environment.

Engines are the bundle's variants that fit this machine, pipelines the rungs of its resize.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgecls.bundle import Bundle
from edgecls.manifest import Resampling
from edgecls_runtime import golden
from edgecls_runtime.classifier import Classifier
from edgecls_runtime.preprocessing import prepare as resize
from edgecls_runtime.protocols import Provider
from edgecls_runtime.providers import cpu
from edgecls_runtime.session import engine as version
from peers.model import Engine, Floats, Model, Pipeline, Pixels

ENGINES = ("fp32", "int8-x86-avx2", "int8-x86-vnni")
BUNDLE = "edgecls.bundle"


def prepare(model: Model, engine: str) -> None:
    """Check that the bundle, which bench_peers exports first, holds the variant."""
    Bundle.open(model.folder / BUNDLE).variant(engine)


def open(model: Model, engine: str, threads: int) -> Engine:
    """Load a variant, with threads that wait actively, because frames come back to back."""
    return opened(model, engine, cpu.open(threads=threads, spinning=True))


def opened(model: Model, engine: str, provider: Provider) -> Engine:
    """Load a variant on a provider, with every rung of the resize."""
    bundle = Bundle.open(model.folder / BUNDLE)
    classifiers = {
        rung: Classifier(with_rung(bundle, rung), provider, engine) for rung in Resampling
    }
    any_rung = classifiers[Resampling.EXACT]
    # As a station does, with the bundle's own rung: what answers wrongly here is no answer.
    golden.require(classifiers[bundle.preprocessing.resampling])

    def given(floats: Floats) -> NDArray[np.generic]:
        """Undo the normalisation: our files take the bytes of an image."""
        std, mean = (np.reshape(v, (3, 1, 1)) for v in (model.std, model.mean))
        image = np.round((floats[0] * std + mean) * 255).clip(0, 255).astype(np.uint8)
        return np.ascontiguousarray(image.transpose(1, 2, 0)[np.newaxis])

    def network(values: NDArray[np.generic]) -> Floats:
        return any_rung.scored(values.astype(np.uint8, copy=False))[0].scores

    pipelines = {f"{rung}": _pipeline(classifiers[rung]) for rung in Resampling}
    return Engine(given, network, version(), pipelines)


def with_rung(bundle: Bundle, rung: Resampling) -> Bundle:
    """Return a bundle that resizes by another rung."""
    manifest = bundle.manifest
    wanted = replace(manifest.preprocessing, resampling=rung)
    return replace(bundle, manifest=replace(manifest, preprocessing=wanted))


def _pipeline(classifier: Classifier) -> Pipeline:
    def answer(image: Pixels) -> Floats:
        return classifier(image).scores

    return Pipeline(answer, lambda image: resize(image, classifier.bundle.preprocessing))
