"""Providers, specified by their keys and by how they say that they are missing.

Where a package is installed, ``scripts/check_providers.py`` runs a bundle on it.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from edgecls import plugins
from edgecls.cli import main
from edgecls.errors import ConfigError, ProviderError, ProviderMissing
from edgecls_runtime import packages
from edgecls_runtime.probe import ROOMS
from edgecls_runtime.provider_proof import MODEL
from edgecls_runtime.providers import (
    coreml,
    cuda,
    directml,
    nnapi,
    openvino,
    qnn,
    rockchip,
    tensorrt,
    webgpu,
    xnnpack,
)
from parts import Made

OTHER = "not in onnxruntime 1"
REMEDY = {
    "coreml": (OTHER, "only onnxruntime's packages for macOS have it"),
    "cuda": (OTHER, "pip uninstall -y onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]'"),
    "directml": (OTHER, "onnxruntime-directml exists for Windows only"),
    "nnapi": (OTHER, "build onnxruntime for Android with --use_nnapi"),
    "openvino": ("onnxruntime-ep-openvino is not installed", "pip install onnxruntime-openvino"),
    "qnn": ("onnxruntime-qnn is not installed", "run: pip install onnxruntime-qnn"),
    "rockchip": ("rknn-toolkit-lite2 is not installed", "pip install 'edgecls[rockchip]'"),
    "tensorrt": (OTHER, "pip install 'onnxruntime-gpu[cuda,cudnn]'"),
    "webgpu": ("onnxruntime-ep-webgpu is not installed", "pip install onnxruntime-ep-webgpu"),
    "xnnpack": (OTHER, "build onnxruntime with --use_xnnpack"),
}


@pytest.mark.parametrize("kind", REMEDY)
def test_a_provider_that_is_not_here_is_refused_with_what_to_do(kind: str) -> None:
    provider = plugins.open_table(ROOMS["providers"], {"kind": kind}, "provider")
    if [one.name for one in packages.carriers()] != ["onnxruntime"]:
        pytest.skip("this environment has another onnxruntime than the processor's")

    with pytest.raises(ProviderMissing) as refused:
        provider.load(MODEL)

    found, remedy = REMEDY[kind]
    message = str(refused.value)
    assert found in message
    assert remedy in message
    assert "\n" not in message


def test_every_file_of_providers_is_specified_here() -> None:
    assert {*plugins.kinds(ROOMS["providers"])} == {*REMEDY, "cpu", "reference"}


def test_cuda_asked_for_without_a_card_is_one_line_and_exit_code_5(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["verify", str(made.path), "--provider", "cuda", "--variant", "fp32"])

    printed = capsys.readouterr()
    assert code == 5
    assert printed.out == ""
    assert printed.err.startswith("edgecls verify: CUDAExecutionProvider: ")
    assert len(printed.err.splitlines()) == 1


def test_an_engine_is_not_said_to_be_built_for_a_provider_that_is_not_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ProviderMissing):
        tensorrt.open(cache=tmp_path).load(MODEL)

    assert capsys.readouterr().err == ""
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: cuda.open(device=-1), "cuda: device -1; expected 0 or more"),
        (lambda: cuda.open(memory_mb=-5), "cuda: memory_mb -5; expected 0 or more"),
        (lambda: tensorrt.open(batch=0), "tensorrt: batch 0; expected 1 or more"),
        (lambda: tensorrt.open(workspace_mb=-1), "tensorrt: workspace_mb -1; expected 0 or more"),
        (lambda: tensorrt.open(effort=6), "tensorrt: effort 6; expected 0 to 5"),
        (lambda: openvino.open(streams=0), "openvino: streams 0; expected 1 or more"),
        (
            lambda: openvino.open(device=openvino.Device.GPU, bfloat16=True),
            "openvino: bfloat16 is for device cpu; gpu rounds as it does",
        ),
        (lambda: openvino.open(threads=-1), "openvino: threads -1; expected 0 to 1024"),
        (lambda: qnn.open(htp_arch=-1), "qnn: htp_arch -1; expected 0 or more"),
        (lambda: qnn.open(effort=4), "qnn: effort 4; expected 0 to 3"),
        (lambda: nnapi.open(stop_at=("a,b",)), r"nnapi: stop_at ['a,b']; expected names of ONNX"),
        (lambda: xnnpack.open(threads=-1), "xnnpack: threads -1; expected 0 to 1024"),
        (lambda: directml.open(device=-1), "directml: device -1; expected 0 or more"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_value_out_of_its_range_is_refused(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        wrong()

    assert str(refused.value).startswith(message)


def test_keys_of_a_table_become_options_of_onnxruntime() -> None:
    card = cuda.open(device=1, memory_mb=512, search=cuda.Search.EXHAUSTIVE)
    compiled = tensorrt.open(fp16=True).provider

    assert card.options == {
        "device_id": "1",
        "cudnn_conv_algo_search": "EXHAUSTIVE",
        "use_tf32": "0",
        "gpu_mem_limit": str(512 * 2**20),
    }
    assert compiled.options["trt_fp16_enable"] == "1"
    assert [name for name, _ in compiled.behind] == [cuda.NAME]
    assert compiled.batch == 1
    assert webgpu.open(power=webgpu.Power.LOW).options["powerPreference"] == "low-power"
    assert coreml.open().options["ModelFormat"] == "MLProgram"
    assert qnn.open(vtcm_mb=8).provider.options["vtcm_mb"] == "8"


def test_a_wrong_key_or_word_names_what_is_known() -> None:
    with pytest.raises(ConfigError, match=r"p.colour: unknown key; known keys are device, "):
        plugins.open_table(ROOMS["providers"], {"kind": "cuda", "colour": 1}, "p")
    with pytest.raises(ConfigError, match="p.device: expected one of cpu, gpu, npu, got 'tpu'"):
        plugins.open_table(ROOMS["providers"], {"kind": "openvino", "device": "tpu"}, "p")


def test_a_compiled_file_of_another_model_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "model.fp32.onnx"
    model.write_bytes(MODEL.read_bytes())

    with pytest.raises(ProviderError, match=r"model.fp32.rknn: not there, .*make_rknn.py"):
        rockchip.read_compiled(model)

    model.with_suffix(".rknn").write_bytes(b"compiled")
    model.with_suffix(".rknn.json").write_text(
        '{"board": "rk3588", "onnx_sha256": "00", "size": [8, 8], "labels": 3, "metadata": {}}',
        encoding="utf-8",
    )
    with pytest.raises(ProviderError, match=r"compiled from another model.fp32.onnx"):
        rockchip.read_compiled(model)
