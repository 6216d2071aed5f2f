"""Models of MONAI Auto3DSeg give the answer of MONAI's own classes, from file to labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.bundle import ConfigParser
from torch.nn import functional

from MedAssistLib.case import Scan
from MedAssistLib.models.formats import describe, load_tiled
from MedAssistLib.segment.engine import TiledOptions, run_tiled
from Testing import auto3dseg_models as made
from Testing.conftest import dice
from Testing.parity import auto3dseg_oracle as oracle

RAS = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Case:
    """A model, a scan and how its axes lie."""

    mode: str = "range"
    channels: int = 1
    sigmoid: bool = False
    size: tuple[int, int, int] = (46, 50, 26)
    spacing: tuple[float, float, float] = (0.7, 0.7, 1.7)
    changes: tuple[tuple[str, Any], ...] = ()
    direction: Sequence[float] = field(default=RAS)

    @property
    def config(self) -> dict[str, Any]:
        network = {"in_channels": self.channels}
        sigmoid = {"sigmoid": True, "class_index": [[1, 2], [1]]} if self.sigmoid else {}
        if self.sigmoid:
            network["out_channels"] = 2
        if self.mode != "range":
            sigmoid["modality"] = "mri"
        return made.config(
            normalize_mode=self.mode, network=network, **sigmoid, **dict(self.changes)
        )


OBLIQUE = (-0.96, 0.28, 0.0, -0.28, -0.96, 0.0, 0.0, 0.0, 1.0)
ANISOTROPIC = (
    ("network", {"resolution": [1.1, 1.0, 5.0]}),
    ("resample_resolution", [1.1, 1.0, 5.0]),
)
CASES = {
    "CT": Case(),
    "CT smaller than a patch": Case(size=(20, 28, 16), spacing=(1.6, 0.9, 1.2)),
    "CT of its own spacing": Case(spacing=(1.2, 0.9, 1.3)),
    "CT without resampling or cropping": Case(
        spacing=(1.1, 1.0, 1.2),
        changes=(("resample_resolution", None), ("crop_foreground", False)),
    ),
    "CT oblique": Case(direction=OBLIQUE),
    "MR": Case(mode="meanstd"),
    "MR, tanh": Case(mode="meanstdtanh"),
    "four channels, nested": Case(mode="meanstd", channels=4, sigmoid=True),
    "two channels": Case(mode="range", channels=2),
}


@lru_cache(maxsize=4)
def trained(mode: str, channels: int, sigmoid: bool) -> torch.nn.Module:
    """Return MONAI's network fitted until it finds the balls."""
    settings = Case(mode=mode, channels=channels, sigmoid=sigmoid).config["network"]
    torch.manual_seed(0)
    network = ConfigParser(dict(settings)).get_parsed_content().train()
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-2)
    for step in range(45):
        values, labels = made.balls((24, 24, 24), (1.1, 1.0, 1.2), 100 + step)
        values = values if mode == "range" else values.clip(0)
        data = torch.from_numpy(normalised(values, mode))
        given = torch.stack([data, -data, data, data][:channels])[None]
        wanted = torch.from_numpy(labels).long()[None]
        scores = network(given)[0]
        if sigmoid:
            nested = torch.stack([wanted > 0, wanted > 1], 1).float()
            loss = functional.binary_cross_entropy_with_logits(scores, nested)
        else:
            loss = functional.cross_entropy(scores, wanted, torch.tensor([0.3, 1.0, 1.0]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval()


def normalised(values: np.ndarray, mode: str) -> np.ndarray:
    standard = (values - values.mean()) / values.std()
    if mode == "range":
        return 1 / (1 + np.exp(-(values - 400) / 450))
    if mode == "pet":
        return 1 / (1 + np.exp(-(values - values.min()) / values.std()))
    if mode == "none":
        return values
    return 3 * np.tanh(standard / 3) if mode == "meanstdtanh" else standard


def scans(folder: Path, case: Case) -> list[Path]:
    """Write the channels of a scan whose air is zero for MR, as a skull-stripped one's is."""
    values, _ = made.balls(case.size, case.spacing, 5)
    if case.mode != "range":
        values = values.clip(0)
    paths = []
    for number in range(case.channels):
        channel = -values if number == 1 else values
        paths.append(folder / f"scan{number}.nii.gz")
        sitk.WriteImage(made.image(channel, case.spacing, case.direction), paths[-1])
    return paths


def ours(model: Path, paths: Sequence[Path]) -> np.ndarray:
    """Return our labels, axes (i, j, k) of the scan as it is stored."""
    given = [Scan(image=sitk.ReadImage(path)) for path in paths]
    options = TiledOptions(backend="torch")
    return run_tiled(given, load_tiled(describe(model)), options).labels.transpose(2, 1, 0)


@pytest.mark.parametrize("name", CASES)
def test_labels_are_those_of_monai(name: str, tmp_path: Path) -> None:
    """A user who moves from the extension would get other structures."""
    case = CASES[name]
    network = trained(case.mode, case.channels, case.sigmoid)
    rows = None if case.sigmoid else made.ROWS
    model = made.write(tmp_path / "model", case.config, network, rows)
    paths = scans(tmp_path, case)
    expected = oracle.answer(model / "model.pt", paths)
    labels = ours(model, paths)
    assert min(np.count_nonzero(expected == label) for label in (1, 2)) > 50
    same = (labels == expected).mean()
    scores = [dice(labels == label, expected == label) for label in (1, 2)]
    print(name, same, scores)
    assert same >= 0.9999
    assert min(scores) >= 0.999
