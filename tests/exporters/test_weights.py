"""Weight files: which are read, which are refused, and that none of them can run code."""

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from edgecls.errors import ExportError
from edgecls_exporters.weights import load_into, read_weights

State = dict[str, Tensor]


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))


@pytest.fixture
def state() -> State:
    torch.manual_seed(0)
    return dict(network().state_dict())


def assert_same(found: State, expected: State) -> None:
    assert list(found) == list(expected)
    assert all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_every_usual_file_gives_the_tensors_that_were_saved(
    tmp_path: Path, state: State, suffix: str
) -> None:
    file = tmp_path / f"net{suffix}"
    save: Callable[[State, Path], None] = save_file if suffix == ".safetensors" else torch.save
    save(state, file)

    found = read_weights(file)

    assert {key: value.tolist() for key, value in found.state.items()} == {
        key: value.tolist() for key, value in state.items()
    }
    assert found.labels is None


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict", "net"])
def test_a_state_dict_is_found_where_training_scripts_keep_it(
    tmp_path: Path, state: State, key: str
) -> None:
    file = tmp_path / "net.pth"
    torch.save({"epoch": 7, "optimizer": {"lr": 0.1}, key: state}, file)

    found = read_weights(file)

    assert_same(found.state, state)


@pytest.mark.parametrize("key", ["state_dict_ema", "model_ema"])
def test_averaged_weights_come_before_the_last_ones(tmp_path: Path, state: State, key: str) -> None:
    file = tmp_path / "net.pth"
    last = {name: value + 1 for name, value in state.items()}
    torch.save({"model": last, "state_dict": last, key: state}, file)

    found = read_weights(file)

    assert_same(found.state, state)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_orig_mod.module."])
def test_the_prefixes_of_parallel_and_compiled_models_are_taken_off(
    tmp_path: Path, state: State, prefix: str
) -> None:
    file = tmp_path / "net.pth"
    torch.save({prefix + key: value for key, value in state.items()}, file)

    found = read_weights(file)

    assert_same(found.state, state)


def test_an_averaged_model_of_torch_loads_without_its_counter(tmp_path: Path) -> None:
    model, file = network(), tmp_path / "net.pth"
    torch.save(torch.optim.swa_utils.AveragedModel(model).state_dict(), file)
    fresh = network()

    load_into(fresh, read_weights(file))

    assert_same(dict(fresh.state_dict()), dict(model.state_dict()))


def test_a_part_of_the_model_that_is_called_module_keeps_its_weights(tmp_path: Path) -> None:
    model, fresh = (nn.ModuleDict({"module": network()}) for _ in range(2))
    file = tmp_path / "net.pth"
    torch.save(model.state_dict(), file)

    load_into(fresh, read_weights(file))

    assert_same(dict(fresh.state_dict()), dict(model.state_dict()))


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile])
def test_a_model_that_is_itself_wrapped_takes_bare_and_prefixed_weights(
    tmp_path: Path, state: State, wrap: Callable[[nn.Module], nn.Module]
) -> None:
    file = tmp_path / "net.pth"
    torch.save(state, file)
    model = network()

    load_into(wrap(model), read_weights(file))

    assert_same(dict(model.state_dict()), state)


def test_labels_in_a_checkpoint_are_read_in_their_order(tmp_path: Path, state: State) -> None:
    file = tmp_path / "net.pth"
    torch.save({"model": state, "labels": ["scratch", "good"]}, file)

    found = read_weights(file)

    assert found.labels == ("scratch", "good")


@pytest.mark.parametrize("labels", [[], [1, 2], "good", {"good": 0}])
def test_labels_that_are_no_names_are_not_taken_for_some(
    tmp_path: Path, state: State, labels: object
) -> None:
    file = tmp_path / "net.pth"
    torch.save({"model": state, "labels": labels}, file)

    found = read_weights(file)

    assert found.labels is None


def refusal(file: Path) -> str:
    with pytest.raises(ExportError) as refused:
        read_weights(file)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "net.pth"

    assert refusal(file) == f"{file}: no such file; expected .pth, .pt or .safetensors"


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.touch()

    assert refusal(file) == f"{file}: empty file; was it copied whole?"


@pytest.mark.parametrize("name", ["net.pth", "net.pt", "net.safetensors"])
def test_half_a_file_is_refused(tmp_path: Path, state: State, name: str) -> None:
    file = tmp_path / name
    save: Callable[[State, Path], None] = save_file if name.endswith("tensors") else torch.save
    save(state, file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])

    text = refusal(file)

    assert text.startswith(f"{file}: cannot be read (")
    assert text.endswith("); was it copied whole?")


TEXTS = ["these are no weights\n", "<html>404</html>", "{}", "0"]


@pytest.mark.parametrize("content", TEXTS)
@pytest.mark.parametrize("name", ["net.pth", "net.pt"])
def test_a_text_file_is_refused_and_not_called_code(
    tmp_path: Path, name: str, content: str
) -> None:
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")

    assert refusal(file) == (
        f"{file}: not what torch.save writes; expected .pth, .pt or .safetensors"
    )


@pytest.mark.parametrize("content", TEXTS)
def test_a_text_file_that_is_called_safetensors_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "net.safetensors"
    file.write_text(content, encoding="utf-8")

    assert refusal(file).startswith(f"{file}: cannot be read (")


class Trap:
    """Creates a file as soon as it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.file,)


def test_the_trap_of_the_next_test_does_spring(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Trap(tmp_path / "sprung")))  # noqa: S301 - the trap above

    assert (tmp_path / "sprung").exists()


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "plain pickle"])
def test_a_file_that_carries_code_is_refused_and_the_code_does_not_run(
    tmp_path: Path, state: State, *, zipped: bool
) -> None:
    file = tmp_path / "net.pth"
    content = {"model": state, "trap": Trap(tmp_path / "sprung")}
    torch.save(content, file, _use_new_zipfile_serialization=zipped)

    text = refusal(file)

    assert not (tmp_path / "sprung").exists()
    assert text == (
        f"{file}: holds Python objects, which would run code when loaded; "
        f"save model.state_dict() instead"
    )


def test_a_whole_pickled_module_is_refused_with_the_way_out(tmp_path: Path) -> None:
    file = tmp_path / "net.pth"
    torch.save(network(), file)

    assert refusal(file).endswith("save model.state_dict() instead")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([1, 2], "holds a list; expected a state dict"),
        (torch.zeros(3), "holds a Tensor; expected a state dict"),
        ({}, "no state dict in it; its keys are none"),
        ({"epoch": 3, "loss": 0.1}, "no state dict in it; its keys are epoch, loss"),
    ],
)
def test_a_file_without_a_state_dict_says_what_it_holds(
    tmp_path: Path, content: object, expected: str
) -> None:
    file = tmp_path / "net.pth"
    torch.save(content, file)

    assert refusal(file) == f"{file}: {expected}"


def misfit(tmp_path: Path, given: Mapping[str, Tensor] | Mapping[int, Tensor]) -> str:
    file = tmp_path / "net.pth"
    torch.save(given, file)
    with pytest.raises(ExportError) as refused:
        load_into(network(), read_weights(file))
    return str(refused.value).removeprefix(f"{file}: ")


def test_weights_that_do_not_fit_say_what_is_missing_unknown_and_of_another_shape(
    tmp_path: Path, state: State
) -> None:
    given = {**state, "extra.weight": torch.zeros(1)}
    del given["0.bias"]
    given["2.weight"] = torch.zeros(5, 4)

    text = misfit(tmp_path, given)

    assert text == (
        "does not fit the model: 0.bias missing; extra.weight unknown; "
        "2.weight is (5, 4), the model has (2, 4) of another shape; is SOURCE the right one?"
    )


def test_a_long_list_of_misfits_is_cut_and_counted(tmp_path: Path) -> None:
    given = {f"layer{i}": torch.zeros(1) for i in range(9)}

    text = misfit(tmp_path, given)

    assert "layer0, layer1, layer2, layer3, layer4 and 4 more unknown" in text
    assert "0.weight, 0.bias, 1.weight, 1.bias, 1.running_mean and 3 more missing" in text


def test_keys_that_are_numbers_are_told_like_others(tmp_path: Path) -> None:
    assert "0, 1 unknown" in misfit(tmp_path, {0: torch.zeros(1), 1: torch.zeros(1)})


def test_weights_of_another_model_leave_this_one_as_it_was(tmp_path: Path, state: State) -> None:
    file, model = tmp_path / "net.pth", network()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    torch.save({**state, "2.weight": torch.zeros(5, 4)}, file)

    with pytest.raises(ExportError, match="does not fit the model"):
        load_into(model, read_weights(file))

    assert_same(dict(model.state_dict()), before)


def test_the_training_step_counters_of_batch_norms_may_be_missing(
    tmp_path: Path, state: State
) -> None:
    file, model = tmp_path / "net.pth", network()
    torch.save({k: v for k, v in state.items() if "num_batches" not in k}, file)

    load_into(model, read_weights(file))

    assert torch.equal(model.state_dict()["0.weight"], state["0.weight"])


def test_half_precision_weights_are_taken(tmp_path: Path, state: State) -> None:
    file, model = tmp_path / "net.pth", network()
    torch.save({key: value.half() for key, value in state.items()}, file)

    load_into(model, read_weights(file))

    assert model.state_dict()["0.weight"].dtype == torch.float32
    assert torch.allclose(model.state_dict()["0.weight"], state["0.weight"], atol=1e-3)


@pytest.mark.parametrize("key", ["architecture", "arch"])
def test_what_the_file_was_trained_as_is_read(tmp_path: Path, key: str) -> None:
    torch.save({key: "resnet18", "state_dict": {"w": torch.ones(1)}}, tmp_path / "a.pth")

    assert read_weights(tmp_path / "a.pth").architecture == "resnet18"
