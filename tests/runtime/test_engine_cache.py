"""Engines that are kept, specified with the processor, which needs none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecls.errors import ProviderError
from edgecls_runtime import user_cache
from edgecls_runtime.engine_cache import WARMED, CachedProvider
from edgecls_runtime.execution_provider import ExecutionProvider
from edgecls_runtime.protocols import Session
from edgecls_runtime.provider_proof import MODEL
from edgecls_runtime.providers import cpu


def as_it_is(provider: ExecutionProvider, _folder: Path) -> ExecutionProvider:
    return provider


def test_building_is_said_and_loading_what_was_kept_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    provider = CachedProvider(cpu.open(), tmp_path, as_it_is)

    provider.load(MODEL).close()
    first = capsys.readouterr().err
    session = provider.load(MODEL)
    second = capsys.readouterr().err

    assert first.startswith(
        "CPUExecutionProvider: building an engine for probe.onnx; edgecls warm does it ahead ...\n"
    )
    assert f"s, kept in {provider.folder(MODEL)}\n" in first
    assert second == ""
    assert session.run(np.full((2, 8, 8, 3), 51, np.uint8)) == pytest.approx(0.2)


def test_another_setting_or_model_has_an_engine_of_its_own(tmp_path: Path) -> None:
    changed = tmp_path / "probe.onnx"
    changed.write_bytes(MODEL.read_bytes() + b"\x42\x00")
    plain = CachedProvider(cpu.open(), tmp_path, as_it_is)
    other = replace(plain, provider=ExecutionProvider("CPUExecutionProvider", {"a": "1"}))

    assert len({plain.folder(MODEL), plain.folder(changed), other.folder(MODEL)}) == 3


def test_an_engine_that_cannot_be_loaded_is_built_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def load_kept(_provider: ExecutionProvider, _model: Path, folder: Path) -> Session:
        return cpu.open().load(folder / "engine.onnx")

    provider = CachedProvider(cpu.open(), tmp_path, as_it_is, load_kept)
    folder = provider.folder(MODEL)
    folder.mkdir()
    (folder / WARMED).write_text("{}", encoding="utf-8")
    (folder / "engine.onnx").write_bytes(b"half an engine")

    session = provider.load(MODEL)

    said = capsys.readouterr().err
    assert f"the engine kept in {folder} is built again\n" in said
    assert session.placement.provider == "CPUExecutionProvider"
    assert not (folder / "engine.onnx").exists()


def test_a_model_that_cannot_be_built_leaves_no_folder(tmp_path: Path) -> None:
    model = tmp_path / "broken.onnx"
    model.write_bytes(b"no model")
    provider = CachedProvider(cpu.open(), tmp_path / "engines", as_it_is)

    with pytest.raises(ProviderError, match=r"broken.onnx: "):
        provider.load(model)

    assert not any((tmp_path / "engines").iterdir())


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    provider = CachedProvider(cpu.open(), tmp_path / "file" / "cache", as_it_is)

    with pytest.raises(ProviderError, match=r"cache/probe-.*; give the provider's cache a folder"):
        provider.load(MODEL)


def test_engines_stand_in_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")

    assert user_cache.folder("qnn") == Path("/somewhere/edgecls/qnn")
