"""The process that an isolated camera lives in: ``python -m edgecls_runtime.camera_process FILE``.

A line on stdin is a question (``open``, ``take``, ``close``) and gets a line on stdout; ``fire`` is
an order and gets none. Frames are written to FILE, which is memory. The process ends with its
stdin, and by itself when no camera has been open for a while.
"""

import json
import mmap
import os
import queue
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TextIO

import numpy as np

from edgecls import plugins
from edgecls.errors import CameraError, EdgeclsError
from edgecls_runtime.capture.coded import Coded, Coding
from edgecls_runtime.capture.undecoded import take
from edgecls_runtime.protocols import Camera, Firing

CAMERAS = "edgecls_runtime.cameras"
IDLE_S = 10.0
# What a driver may take to let its device go before the process ends around it.
CLOSE_S = 2.0

Table = dict[str, object]


class Served:
    """At most one open camera, and the memory its frames go to."""

    def __init__(self, file: BinaryIO) -> None:
        """Use an opened file."""
        self._file = file
        self._memory: mmap.mmap | None = None
        self.camera: Camera | None = None
        self.fault: CameraError | None = None

    def answer(self, question: Table) -> Table:
        """Answer one question; what goes wrong is raised."""
        if "open" in question:
            return self._open(question["open"], Path(str(question["base"])))
        if "take" in question:
            return self._take(float(question["take"]))  # type: ignore[arg-type]
        if "close" in question:
            self.close()
        return {}

    def fire(self) -> None:
        """Have the camera take a picture; an error waits for the next ``take``."""
        try:
            if isinstance(self.camera, Firing):
                self.camera.fire()
        except CameraError as error:
            self.fault = error

    def close(self) -> None:
        """Close the camera, if one is open."""
        camera, self.camera = self.camera, None
        if camera is not None:
            camera.close()

    def _open(self, table: object, base: Path) -> Table:
        self.close()
        self.fault = None
        assert isinstance(table, Mapping)  # noqa: S101 - the other side is ours
        camera: Camera = plugins.open_table(CAMERAS, table, "camera", base)
        self.camera = camera
        return {"live": camera.live, "fires": isinstance(camera, Firing) and camera.fires}

    def _take(self, timeout: float) -> Table:
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault
        if self.camera is None:
            raise CameraError("camera: not open")
        found = take(self.camera, timeout)
        coded = found.decode
        if not isinstance(coded, Coded):
            coded = Coded(coded(), Coding.RGB, found.camera)
        data = np.ascontiguousarray(coded.data)
        self._write(data)
        return {
            "coding": coded.coding,
            "where": coded.where,
            "shape": data.shape,
            "bytes": data.nbytes,
            "number": found.number,
            "captured_at": found.captured_at,
            "camera": found.camera,
            "part": found.part,
        }

    def _write(self, data: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> None:
        if self._memory is None or len(self._memory) < data.nbytes:
            self._file.truncate(data.nbytes)
            self._memory = mmap.mmap(self._file.fileno(), data.nbytes)
        np.frombuffer(self._memory, np.uint8, data.nbytes)[:] = data.reshape(-1)


def main() -> int:
    """Serve until stdin ends, or nobody wants a camera for a while."""
    # Ctrl-C is for the process that asked; it closes this one when its part is finished.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a driver prints is no answer
        with Path(sys.argv[1]).open("r+b") as file:
            _serve(Served(file), answers)
    return 0


def _serve(served: Served, answers: TextIO) -> None:
    questions: queue.SimpleQueue[Table | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(served, questions), daemon=True).start()
    while True:
        try:
            question = questions.get(timeout=None if served.camera else IDLE_S)
        except queue.Empty:
            return
        if question is None:
            with suppress(Exception):
                served.close()
            return
        answers.write(json.dumps(_answered(served, question)) + "\n")
        answers.flush()


def _listen(served: Served, questions: "queue.SimpleQueue[Table | None]") -> None:
    for line in sys.stdin:
        question: Table = json.loads(line)
        if "fire" in question:
            served.fire()
        else:
            questions.put(question)
    questions.put(None)
    threading.Event().wait(CLOSE_S)
    os._exit(1)  # the driver hangs, and nobody is left to end this process


def _answered(served: Served, question: Table) -> Table:
    try:
        return served.answer(question)
    except EdgeclsError as error:
        return {
            "error": type(error).__name__,
            "text": str(error),
            "fault": getattr(error, "fault", None),
            "part": getattr(error, "part", None),
        }
    except Exception as error:  # noqa: BLE001 - a driver raises what it likes; it is told, not died of
        return {"error": "CameraError", "text": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    sys.exit(main())
