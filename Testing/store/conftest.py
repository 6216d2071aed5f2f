"""A store of its own for each test, a model to put into it, and a server that gives it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from MedAssistLib.models import download, store
from Testing.store.file_server import FileServer
from Testing.store.parts import WEIGHTS, card, zip_of


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of its own for each test, no proxy, and no long waits."""
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path / "models"))
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(download, "_WAIT_S", 0.005)
    return tmp_path / "models"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "Some model"
    made.mkdir()
    (made / "model.json").write_bytes(card())
    (made / "weights.pt").write_bytes(WEIGHTS)
    return made


@pytest.fixture
def model_zip(tmp_path: Path) -> Path:
    files = {"inner/model.json": card(), "inner/weights.pt": WEIGHTS, "__MACOSX/inner/._x": b"x"}
    return zip_of(tmp_path / "model.zip", files)


@pytest.fixture
def server(model_zip: Path) -> Iterator[FileServer]:
    with FileServer(model_zip.read_bytes()) as running:
        yield running
