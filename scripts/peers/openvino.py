# /// script
# dependencies = [
#   "openvino==2026.4.1", "nncf==3.4.0", "onnx==1.23.2",
#   "numpy==2.4.6", "opencv-python-headless==5.0.0.93", "pillow==13.0.0",
# ]
# ///
"""OpenVINO: as it comes, held to fp32, NNCF's int8; resizing by hand and by its PrePostProcessor.

As it comes it rounds to bf16 on processors that have it, and says so to nobody: ``default`` and
``fp32`` are two engines here. NNCF's int8 runs as it comes too.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops
from openvino.preprocess import ColorFormat, PrePostProcessor, ResizeAlgorithm

from peers import pixels
from peers.model import Engine, Floats, Model, Pipeline, Pixels

Network = Callable[[NDArray[np.generic]], Floats]
ENGINES = ("default", "fp32", "int8")
FRAME = (1080, 1920, 3)
RESIZES = {
    "PrePostProcessor linear": ResizeAlgorithm.RESIZE_LINEAR,
    "PrePostProcessor bicubic Pillow": ResizeAlgorithm.RESIZE_BICUBIC_PILLOW,
}


def prepare(model: Model, engine: str) -> None:
    """Quantize; it reads the ONNX file by itself."""
    target = model.at("openvino") / "int8.xml"
    if engine != "int8" or target.exists():
        return
    import nncf

    images = model.calibration()
    kind = nncf.ModelType.TRANSFORMER if model.name.startswith("vit") else None
    quantized = nncf.quantize(
        _read(model, "fp32"),
        nncf.Dataset(images),
        subset_size=len(images),
        preset=nncf.QuantizationPreset.MIXED,
        model_type=kind,
    )
    ov.save_model(quantized, target, compress_to_fp16=False)


def _read(model: Model, engine: str) -> ov.Model:
    file = model.at("openvino") / "int8.xml" if engine == "int8" else model.folder / "model.onnx"
    return ov.Core().read_model(file)


def open(model: Model, engine: str, threads: int) -> Engine:
    """Compile for latency."""
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    if engine == "fp32":
        settings["INFERENCE_PRECISION_HINT"] = "f32"
    network = _compiled(_read(model, engine), settings)
    bare = Engine(np.asarray, network, f"openvino {ov.__version__.partition('-')[0]}")
    own = {name: _own(model, engine, settings, RESIZES[name]) for name in RESIZES}
    return replace(bare, pipelines=pixels.by_hand(model, bare, pixels.GOOD) | own)


def _compiled(graph: ov.Model, settings: dict[str, object]) -> Network:
    request = ov.Core().compile_model(graph, "CPU", settings).create_infer_request()

    def run(values: NDArray[np.generic]) -> Floats:
        request.infer([values], share_inputs=True)
        return np.array(request.get_output_tensor().data[0], np.float32)

    return run


def _own(
    model: Model, engine: str, settings: dict[str, object], resize: ResizeAlgorithm
) -> Pipeline:
    """Resize and normalise in the graph; the centre is cut out of the frame, before the resize.

    So the filter sees no pixel beyond the crop, and the crop is of whole pixels: part of its
    distance from training. One graph is for the frame that is timed, one for images of any size.
    """
    frame = _centre(np.zeros(FRAME, np.uint8), model).shape
    graphs: dict[tuple[tuple[int, ...], bool], Network] = {}

    def run(image: Pixels, *, whole: bool) -> Floats:
        part = _centre(image, model)
        shape = part.shape if part.shape == frame else (-1, -1, 3)
        if (shape, whole) not in graphs:
            graph = _read(model, engine) if whole else _nothing(model)
            steps = _with_steps(graph, shape, resize, model if whole else None)
            graphs[shape, whole] = _compiled(steps, settings)
        return graphs[shape, whole](part[np.newaxis])

    def answer(image: Pixels) -> Floats:
        return run(image, whole=True)

    def resized(image: Pixels) -> Floats:
        return run(image, whole=False).transpose(1, 2, 0)

    return Pipeline(answer, resized)


def _centre(image: Pixels, model: Model) -> Pixels:
    """Cut out what becomes the network's input, to the nearest pixel."""
    scale = min(image.shape[:2]) / model.resize_size
    size = (round(model.size[0] * scale), round(model.size[1] * scale))
    return np.ascontiguousarray(pixels.cropped(image, size))


def _nothing(model: Model) -> ov.Model:
    image = ops.parameter([1, 3, *model.size], np.float32, "image")
    return ov.Model([ops.result(image)], [image], "nothing")


def _with_steps(
    graph: ov.Model, shape: tuple[int, ...], resize: ResizeAlgorithm, model: Model | None
) -> ov.Model:
    steps = PrePostProcessor(graph)
    face = steps.input()
    face.tensor().set_shape([1, *shape]).set_element_type(ov.Type.u8)
    face.tensor().set_layout(ov.Layout("NHWC")).set_color_format(ColorFormat.RGB)
    face.model().set_layout(ov.Layout("NCHW"))
    work = face.preprocess().resize(resize).convert_element_type(ov.Type.f32)
    if model is not None:
        work.mean([255 * value for value in model.mean])
        work.scale([255 * value for value in model.std])
    return steps.build()
