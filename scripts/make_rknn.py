"""Compile a bundle's variant for a Rockchip NPU, and run its golden samples on the simulator.

    python3 -m venv rknn && rknn/bin/pip install 'setuptools<80' numpy==1.26.4 onnx==1.18.0 \
        onnxruntime==1.22.1 opencv-python-headless psutil ruamel.yaml scipy tqdm torch==2.14.1 \
        protobuf==4.25.4 fast-histogram && rknn/bin/pip install --no-deps rknn-toolkit2==2.5.0
    PYTHONPATH=.:runtime rknn/bin/python scripts/make_rknn.py BUNDLE --board rk3588 [--data DIR]

Writes ``model.VARIANT.rknn`` beside the ONNX file, and a JSON file with its signature; the provider
``rockchip`` reads both on the board. With --data the toolkit quantizes to int8, by itself, with 20
of these images; without, it compiles to half precision. The toolkit wants a venv of its own (x86-64
Linux). Prints JSON below the toolkit's own lines: how far the simulator's scores are from the
original PyTorch model's.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
from rknn.api import RKNN

from edgecls.bundle import Bundle, sha256
from edgecls_runtime import golden
from edgecls_runtime.images import find_labelled, read_image
from edgecls_runtime.preprocessing import prepare
from edgecls_runtime.providers.rockchip import Compiled, RknnSession

CALIBRATION = 20


def images(bundle: Bundle, data: Path, folder: Path) -> Path:
    """Write prepared images and the list of them that the toolkit wants; return the list."""
    found = find_labelled(data)
    chosen = np.linspace(0, len(found) - 1, min(CALIBRATION, len(found))).astype(int)
    lines = []
    for i in chosen:
        file = folder / f"{i}.npy"
        image = prepare(read_image(found[i].path), bundle.preprocessing)
        np.save(file, image.transpose(2, 0, 1)[np.newaxis])
        lines.append(f"{file}\n")
    listed = folder / "images.txt"
    listed.write_text("".join(lines), encoding="utf-8")
    return listed


def require(code: int, step: str) -> None:
    """Stop where the toolkit says that a step failed."""
    if code:
        sys.exit(f"make_rknn: {step} failed with code {code}; the toolkit's lines above say more")


def first_floats(model: Path) -> str:
    """Return the name of the image as floats, (1, 3, height, width), 0..255.

    The toolkit takes no bytes: "Not Support Dtype: 2". The board's runtime turns the image into
    what this tensor wants by itself.
    """
    casts = [node for node in onnx.load(model).graph.node if node.op_type == "Cast"]
    if not casts:
        sys.exit(f"make_rknn: {model}: no Cast behind the image; give the fp32 variant")
    return str(casts[0].output[0])


def compiled(bundle: Bundle, model: Path, board: str, data: Path | None) -> RKNN:
    """Compile a variant; return the toolkit with its simulator initialised."""
    toolkit = RKNN(verbose=False)
    shape = [1, 3, *bundle.preprocessing.size]
    first = first_floats(model)
    require(toolkit.config(target_platform=board), "config")
    require(toolkit.load_onnx(str(model), inputs=[first], input_size_list=[shape]), "load")
    with tempfile.TemporaryDirectory() as folder:
        listed = str(images(bundle, data, Path(folder))) if data else None
        require(toolkit.build(do_quantization=data is not None, dataset=listed), "build")
    require(toolkit.export_rknn(str(model.with_suffix(".rknn"))), "export")
    require(toolkit.init_runtime(), "simulator")
    return toolkit


def main() -> int:
    """Compile, write the signature, and answer the golden samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--variant", default="fp32")
    parser.add_argument("--board", default="rk3588")
    parser.add_argument("--data", type=Path, help="images to quantize by, as for edgecls evaluate")
    arguments = parser.parse_args()
    bundle = Bundle.open(arguments.bundle)
    model = bundle.path / bundle.variant(arguments.variant).file
    toolkit = compiled(bundle, model, arguments.board, arguments.data)
    metadata = {prop.key: prop.value for prop in onnx.load(model).metadata_props}
    signature = Compiled(
        arguments.board, sha256(model), bundle.preprocessing.size, len(bundle.labels), metadata
    )
    model.with_suffix(".rknn.json").write_text(json.dumps(asdict(signature)), encoding="utf-8")
    session = RknnSession(toolkit, model.with_suffix(".rknn"), signature)
    apart, same = [], 0
    samples = golden.read(bundle.path)
    for sample in samples:
        prepared = prepare(read_image(bundle.path / sample.file), bundle.preprocessing)
        scores, wanted = session.run(prepared[np.newaxis])[0], np.array(sample.reference)
        apart.append(float(np.abs(scores - wanted).max()))
        same += int(scores.argmax() == wanted.argmax())
    session.close()
    answer = {"samples": len(samples), "same_label": same, "largest_difference": max(apart)}
    print(json.dumps({"file": str(model.with_suffix(".rknn")), **answer}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
