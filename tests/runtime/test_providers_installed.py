"""Bundles on the accelerators whose packages are installed here; the others are skipped in a line.

Without hardware: Qualcomm's simulator comes with ``onnxruntime-qnn``; WebGPU takes software Vulkan
where ``ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER=1`` allows it.
"""

from pathlib import Path

import pytest

from edgecls.errors import ProviderError
from edgecls.prediction import Task
from edgecls_exporters.export import export
from edgecls_exporters.inputs import Job
from edgecls_runtime import Classifier, golden
from edgecls_runtime.engine_cache import CachedProvider
from edgecls_runtime.probe import probe
from edgecls_runtime.providers import open_provider
from parts import PREPROCESSING, Made


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cuda", "openvino", "qnn", "webgpu"])
def test_a_bundle_for_an_accelerator_answers_rightly_and_runs_there_whole(
    kind: str,
    made: Made,
    checkpoint: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = probe(kind)
    if not found.ready:
        pytest.skip(found.what)
    bundle = made.path if kind == "cuda" else exported(kind, made, checkpoint, tmp_path)
    provider = open_provider(kind)

    try:
        classifier = Classifier(bundle, provider)
    except ProviderError as error:
        if "does not support it" not in str(error):  # a device without half precision
            raise
        classifier = Classifier(bundle, provider, "fp32")

    assert all(check.passed for check in golden.check(classifier))
    assert classifier.placement.flops_share == 1.0
    if isinstance(provider, CachedProvider):
        again = Classifier(bundle, provider)
        assert all(check.passed for check in golden.check(again))


def exported(kind: str, made: Made, checkpoint: tuple[Path, Path], folder: Path) -> Path:
    """Return a bundle of the small network for one target."""
    module, weights = checkpoint
    target = folder / "disc.bundle"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(module.parent))
        export(
            Job(
                source=made.source,
                target=target,
                weights=weights,
                data=made.photos,
                task=Task.MULTICLASS,
                targets=(kind,),
                max_drop=5.0,
                overrides=dict(PREPROCESSING),
                calibration_images=24,
            )
        )
    return target
