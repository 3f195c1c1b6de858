"""The model of the kernel equals onnxruntime bit for bit, saturating or not."""

from pathlib import Path

import numpy as np
import pytest

from edgecls_exporters.int8_nodes import Result, kind, run
from edgecls_exporters.pair_kernel import HIGHEST, LOWEST, Window, loss, multiply, reach, unfold
from edgecls_exporters.pair_probe import saturates
from int8_cases import (
    EMULATOR,
    Case,
    batches,
    convolutions,
    gemms,
    outputs_of,
    probed_on,
    products,
)

U8S8 = ("u8", "s8")
emulated = pytest.mark.skipif(
    EMULATOR is None, reason="needs qemu-x86_64-static (apt: qemu-user-static)"
)


def u8s8_cases() -> list[Case]:
    return [*convolutions(U8S8), *products(U8S8), *batches(), *gemms(U8S8)]


def computed(case: Case) -> Result:
    return run(case.model.graph.node[0], case.values, saturating=True)


def kernel(case: Case) -> str:
    return kind(case.model.graph.node[0], case.values)


def u8(*rows: list[int]) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return np.array(rows, np.uint8)


def s8(*columns: list[int]) -> np.ndarray[tuple[int, int], np.dtype[np.int8]]:
    return np.array(columns, np.int8).T


@pytest.mark.parametrize(
    ("activations", "weights", "lost"),
    [
        ([255, 255], [127, 127], HIGHEST - 2 * 255 * 127),
        ([255, 255], [-128, -128], LOWEST + 2 * 255 * 128),
        ([255, 255], [127, -127], 0),
        ([0, 255, 255, 0], [127, 127, 127, 127], 0),
        ([255, 255, 255], [127, 0, 127], 0),
        ([255, 255, 255, 255, 255], [127] * 5, 2 * (HIGHEST - 2 * 255 * 127)),
        ([128, 129], [127, 127], 0),
        ([129, 130], [127, 127], HIGHEST - 259 * 127),
    ],
)
def test_a_pair_saturates_where_its_sum_leaves_16_bits(
    activations: list[int], weights: list[int], lost: int
) -> None:
    found, counted = loss(u8(activations), s8(weights))

    assert found.tolist() == [[lost]]
    assert counted.touched == int(lost != 0)
    assert counted.pairs == (len(weights) + 1) // 2


def test_the_worst_pair_is_told_by_its_true_sum() -> None:
    _, counted = loss(u8([255, 255, 200, 200]), s8([127, 127, -128, -128]))

    assert counted.saturated == 2
    assert counted.worst == 2 * 255 * 127


def test_losses_equal_those_of_every_pair_computed_by_itself() -> None:
    random = np.random.default_rng(0)
    activations = random.integers(0, 256, (40, 33)).astype(np.uint8)
    weights = random.integers(-128, 128, (33, 21)).astype(np.int8)

    sums = multiply(activations, weights, (7, np.zeros(1, np.int32)))

    terms = activations[:, :, np.newaxis].astype(int) * weights
    whole = np.concatenate([terms, np.zeros((40, 1, 21), int)], axis=1)
    true = whole[:, 0::2] + whole[:, 1::2]
    limited = np.clip(true, LOWEST, HIGHEST)
    assert sums.lost is not None
    assert np.array_equal(sums.lost, (limited - true).sum(axis=1))
    assert np.array_equal(sums.exact, terms.sum(axis=1) - 7 * weights.astype(int).sum(axis=0))
    assert sums.saturation.saturated == np.count_nonzero(limited != true)
    assert sums.saturation.worst == np.abs(true).max()


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    activations = random.integers(0, 256, (50, 600)).astype(np.uint8)
    weights = random.integers(-128, 128, (600, 30)).astype(np.int8)
    zeros = (3, np.arange(30, dtype=np.int32))
    whole = multiply(activations, weights, zeros)

    monkeypatch.setattr("edgecls_exporters.pair_kernel.BLOCK", 600 * 7)
    parts = multiply(activations, weights, zeros)

    assert whole.lost is not None
    assert parts.lost is not None
    assert np.array_equal(whole.exact, parts.exact)
    assert np.array_equal(whole.lost, parts.lost)
    assert whole.saturation == parts.saturation


def test_weights_that_no_activation_can_saturate_are_known_by_their_reach() -> None:
    random = np.random.default_rng(2)
    bounded = random.integers(-64, 65, (31, 9)).astype(np.int8)
    activations = np.full((4, 31), 255, np.uint8)

    found = multiply(activations, bounded, (0, np.zeros(1, np.int32)))

    assert reach(bounded) <= HIGHEST
    assert found.lost is None
    assert reach(s8([127, 127])) == 2 * 255 * 127
    assert reach(s8([127, -127])) == 255 * 127
    assert reach(s8([127])) == 255 * 127


def test_a_convolution_runs_over_kernel_rows_columns_and_then_channels() -> None:
    images = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(1, 2, 3, 3)

    seen = unfold(images, Window((2, 2), (1, 1), (0, 0, 0, 0), (1, 1)), 0)

    assert seen.shape == (1, 2, 2, 8)
    assert seen[0, 0, 0].tolist() == [0, 9, 1, 10, 3, 12, 4, 13]


def test_what_pads_an_image_is_the_zero_point() -> None:
    images = np.full((1, 1, 1, 1), 9, np.uint8)

    seen = unfold(images, Window((1, 3), (1, 1), (0, 1, 0, 1), (1, 1)), 77)

    assert seen.reshape(-1).tolist() == [77, 9, 77]


def test_every_integer_is_as_onnxruntime_computes_it_on_this_processor(tmp_path: Path) -> None:
    cases = u8s8_cases()

    found = outputs_of(cases, tmp_path)

    for case, output in zip(cases, found, strict=True):
        if kernel(case) == "pairs":
            result = computed(case)
            wanted = result.seen if saturates() else result.exact
            assert np.array_equal(output, wanted), case.name


@emulated
@pytest.mark.parametrize(
    "processor",
    [
        "Haswell",
        *(pytest.param(p, marks=pytest.mark.slow) for p in ("Broadwell", "Skylake-Client", "EPYC")),
    ],
)
def test_every_integer_is_as_a_processor_without_vnni_computes_it(
    tmp_path: Path, processor: str
) -> None:
    cases = u8s8_cases()

    found = outputs_of(cases, tmp_path, processor)

    differing = 0
    for case, output in zip(cases, found, strict=True):
        if kernel(case) == "pairs":
            result = computed(case)
            assert np.array_equal(output, result.seen), case.name
            differing += not np.array_equal(result.exact, result.seen)
    assert differing > 40


@emulated
@pytest.mark.slow
def test_other_kernels_compute_the_same_on_a_processor_without_vnni(tmp_path: Path) -> None:
    spared = [case for case in u8s8_cases() if kernel(case) == "depthwise"]
    for signs in (("u8", "u8"), ("s8", "s8"), ("s8", "u8")):
        spared += products(signs)
        if signs != ("s8", "u8"):
            spared += [*convolutions(signs), *gemms(signs)]
    assert {kernel(case) for case in spared} == {"depthwise", "u8u8", "s8s8", "s8u8"}
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()

    here, there = (
        outputs_of(spared, tmp_path / "here"),
        outputs_of(spared, tmp_path / "there", "Haswell"),
    )

    for case, one, other in zip(spared, here, there, strict=True):
        assert np.array_equal(one, other), case.name


@emulated
@pytest.mark.slow
def test_the_probe_tells_processors_apart() -> None:
    found = [probed_on(processor) for processor in ("Haswell", "Nehalem")]

    assert found == [True, False]
