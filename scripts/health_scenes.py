"""Frames of a made-up inspection camera, from real photos, and what can go wrong with them.

The camera is computed in linear light: a photo is the fixed view, photos of parts lie in it, one a
frame, a little elsewhere each time; then lens, light, exposure, photon and read noise, gamma, JPEG.
Everything is drawn from seeds.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageFile

Image = NDArray[np.uint8]
Light = NDArray[np.float32]
GAMMA = 2.2
SIZE = (480, 640)
# Grey levels of light, 0..1: the noise of a middling sensor at low gain (full well 10,000 e-, read
# noise 10 e-).
FULL_WELL, READ = 10_000.0, 10.0
LENS_SIGMA_PX = 0.7
QUALITY = 90
# Light of a line: it flickers from frame to frame, and drifts over some thousand frames.
FLICKER, DRIFT = 0.015, 0.04
# What a camera on a machine trembles, standard deviation.
SHAKE_PX = 0.15


@dataclass(frozen=True)
class Shot:
    """How one frame is taken; what is not said is as it should be.

    Attributes:
        warp: Affine, shape (2, 3), px: where the view lies on the sensor.
        blur: Done to the light on the sensor.
        gains: Of red, green and blue.
        exposure: Times the right one.
        noise: Times the sensor's own.
        veil: Share of the light that comes from fog or dirt instead of the view.
        cover: Share of the width that something near hides, out of focus.

    """

    warp: NDArray[np.float32] | None = None
    blur: Callable[[Light], Light] | None = None
    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    exposure: float = 1.0
    noise: float = 1.0
    veil: float = 0.0
    cover: float = 0.0


class Scene:
    """One camera before one view with its parts."""

    def __init__(self, view: Image, parts: list[Image], side_px: int, seed: int) -> None:
        """Prepare the view (``SIZE``, RGB) and its parts, each ``side_px`` high and wide."""
        self._view = _light(np.asarray(cv2.resize(view, SIZE[::-1], interpolation=cv2.INTER_AREA)))
        square = (side_px, side_px)
        self._parts = [_light(np.asarray(cv2.resize(part, square))) for part in parts]
        self._seed = seed
        bank = np.random.default_rng(seed).normal(0, 1, (SIZE[0] + 64, SIZE[1] + 64, 3))
        self._noise = bank.astype(np.float32)

    def frame(self, number: int, shot: Shot | None = None) -> Image:
        """Take one frame: uint8, shape (480, 640, 3), RGB, after JPEG.

        Args:
            number: Each has a part, a place, a flicker and noise of its own.
            shot: What is wrong with it.

        """
        return decoded(self.jpeg(number, shot))

    def jpeg(self, number: int, shot: Shot | None = None) -> bytes:
        """Take one frame, as the camera sends it."""
        shot, random = shot or Shot(), np.random.default_rng((self._seed, number))
        light = self._laid(random)
        light = _warped(light, shot.warp, random.normal(0, SHAKE_PX, 2))
        light = np.asarray(cv2.GaussianBlur(light, (0, 0), LENS_SIGMA_PX), np.float32)
        if shot.blur is not None:
            light = shot.blur(light)
        light = _hidden(light, shot)
        level = 1 + FLICKER * random.normal() + DRIFT * np.sin(number / 400)
        light = light * (np.array(shot.gains, np.float32) * np.float32(level * shot.exposure))
        return _sent(self._read_out(light, shot.noise, random))

    def _laid(self, random: np.random.Generator) -> Light:
        light = self._view.copy()
        part = self._parts[random.integers(len(self._parts))]
        height, width = part.shape[:2]
        if height >= SIZE[0]:
            top = int(random.integers(0, height - SIZE[0] + 1))
            left = int(random.integers(0, width - SIZE[1] + 1))
            return part[top : top + SIZE[0], left : left + SIZE[1]].copy()
        top = (SIZE[0] - height) // 2 + int(random.integers(-6, 7))
        left = (SIZE[1] - width) // 2 + int(random.integers(-12, 13))
        light[top : top + height, left : left + width] = part
        return light

    def _read_out(self, light: Light, noise: float, random: np.random.Generator) -> Image:
        top, left = (int(n) for n in random.integers(0, 64, 2))
        drawn = self._noise[top : top + SIZE[0], left : left + SIZE[1]]
        sigma = np.sqrt(light * FULL_WELL + READ**2) / FULL_WELL
        seen = np.clip(light + noise * sigma * drawn, 0, 1)
        return np.asarray(np.round(255 * seen ** (1 / GAMMA)), np.uint8)


def decoded(jpeg: bytes) -> Image:
    """Decode as libjpeg does, also what is left of a frame: the rest is its grey."""
    import io  # noqa: PLC0415

    ImageFile.LOAD_TRUNCATED_IMAGES = True
    return np.asarray(Pillow.open(io.BytesIO(jpeg)).convert("RGB"), np.uint8)


def _sent(image: Image) -> bytes:
    quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)[1].tobytes()


def _light(image: Image) -> Light:
    return np.asarray((image / 255) ** GAMMA * 0.8, np.float32)  # some room before it clips


def _warped(light: Light, warp: NDArray[np.float32] | None, shake: NDArray[np.float64]) -> Light:
    warp = np.eye(2, 3, dtype=np.float32) if warp is None else warp.copy()
    warp[:, 2] += shake.astype(np.float32)
    border = cv2.BORDER_REFLECT_101
    moved = cv2.warpAffine(light, warp, SIZE[::-1], flags=cv2.INTER_CUBIC, borderMode=border)
    return np.asarray(np.maximum(moved, 0), np.float32)


def _hidden(light: Light, shot: Shot) -> Light:
    if shot.cover:
        hidden = np.zeros(SIZE, np.float32)
        hidden[:, : round(shot.cover * SIZE[1])] = 1
        mask = np.asarray(cv2.GaussianBlur(hidden, (0, 0), 12))[..., np.newaxis]
        light = light * (1 - mask) + 0.05 * mask
    if shot.veil:
        light = light * (1 - shot.veil) + shot.veil * float(light.mean())
    return np.asarray(light, np.float32)


def moved(right_px: float = 0.0, degrees: float = 0.0, zoom: float = 1.0) -> Shot:
    """Return a shot of a camera that was knocked: to the right, turned, or refocused."""
    warp = cv2.getRotationMatrix2D((SIZE[1] / 2, SIZE[0] / 2), degrees, zoom)
    warp[0, 2] += right_px
    return Shot(warp=np.asarray(warp, np.float32))


def blurred(sigma_px: float) -> Shot:
    """Return a shot that is out of focus."""
    return Shot(blur=lambda light: np.asarray(cv2.GaussianBlur(light, (0, 0), sigma_px)))


def smeared(length_px: int) -> Shot:
    """Return a shot during which the view moved to the right."""
    kernel = np.full((1, length_px), 1 / length_px, np.float32)
    return Shot(blur=lambda light: np.asarray(cv2.filter2D(light, -1, kernel)))


def warmer(ratio: float) -> Shot:
    """Return a shot under light whose red is ``ratio`` stronger and blue as much weaker."""
    return Shot(gains=(ratio, 1.0, 1 / ratio))


def exposed(times: float) -> Shot:
    """Return a shot that was exposed for so many times as long."""
    return Shot(exposure=times)


def noisier(times: float) -> Shot:
    """Return a shot with gain instead of light: as bright, with more noise."""
    return replace(Shot(), noise=times)


def torn_of_two(upper: Image, lower: Image, row: int) -> Image:
    """Stack the rows of two frames, as a buffer that was read while it was written."""
    return np.concatenate([upper[:row], lower[row:]])


def slipped(image: Image, row: int, columns: int) -> Image:
    """Slide the rows below one to the side, as lost data of a line do."""
    return np.concatenate([image[:row], np.roll(image[row:], columns, axis=1)])


def cut_off(jpeg: bytes, share: float) -> Image:
    """Decode the first share of a JPEG's bytes."""
    return decoded(jpeg[: int(share * len(jpeg))])
