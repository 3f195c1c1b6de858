"""What another library's error says, specified."""

import pytest

from edgecls_runtime.reasons import first_line


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("out of memory\nat line 3", "out of memory"),
        (
            "/src/onnxruntime/core/session/bridge.cc:1 Provider& Get() [ONNXRuntimeError] : 1 : no",
            ": 1 : no",
        ),
        (
            "[ONNXRuntimeError] : 2 : Load model from /tmp/x/model.onnx failed:Invalid model.",
            "[ONNXRuntimeError] : 2 : Invalid model.",
        ),
        (
            "FAIL : /src/onnxruntime/core/framework/arena.cc:360 void* f(size_t, bool) Failed to",
            "FAIL : Failed to",
        ),
    ],
    ids=["lines", "begins with a place", "a file", "holds a place"],
)
def test_an_error_is_told_in_one_line_without_places(said: str, told: str) -> None:
    assert first_line(RuntimeError(said)) == told
