"""Reading weights runs no stranger's program, and a damaged file is one clear line."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from MedAssistLib.errors import ModelError
from MedAssistLib.models import checkpoints
from MedAssistLib.models.checkpoints import read_checkpoint


class Program:
    """Makes a folder when it is unpickled, as a hostile file could do worse."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.pth"
    content = {
        "network_weights": {"a": torch.arange(12.0).reshape(3, 4)},
        "logging": {"dice": [np.float64(0.5), np.float32(0.25)], "epoch": np.int64(3)},
        "device": torch.device("cuda"),
        "done": np.bool_(True),
    }
    torch.save(content, path)
    return path


def test_weights_and_the_numbers_that_nnunet_keeps_are_read(checkpoint: Path) -> None:
    """nnU-Net's own checkpoints would be refused."""
    content = read_checkpoint(checkpoint)
    assert content["network_weights"]["a"].sum() == 66
    assert content["logging"]["dice"] == [0.5, 0.25]
    assert content["logging"]["epoch"] == 3


def test_a_program_in_a_file_is_not_run_but_named(tmp_path: Path) -> None:
    """Opening a downloaded model could take over the user's computer."""
    path, made = tmp_path / "hostile.pth", tmp_path / "made"
    torch.save({"network_weights": {"a": torch.ones(2)}, "x": Program(made)}, path)
    with pytest.raises(ModelError, match=r"asks to run \w+\.mkdir") as caught:
        read_checkpoint(path)
    assert not made.exists()
    assert str(path) in str(caught.value)
    read_checkpoint(path, trusted=True)
    assert made.exists()


def test_a_whole_pickled_network_is_refused(tmp_path: Path) -> None:
    """A pickled module runs code of its class when it is read."""
    path = tmp_path / "module.pth"
    torch.save(torch.nn.Conv2d(1, 1, 1), path)
    with pytest.raises(ModelError, match=r"torch\.nn\.modules\.conv\.Conv2d"):
        read_checkpoint(path)


@pytest.mark.parametrize("kind", ["missing", "garbage", "truncated", "empty", "other zip"])
def test_a_file_that_is_no_checkpoint_is_one_line(
    kind: str, checkpoint: Path, tmp_path: Path
) -> None:
    """The user would see a traceback after an interrupted download."""
    path = tmp_path / "x.pth"
    whole = checkpoint.read_bytes()
    if kind == "other zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/data.pkl", b"nothing")
    elif kind != "missing":
        path.write_bytes({"garbage": b"garbage" * 99, "truncated": whole[:-60], "empty": b""}[kind])
    with pytest.raises(ModelError) as caught:
        read_checkpoint(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_flipped_bytes_never_end_in_a_traceback(checkpoint: Path, tmp_path: Path) -> None:
    """A damaged disk or download would crash the panel."""
    whole, path = checkpoint.read_bytes(), tmp_path / "x.pth"
    refused = 0
    for seed in range(300):
        dice = np.random.default_rng(seed)
        damaged = bytearray(whole)
        for place in dice.integers(len(whole), size=dice.choice([1, 3, 30])):
            damaged[place] = dice.integers(256)
        path.write_bytes(damaged)
        try:
            read_checkpoint(path)
        except ModelError:
            refused += 1
    assert refused > 50


def test_a_file_that_was_packed_again_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    """PyTorch takes the compressed bytes for numbers: labels would be wrong without a word."""
    path = tmp_path / "packed.pth"
    with (
        zipfile.ZipFile(checkpoint) as old,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    with pytest.raises(ModelError, match="packed again by another program"):
        read_checkpoint(path)


def test_a_file_that_would_fill_the_memory_is_refused(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists of numbers take many times their size in the file."""
    with zipfile.ZipFile(checkpoint) as archive:
        described = sum(e.file_size for e in archive.infolist() if e.filename.endswith("data.pkl"))
    monkeypatch.setattr(checkpoints, "_MOST_PICKLED", described)
    read_checkpoint(checkpoint)
    monkeypatch.setattr(checkpoints, "_MOST_PICKLED", described - 1)
    with pytest.raises(ModelError, match="could fill the memory"):
        read_checkpoint(checkpoint)
