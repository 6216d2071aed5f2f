"""MONAI bundles give the answer of ``monai.bundle``'s own workflow, from file to labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch
import yaml
from monai.bundle import ConfigParser, ConfigWorkflow
from torch.nn import functional

from MedAssistLib.case import Scan
from MedAssistLib.errors import ModelError
from MedAssistLib.models.formats import describe, load_tiled
from MedAssistLib.segment.engine import TiledOptions, run_tiled
from Testing import auto3dseg_models as scans
from Testing import monai_bundles as made
from Testing.conftest import dice

UNET = {
    "_target_": "UNet",
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 3,
    "channels": [4, 8, 8],
    "strides": [2, 2],
    "num_res_units": 1,
    "norm": "batch",
}
SINGLE = {**made.SEGRESNET, "out_channels": 1}
KEYS = made.KEYS
MEAN = {"_target_": "NormalizeIntensityd", **KEYS, "nonzero": True}
MIN_MAX = {"_target_": "ScaleIntensityd", **KEYS, "minv": -1.0, "maxv": 1.0}
CROP = {"_target_": "CropForegroundd", **KEYS, "source_key": "@image_key"}
TYPED = {"_target_": "EnsureTyped", **KEYS}
SIGMOID = {"_target_": "Activationsd", "keys": "pred", "sigmoid": True}
HALF = {"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.5}
NEAREST = {**made.INVERT, "nearest_interp": True}
GAUSSIAN = {
    "_target_": "SlidingWindowInferer",
    "roi_size": [24, 28, 20],
    "overlap": 0.625,
    "padding_mode": "replicate",
    "mode": "gaussian",
}


@dataclass(frozen=True)
class Case:
    """A bundle and the scan that it is given."""

    network: Mapping[str, Any] = field(default_factory=lambda: made.SEGRESNET)
    changes: Mapping[str, Any] = field(default_factory=dict)
    size: tuple[int, int, int] = (46, 50, 26)
    spacing: tuple[float, float, float] = (0.7, 0.7, 1.7)


CASES = {
    "as the spleen bundle": Case(network=UNET),
    "SegResNet": Case(),
    "as the whole body bundle": Case(
        size=(20, 50, 16),
        changes={
            "preprocessing": made.chain(made.ORIENT, made.SPACE, MEAN, MIN_MAX),
            "inferer": GAUSSIAN,
            "postprocessing": made.after(made.SOFTMAX, made.ARGMAX, NEAREST),
        },
    ),
    "cropped": Case(
        changes={"preprocessing": made.chain(TYPED, made.RANGE, CROP, made.ORIENT, made.SPACE)}
    ),
    "without resampling": Case(
        spacing=(1.1, 1.0, 1.2), changes={"preprocessing": made.chain(TYPED, made.RANGE)}
    ),
    "one output": Case(
        network=SINGLE, changes={"postprocessing": made.after(SIGMOID, made.INVERT, HALF)}
    ),
}


@lru_cache(maxsize=4)
def trained(kind: str, outputs: int, *, mean: bool) -> dict[str, torch.Tensor]:
    """Return the weights of a network, fitted until it finds the balls."""
    plain = UNET if kind == "UNet" else made.SEGRESNET
    definition = {**plain, "in_channels": 1, "out_channels": outputs}
    torch.manual_seed(0)
    network = ConfigParser(definition).get_parsed_content().train()
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-2)
    for step in range(60):
        values, labels = scans.balls((24, 24, 20), (1.1, 1.0, 1.2), 200 + step)
        scaled = ((values + 200) / 1100).clip(0, 1)
        if mean:
            scaled = 2 * (values - values.min()) / np.ptp(values) - 1
        scores = network(torch.from_numpy(scaled.astype(np.float32))[None, None])
        wanted = torch.from_numpy(labels).long()[None]
        if outputs == 1:
            loss = functional.binary_cross_entropy_with_logits(scores[:, 0], (wanted > 0).float())
        else:
            loss = functional.cross_entropy(scores, wanted, torch.tensor([0.2, 1.0, 1.0]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return dict(network.state_dict())


@pytest.mark.parametrize("name", CASES)
def test_labels_are_those_of_the_bundles_own_workflow(name: str, tmp_path: Path) -> None:
    """A user who moves from MONAI would get other structures."""
    case = CASES[name]
    outputs = case.network["out_channels"]
    config = made.inference(network_def=case.network, **case.changes)
    about = made.metadata(outputs=outputs)
    if outputs == 1:
        about["network_data_format"]["outputs"]["pred"]["channel_def"] = {"0": "liver"}
    mean = name == "as the whole body bundle"
    state = trained(case.network["_target_"], outputs, mean=mean)
    folder = made.write(tmp_path / "belly", config, about, state)
    values, _ = scans.balls(case.size, case.spacing, 5)
    path = tmp_path / "scan.nii.gz"
    # Stored as LPS, so that it must be turned.
    sitk.WriteImage(scans.image(values, case.spacing, (1, 0, 0, 0, 1, 0, 0, 0, 1)), path)
    expected = monai(folder, path)
    given = [Scan(image=sitk.ReadImage(path))]
    labels = run_tiled(given, load_tiled(describe(folder)), TiledOptions(backend="torch")).labels
    present = range(1, max(outputs, 2))
    assert min(np.count_nonzero(expected == label) for label in present) > 50
    same = (labels == expected).mean()
    scores = [dice(labels == label, expected == label) for label in present]
    print(name, same, scores)
    assert same >= 0.9999
    assert min(scores) >= 0.999


def monai(folder: Path, scan: Path) -> np.ndarray:
    """Return the labels, axes (k, j, i), that the bundle writes when MONAI runs it."""
    output = folder / "eval"
    workflow = ConfigWorkflow(
        config_file=str(folder / "configs" / "inference.json"),
        meta_file=str(folder / "configs" / "metadata.json"),
        workflow_type="infer",
        logging_file=False,
        bundle_root=str(folder),
        files=[str(scan)],
    )
    workflow.initialize()
    workflow.run()
    workflow.finalize()
    (written,) = output.glob("*.nii.gz")
    return sitk.GetArrayFromImage(sitk.ReadImage(written)).astype(np.uint8)


def test_a_yaml_bomb_is_refused_in_no_time(tmp_path: Path) -> None:
    """A file of a kilobyte would freeze the computer."""
    folder = made.write(tmp_path / "m")
    (folder / "configs" / "inference.json").unlink()
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    (folder / "configs" / "inference.yaml").write_text("\n".join([*lines, "preprocessing: *a11"]))
    with pytest.raises(ModelError, match="too many"):
        describe(folder)


def test_yaml_is_read_as_json_is(tmp_path: Path) -> None:
    """Half of the bundles there are could not be used."""
    folder = made.write(tmp_path / "m")
    expected = load_tiled(describe(folder)).plan
    config = json.loads((folder / "configs" / "inference.json").read_text())
    (folder / "configs" / "inference.json").unlink()
    (folder / "configs" / "inference.yaml").write_text(yaml.safe_dump(config))
    assert load_tiled(describe(folder)).plan == expected
