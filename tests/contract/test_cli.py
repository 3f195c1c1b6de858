"""The command line, specified as a user meets it: text, exit codes, and what is never imported."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import edgecls
from edgecls import cli, errors, plugins
from parts import Made

HEAVY = ("numpy", "torch", "cv2", "onnxruntime", "onnx", "timm", "PIL")


def edgecls_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgecls", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    done = edgecls_command("--help")

    assert done.returncode == 0
    assert all(re.search(rf"^ +{name} ", done.stdout, re.MULTILINE) for name in cli.COMMANDS)
    assert loaded_by("import edgecls.cli").isdisjoint(HEAVY)


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = edgecls_command(command, "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert f"usage: edgecls {command}" in done.stdout


def test_importing_the_packages_loads_neither_engine_nor_framework() -> None:
    assert loaded_by("import edgecls").isdisjoint(HEAVY)
    assert loaded_by("import edgecls_runtime").isdisjoint(HEAVY)


def test_running_a_bundle_never_loads_a_training_framework() -> None:
    everything = "import edgecls_runtime.wiring, edgecls_runtime.classifier, edgecls_runtime.golden"

    assert loaded_by(everything).isdisjoint({"torch", "torchvision", "timm", "onnx", "PIL"})


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ((), 2, "required: COMMAND"),
        (("inspect",), 2, "invalid choice: 'inspect'"),
        (("show",), 2, "required: BUNDLE"),
        (("show", "nowhere"), 3, "edgecls show: nowhere: no such directory; expected a bundle"),
        (("show", "nowhere", "--fast"), 2, "unrecognized arguments: --fast"),
        (("run",), 2, "edgecls run: --bundle: required without a station file"),
        (("run", "no.toml"), 2, "edgecls run: no.toml: No such file or directory; expected a"),
    ],
)
def test_a_mistake_is_answered_in_one_line_with_its_exit_code(
    arguments: tuple[str, ...], code: int, text: str
) -> None:
    done = edgecls_command(*arguments)

    assert done.returncode == code
    assert text in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_missing_package_is_answered_with_the_pip_command(tmp_path: Path) -> None:
    hide = (
        "import sys; sys.modules['torch'] = None; "
        "from edgecls.cli import main; sys.exit(main(['export']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", hide], capture_output=True, text=True, check=False, cwd=tmp_path
    )

    assert done.returncode == 6
    assert (
        done.stderr == "edgecls export: torch: not installed; run: pip install 'edgecls[export]'\n"
    )


@pytest.mark.parametrize(("command", "extra"), [("export", "export"), ("demo", "demo")])
def test_the_pip_command_brings_what_the_command_needs(command: str, extra: str) -> None:
    assert cli.COMMANDS[command][1] == extra


def test_an_answer_that_cannot_be_written_is_an_error_in_one_line(made: Made) -> None:
    command = [sys.executable, "-m", "edgecls", "show", str(made.path)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert done.returncode == 5
    assert done.stderr.splitlines()[0] == "edgecls show: [Errno 28] No space left on device"
    assert "Traceback" not in done.stderr


def test_the_readme_has_no_unfilled_place() -> None:
    assert "@@" not in (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_drawing_of_the_error_tree_is_the_tree() -> None:
    drawn = dict(re.findall(r"\+-- (\w+) .*exit (\d)", errors.__doc__ or ""))
    classes = {
        name: getattr(errors, name) for name in re.findall(r"\+-- (\w+)", errors.__doc__ or "")
    }

    assert {name: str(classes[name].exit_code) for name in drawn} == drawn
    assert set(classes) == {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.EdgeclsError)
    } - {"EdgeclsError"}


def test_public_names_are_found_and_others_are_not() -> None:
    assert edgecls.Bundle.__name__ == "Bundle"
    with pytest.raises(AttributeError, match="no attribute 'Bundel'"):
        edgecls.Bundel  # noqa: B018 - the access is the test


def test_an_unknown_kind_of_hardware_is_answered_with_the_known_ones() -> None:
    with pytest.raises(
        errors.ConfigError, match=r"no kind 'usv'; known kinds are aravis, .*fake, folder, .*usb"
    ):
        plugins.find("edgecls_runtime.cameras", "usv")
