"""What a frame costs in the engine: no memory of its size, the same answers from every thread."""

import os
import re
import resource
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from edgecls.errors import ProviderError
from edgecls_runtime import Classifier
from parts import Made

GRAPHS = Path("edgecls") / "graphs"


def images(count: int, seed: int) -> list[np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]]:
    random = np.random.default_rng(seed)
    return [random.integers(0, 256, (90, 110, 3), dtype=np.uint8) for _ in range(count)]


def kept(cache: Path) -> list[Path]:
    return sorted((cache / GRAPHS).glob("*"))


def test_a_frame_allocates_nothing_of_its_size(made: Made) -> None:
    classify = Classifier(made.path, "cpu")
    (image,) = images(1, 0)
    for _ in range(3):
        classify(image)

    tracemalloc.start()
    for _ in range(20):
        classify(image)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < classify.bundle.preprocessing.size[0] * classify.bundle.preprocessing.size[1] * 3


def test_scores_are_the_callers_own(made: Made) -> None:
    classify = Classifier(made.path, "cpu")
    one, other = images(2, 1)

    first = classify(one)
    before = first.scores.copy()
    classify(other)

    assert np.array_equal(first.scores, before)


def test_batches_of_changing_size_answer_as_each_image_does(made: Made) -> None:
    classify = Classifier(made.path, "cpu")
    drawn = images(70, 2)
    alone = [classify(image).scores for image in drawn]

    for size in (3, 1, 8, 70, 2):
        batch = classify.batch(drawn[:size])

        assert len(batch) == size
        for found, expected in zip(batch, alone, strict=False):
            assert np.allclose(found.scores, expected, atol=1e-6)


def test_threads_that_share_a_classifier_get_their_own_answers(made: Made) -> None:
    classify = Classifier(made.path, "cpu")
    drawn = images(8, 3)
    alone = [classify(image).scores for image in drawn]
    wrong: list[int] = []

    def ask(number: int) -> None:
        answers = [classify(drawn[number]).scores for _ in range(30)]
        wrong.extend(number for answer in answers if not np.array_equal(answer, alone[number]))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(drawn))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


@pytest.mark.parametrize(
    ("batch", "found"),
    [
        (np.zeros((1, 32, 64, 3), np.uint8), "uint8 of shape (1, 32, 64, 3)"),
        (np.zeros((1, 64, 64, 3), np.float32), "float32 of shape (1, 64, 64, 3)"),
        (np.zeros((64, 64, 3), np.uint8), "uint8 of shape (64, 64, 3)"),
    ],
    ids=["size", "dtype", "no batch"],
)
def test_what_the_model_does_not_take_is_refused_in_one_line(
    made: Made, batch: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], found: str
) -> None:
    message = f"model.fp32.onnx: {found}; expected uint8 (n, 64, 64, 3), C-contiguous"

    with pytest.raises(ProviderError, match=f"^{re.escape(message)}$"):
        Classifier(made.path, "cpu", "fp32").scored(batch)


def test_a_closed_classifier_says_so(made: Made) -> None:
    classify = Classifier(made.path, "cpu", "fp32")
    classify(images(1, 4)[0])
    classify.close()

    with pytest.raises(ProviderError, match=r"^model.fp32.onnx: closed; open the bundle again$"):
        classify(images(1, 4)[0])


@pytest.mark.parametrize("variant", ["fp32", "int8-x86-avx2"])
def test_a_later_start_reads_the_optimised_graph_and_answers_the_same(
    made: Made, own_cache: Path, variant: str
) -> None:
    (image,) = images(1, 5)
    first = Classifier(made.path, "cpu", variant)
    (file,) = kept(own_cache)
    written = file.stat().st_ino

    later = Classifier(made.path, "cpu", variant)

    assert np.array_equal(later(image).scores, first(image).scores)
    assert [found.stat().st_ino for found in kept(own_cache)] == [written]
    assert later.placement.flops_share == 1.0
    assert later.placement.nodes_share == 1.0


@pytest.mark.parametrize("content", [b"", b"not a graph"], ids=["empty", "no graph"])
def test_a_damaged_graph_is_built_anew_without_a_word(
    made: Made, own_cache: Path, content: bytes
) -> None:
    (image,) = images(1, 6)
    expected = Classifier(made.path, "cpu", "fp32")(image).scores
    (file,) = kept(own_cache)
    size = file.stat().st_size
    file.write_bytes(content)

    found = Classifier(made.path, "cpu", "fp32")(image).scores

    assert np.array_equal(found, expected)
    assert [file.stat().st_size for file in kept(own_cache)] == [size]


def test_a_cache_that_cannot_be_written_to_is_done_without(made: Made, own_cache: Path) -> None:
    own_cache.mkdir()
    (own_cache / "edgecls").write_bytes(b"")  # no folder, and none can be made

    Classifier(made.path, "cpu", "fp32")(images(1, 7)[0])

    assert (own_cache / "edgecls").read_bytes() == b""


def test_a_disk_that_is_full_is_done_without(made: Made, own_cache: Path) -> None:
    script = (
        "import signal, sys, numpy as np; from edgecls_runtime import Classifier; "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "c = Classifier(sys.argv[1], 'cpu', 'fp32'); "
        "print(c(np.zeros((64, 64, 3), np.uint8)).label)"
    )
    room = (1000, 1000)  # bytes that a file may have

    done = subprocess.run(
        [sys.executable, "-c", script, str(made.path)],
        env={**os.environ, "XDG_CACHE_HOME": str(own_cache)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, room),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() in ("good", "scratch")
    assert kept(own_cache) == []


def test_the_reference_keeps_no_graph(made: Made, own_cache: Path) -> None:
    Classifier(made.path, "reference", "fp32")

    assert kept(own_cache) == []
