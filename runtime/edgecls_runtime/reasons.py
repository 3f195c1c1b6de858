"""What an error of another library says, in one line and without places in its source."""

import re

# "Load model from /tmp/x/model.onnx failed:": the caller says which file it is.
FILE = re.compile(r"Load model from \S+ failed:")
# "/onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:360 void* onnxruntime::f(size_t) ".
PLACE = re.compile(r"/\S*onnxruntime/core/\S+:\d+ [^)]*\) (?=[A-Z])")


def first_line(error: BaseException) -> str:
    """Return an error's first line."""
    line = str(error).strip().partition("\n")[0]
    if line.startswith("/"):
        line = line.rpartition(" [ONNXRuntimeError] ")[2]
    return PLACE.sub("", FILE.sub("", line))
