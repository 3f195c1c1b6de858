"""Measure every way to resize a camera image against Pillow's: time, grey levels and answers.

    python scripts/bench_resize.py [--all] [--threads 1] [--photos DIR] [--answers DIR] [--json]

Made-up camera images of 480 to 2160 rows come down to a network's 224 px (256 px before the crop,
bicubic); --all does so by every way to fit a shape, and bilinear too. Ours keeps its buffers, as a
station does. Times are of the processor, so that other programs count little, or of the clock with
more than one thread. Ways take turns; a ratio is the median over rounds of Pillow's time divided by
the other's.

--photos adds the differences on images at their own size. --answers enlarges the photos in
DIR/<label>/* to 1080 rows with a sensor's noise and counts the answers of EfficientNet-Lite0
(ImageNet weights) that change.
"""

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from edgecls.manifest import Interpolation, Preprocessing, Resampling, Resize
from edgecls.progress import track
from edgecls_exporters.demo.training import imagenet
from edgecls_exporters.transforms import open_upright
from edgecls_runtime.images import find_labelled
from edgecls_runtime.preprocessing import Preparer, halvings, scaled_size

Pixels = NDArray[np.uint8]
Way = Callable[[Pixels], Pixels]
WANTED = Preprocessing(
    (224, 224),
    (256, 256),
    interpolation=Interpolation.BICUBIC,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
)
SIZES = ((1080, 1920), (2160, 3840), (720, 1280), (480, 640))
SENSOR_NOISE = 3.0  # standard deviation, grey levels


def ways(wanted: Preprocessing) -> dict[str, Way]:
    """Return everything that is compared, Pillow first."""

    def rung(name: Resampling) -> Way:
        preparer, out = (
            Preparer(replace(wanted, resampling=name)),
            np.empty((*wanted.size, 3), "u1"),
        )
        return lambda image: preparer(image, out)

    return {
        "Pillow": lambda image: pillow(image, wanted, None),
        **{f"edgecls {name}": rung(name) for name in Resampling},
        "Pillow reducing_gap=2": lambda image: pillow(image, wanted, 2.0),
        "OpenCV INTER_AREA": lambda image: opencv(image, wanted, cv2.INTER_AREA),
        "OpenCV INTER_LINEAR": lambda image: opencv(image, wanted, cv2.INTER_LINEAR),
        "OpenCV halving, linear": lambda image: opencv_halving(image, wanted),
    }


def pillow(image: Pixels, wanted: Preprocessing, gap: float | None) -> Pixels:
    """Resize and crop as one does with Pillow."""
    tall, wide = scaled_size(image.shape[:2], wanted)
    filtered = Image.Resampling[wanted.interpolation.upper()]
    resized = Image.fromarray(image).resize((wide, tall), filtered, reducing_gap=gap)
    return cropped(np.asarray(resized), wanted)


def opencv(image: Pixels, wanted: Preprocessing, interpolation: int) -> Pixels:
    """Resize and crop as one does with OpenCV."""
    tall, wide = scaled_size(image.shape[:2], wanted)
    resized = cv2.resize(image, (wide, tall), interpolation=interpolation)
    return cropped(np.asarray(resized, np.uint8), wanted)


def opencv_halving(image: Pixels, wanted: Preprocessing) -> Pixels:
    """Halve while the wanted size remains, then interpolate between the four nearest pixels."""
    tall, wide = scaled_size(image.shape[:2], wanted)
    while min(image.shape[0] // 2 / tall, image.shape[1] // 2 / wide) >= 1:
        half = (image.shape[1] // 2, image.shape[0] // 2)
        image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA), np.uint8)
    resized = cv2.resize(image, (wide, tall), interpolation=cv2.INTER_LINEAR)
    return cropped(np.asarray(resized, np.uint8), wanted)


def cropped(image: Pixels, wanted: Preprocessing) -> Pixels:
    """Cut the centre out, as torchvision does, or put the image into the centre of a fill."""
    sides = zip(image.shape, wanted.size)  # noqa: B905 - colours stay
    top, left = (round((have - want) / 2.0) for have, want in sides)
    if min(top, left) >= 0:
        return image[top : top + wanted.size[0], left : left + wanted.size[1]]
    canvas = np.full((*wanted.size, 3), wanted.fill, np.uint8)
    top, left = ((want - have) // 2 for have, want in zip(image.shape, wanted.size))  # noqa: B905
    canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas


def declared(*, every: bool) -> list[Preprocessing]:
    """Return what is measured: the usual way to fit a shape, or every way, by two filters."""
    if not every:
        return [WANTED]
    cut = {fit: (256, 256) if fit is Resize.SHORTEST else WANTED.size for fit in Resize}
    filters = (Interpolation.BICUBIC, Interpolation.BILINEAR)
    return [
        replace(WANTED, resize=fit, resize_size=size, interpolation=filtered)
        for fit, size in cut.items()
        for filtered in filters
    ]


def camera_image(height: int, width: int, seed: int = 0) -> Pixels:
    """Make up a scene: detail at every scale, as strong as in photos (1/f), edges, sensor noise."""
    random = np.random.default_rng(seed)
    scene = np.full((height, width, 3), 110.0, np.float32)
    step = 512
    while step >= 2:
        grid = random.normal(0, 22 * (step / 512) ** 0.35, (height // step + 2, width // step + 2))
        fine = cv2.resize(grid.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
        scene += fine[..., np.newaxis]
        step //= 2
    for _ in range(40):
        center = (int(random.integers(width)), int(random.integers(height)))
        colour = [float(value) for value in random.integers(0, 256, 3)]
        radius = int(random.integers(4, height // 8))
        cv2.circle(scene, center, radius, colour, int(random.integers(1, 7)), cv2.LINE_AA)
    noise = random.standard_normal(scene.shape, np.float32) * SENSOR_NOISE
    return np.clip(np.round(scene + noise), 0, 255).astype(np.uint8)


def compared(
    image: Pixels, wanted: Preprocessing, rounds: int, clock: Callable[[], float]
) -> dict[str, dict[str, float]]:
    """Time every way in turn on one camera image, and say how far its bytes are from Pillow's."""
    found = ways(wanted)
    reference = found["Pillow"](image).astype(int)
    times: dict[str, list[float]] = {name: [] for name in found}
    for number in range(rounds + 1):
        for name, way in found.items():
            started = clock()
            way(image)
            if number:  # the first round makes tables
                times[name].append(clock() - started)
    result = {}
    for name, way in found.items():
        off = np.abs(way(image) - reference)
        pairs = zip(times["Pillow"], times[name], strict=True)
        result[name] = {
            "times Pillow's speed": round(statistics.median(p / t for p, t in pairs), 2),
            "ms, median": round(1000 * statistics.median(times[name]), 2),
            "mean difference": round(float(off.mean()), 3),
            "largest": int(off.max()),
        }
    return result


def on_photos(folder: Path) -> dict[str, dict[str, float]]:
    """Compare grey levels on photos at their own size; those too small to halve are counted."""
    images = [np.asarray(open_upright(item.path)) for item in find_labelled(folder)]
    result = {}
    for name, way in ways(WANTED).items():
        off = [np.abs(way(i).astype(int) - pillow(i, WANTED, None)) for i in images]
        result[name] = {
            "mean difference": round(float(np.mean([o.mean() for o in off])), 3),
            "largest": max(int(o.max()) for o in off),
        }
    for rung in (Resampling.HALVING, Resampling.COARSE):
        at_rung = replace(WANTED, resampling=rung)
        count = sum(halvings(image.shape[:2], at_rung) > 0 for image in images)
        result[f"edgecls {rung}"] |= {"photos halved": count, "of": len(images)}
    return result


def on_answers(folder: Path, rows: int, most: int) -> dict[str, dict[str, float]]:
    """Count the answers that change, on photos enlarged to camera size."""
    scores = torch.stack([*_scores(folder, rows, most)], dim=1).numpy()
    exact = scores[0]
    return {
        name: {
            "images": len(exact),
            "answers changed": int((mine.argmax(1) != exact.argmax(1)).sum()),
            "largest difference of a score": round(float(np.abs(mine - exact).max()), 3),
        }
        for name, mine in zip(ways(WANTED), scores, strict=True)
    }


def _scores(folder: Path, rows: int, most: int) -> Iterator[torch.Tensor]:
    """Yield the scores of each photo by every way: (n_ways, 1000)."""
    model, found, random = imagenet(), ways(WANTED), np.random.default_rng(0)
    data = find_labelled(folder)
    data = data[:: max(len(data) // most, 1)][:most]
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (WANTED.mean, WANTED.std))
    for item in track(data, f"enlarged to {rows} rows: answering", len(data)):
        photo = np.asarray(open_upright(item.path))
        scale = rows / min(photo.shape[:2])
        image = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        noise = random.standard_normal(image.shape, np.float32) * SENSOR_NOISE
        noisy = np.clip(np.round(image + noise), 0, 255).astype(np.uint8)
        prepared = torch.from_numpy(np.stack([way(noisy) for way in found.values()]))
        with torch.inference_mode():
            yield torch.softmax(model((prepared.permute(0, 3, 1, 2) / 255 - mean) / std), dim=1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--all", action="store_true", help="every fit, bilinear too")
    parser.add_argument("--threads", type=int, default=1, help="of OpenCV")
    parser.add_argument("--photos", metavar="DIR", type=Path)
    parser.add_argument("--answers", metavar="DIR", type=Path)
    parser.add_argument("--rows", type=int, default=1080, help="of the photos for --answers")
    parser.add_argument("--images", type=int, default=500, help="at most, for --answers")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    cv2.setNumThreads(arguments.threads)
    clock = time.process_time if arguments.threads == 1 else time.perf_counter
    result: dict[str, dict[str, Any]] = {}
    for size, wanted in itertools.product(SIZES, declared(every=arguments.all)):
        title = f"{size[0]} x {size[1]}, made up, {wanted.resize}, {wanted.interpolation}"
        result[title] = compared(camera_image(*size), wanted, arguments.rounds, clock)
    if arguments.photos is not None:
        result["photos at their own size"] = on_photos(arguments.photos)
    if arguments.answers is not None:
        title = f"EfficientNet-Lite0, photos enlarged to {arguments.rows} rows"
        result[title] = on_answers(arguments.answers, arguments.rows, arguments.images)
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    for title, lines in result.items():
        print(f"\n{title}")
        for name, figures in lines.items():
            print(f"  {name:22}", "   ".join(f"{key} {value}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
