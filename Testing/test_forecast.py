"""How much memory a run takes is told before it begins, so that nobody waits for a crash."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib import machine
from MedAssistLib.cli import main
from MedAssistLib.errors import UsageError
from MedAssistLib.models import find
from MedAssistLib.segment.forecast import Extent, forecast
from Testing import nnunet_models, orientations


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nnunet_models.write_model(tmp_path_factory.mktemp("model"))


def extent(size: tuple[int, int, int] = (64, 48, 32)) -> Extent:
    return Extent(size=size, spacing=(0.8, 0.8, 2.0), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1))


def test_a_larger_scan_and_probabilities_need_more(model: Path) -> None:
    card = find(str(model))
    small = forecast(card, extent())
    large = forecast(card, extent((512, 512, 400)))
    # At least the scan as floating-point numbers and the labels.
    assert large.main - small.main > 512 * 512 * 400 * 5
    assert forecast(card, extent(), probabilities=True).main > small.main
    assert small.card > 0


def test_the_way_a_scan_is_stored_matters_little(model: Path) -> None:
    card = find(str(model))
    image = sitk.Image([40, 30, 20], sitk.sitkUInt8)
    image.SetSpacing((0.7, 0.9, 3.0))
    needs = {
        forecast(card, Extent.of(orientations.stored(image, order, flips))).main
        for order, flips in orientations.ALL
    }
    # The model takes scans as they are stored; only its slabs then differ a little in size.
    assert max(needs) < 1.01 * min(needs)


def test_what_is_no_volume_is_refused() -> None:
    with pytest.raises(UsageError, match="not that of a volume"):
        replace(extent(), spacing=(1.0, float("nan"), 1.0))


def test_too_little_memory_is_said_before_the_run(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(0).normal(size=(24, 32, 32)).astype(np.float32)
    sitk.WriteImage(sitk.GetImageFromArray(noise), str(tmp_path / "scan.nii.gz"))
    words = ["segment", tmp_path / "scan.nii.gz", "--model", model, "-o", tmp_path / "out.nii.gz"]
    assert main([str(word) for word in words]) == 0
    assert "GB" not in capsys.readouterr().err
    monkeypatch.setattr(machine, "free_memory", lambda: 10**8)
    assert main([str(word) for word in words]) == 0
    assert "GB of main memory without a graphics card; 0.1 GB are free" in capsys.readouterr().err


def test_the_machines_memory_is_known() -> None:
    assert 10**8 < machine.free_memory() < 10**14
