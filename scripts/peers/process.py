"""The benchmark's end of a peer's process."""

import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from peers import venvs

SCRIPTS = Path(__file__).parent.parent
# Where our own code is found by an environment that it is not installed in.
OURS = (SCRIPTS.parent, SCRIPTS.parent / "runtime")


class PeerFailed(RuntimeError):  # noqa: N818 - what happened, not what kind of error it is
    """A peer did not do what it was asked; the message is its reason."""


def _alone(python: Path) -> dict[str, str]:
    """Return what keeps a peer to its own environment: MNN's converter calls ``pip install``."""
    path = os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)])
    return {"PATH": path, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}


class Process:
    """A peer at rest, until it is asked."""

    def __init__(self, python: Path, peer: str, threads: int) -> None:
        """Start it. OpenMP and BLAS get as many threads as the engine."""
        paths = [str(SCRIPTS), *(map(str, OURS) if venvs.ours(peer) else ())]
        counts = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
        self._process = subprocess.Popen(
            [str(python), "-P", "-m", "peers.worker", peer],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | counts | _alone(python) | {"PYTHONPATH": os.pathsep.join(paths)},
        )

    def ask(self, do: str, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - as each request says
        """Send a request and wait for its answer.

        Raises:
            PeerFailed: It could not, or it died.

        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # noqa: S101 - both are pipes
        assert stdout is not None  # noqa: S101
        try:
            stdin.write(json.dumps({"do": do, **request}, default=str) + "\n")
            stdin.flush()
        except BrokenPipeError:
            raise PeerFailed(self._death()) from None
        line = stdout.readline()
        if not line:
            raise PeerFailed(self._death())
        reply: dict[str, Any] = json.loads(line)
        if "failed" in reply:
            raise PeerFailed(reply["failed"])
        return reply

    def _death(self) -> str:
        return f"its process ended with code {self._process.wait()}"

    def close(self) -> None:
        """End it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """End it."""
        self.close()
