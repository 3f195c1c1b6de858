"""The ``edgecls`` command: one table, each command imported only when it is run.

stdout is data, stderr is for people. Exit codes are those of ``edgecls.errors``, and 130 after
Ctrl-C. A command is a module with ``configure(parser)`` and ``run(arguments) -> exit code``.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from edgecls import __version__, progress
from edgecls.errors import DeviceError, EdgeclsError, MissingExtra

EXPORTER, RUNTIME = "edgecls_exporters.commands", "edgecls_runtime.commands"

COMMANDS = {  # where it is, the extra it needs, what it does
    "export": (EXPORTER, "export", "trained PyTorch model -> bundle, with proof"),
    "compare": (EXPORTER, "export", "do two bundles, ONNX files or checkpoints answer alike?"),
    "show": (RUNTIME, "cpu", "what a bundle is, in one screen"),
    "devices": (RUNTIME, "cpu", "what can be used here, and why the rest cannot"),
    "verify": (RUNTIME, "cpu", "does the bundle answer rightly on this device?"),
    "classify": (RUNTIME, "cpu", "label image files"),
    "evaluate": (RUNTIME, "cpu", "accuracy on labelled images"),
    "bench": (RUNTIME, "cpu", "latency, memory, cold start and placement of each variant here"),
    "tune": (RUNTIME, "cpu", "measure what runs a bundle best on this device, and remember it"),
    "overflow": (EXPORTER, "export", "does an int8 model saturate without VNNI, and here?"),
    "warm": (RUNTIME, "cpu", "build ahead what a provider compiles for this device"),
    "look": (RUNTIME, "cpu", "judge one frame of a station, and show where"),
    "doctor": (
        RUNTIME,
        "cpu",
        "is everything here, and right? opens all, judges one, tells nobody",
    ),
    "watch": (RUNTIME, "cpu", "look at cameras while setting them up"),
    "calibrate": (RUNTIME, "cpu", "learn from good frames which ones are not fit to be judged"),
    "run": (RUNTIME, "cpu", "camera -> verdicts, until stopped"),
    "journal": (
        RUNTIME,
        "cpu",
        "what was decided, whether it balances, and that nobody changed it",
    ),
    "replay": (RUNTIME, "cpu", "judge kept images again: what would another bundle change?"),
    "evidence": (RUNTIME, "cpu", "a data set of what people said about kept images"),
    "service": (RUNTIME, "cpu", "a station that systemd starts, watches and ends"),
    "drill": (RUNTIME, "cpu", "what a station does about faults: expected and seen, on itself"),
    "demo": (EXPORTER, "demo", "the whole job on photos of solar cells"),
}
# Faults reach the user as our own messages; OpenCV and FFmpeg add theirs only when asked.
QUIET = {"OPENCV_LOG_LEVEL": "SILENT", "OPENCV_FFMPEG_LOGLEVEL": "-8"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    for key, value in QUIET.items():
        os.environ.setdefault(key, value)
    if sys.stdout is None:  # closed by who started us; there is nobody to tell
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - for the rest of the process
    code, fault = _guarded(argv)
    try:
        sys.stdout.flush()  # here, where a full disk can still be reported
    except OSError as error:
        # Nothing more can be written there; the interpreter must not try again as it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not code and not isinstance(error, BrokenPipeError):
            code, fault = DeviceError.exit_code, str(error)
    if fault:
        progress.tell(f"edgecls {argv[0]}: {fault}", progress.Level.ERROR)
    progress.at_end()
    return code


def _guarded(argv: Sequence[str]) -> tuple[int, str]:
    """Run one command; return its exit code and what went wrong."""
    try:
        return _run(argv), ""
    except EdgeclsError as error:
        return error.exit_code, str(error)
    except KeyboardInterrupt:
        return 130, "interrupted"
    except BrokenPipeError:
        return 0, ""  # the reader of our output has seen enough, as with `| head`
    except OSError as error:  # a full disk, a folder that cannot be written
        return DeviceError.exit_code, str(error)


def _run(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="edgecls",
        description="The edge classifier that can prove what it did.",
        epilog="edgecls COMMAND --help says more.",
    )
    parser.add_argument("-V", "--version", action="version", version=f"edgecls {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, _, summary) in COMMANDS.items():
        commands.add_parser(name, help=summary, add_help=False)
    chosen = parser.parse_args(argv[:1]).command
    module = _load(chosen)
    command = argparse.ArgumentParser(prog=f"edgecls {chosen}", description=module.__doc__)
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    module.configure(command)
    code: int = module.run(command.parse_args(argv[1:]))
    return code


def _load(command: str) -> ModuleType:
    package, extra, _ = COMMANDS[command]
    try:
        return importlib.import_module(f"{package}.{command}")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing.startswith("edgecls"):
            raise
        raise MissingExtra(missing, extra) from error
