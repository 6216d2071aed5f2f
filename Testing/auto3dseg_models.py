"""Tiny models as MONAI Auto3DSeg writes them, and the scans that go with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from scipy import ndimage
from torch import nn

from MedAssistLib.models.networks import build_network
from Testing.phantoms import two_kinds_of_balls

NETWORK: dict[str, Any] = {
    "_target_": "SegResNetDS",
    "init_filters": 4,
    "blocks_down": [1, 1, 1],
    "norm": "INSTANCE_NVFUSER",
    "in_channels": 1,
    "out_channels": 3,
    "dsdepth": 2,
}
SEQUENCES = (
    "SegmentedPropertyCategoryCodeSequence",
    "SegmentedPropertyTypeCodeSequence",
    "SegmentedPropertyTypeModifierCodeSequence",
    "AnatomicRegionSequence",
    "AnatomicRegionModifierSequence",
)
COLUMNS = ["LabelValue", "Name"] + [
    f"{sequence}.{part}"
    for sequence in SEQUENCES
    for part in ("CodingSchemeDesignator", "CodeValue", "CodeMeaning")
]
STRUCTURE = "SCT,123037004,Anatomical Structure"
ALTERED = "SCT,49755003,Morphologically Altered Structure"
ROWS = (
    f"1,kidney_left,{STRUCTURE},SCT,64033007,Kidney,SCT,7771000,Left",
    f'2,tumour,{ALTERED},SCT,86049000,"Neoplasm, Primary",,,,SCT,64033007,Kidney,,,',
)


def config(**changes: Any) -> dict[str, Any]:
    """Return the settings of a training on CT, as they stand in a checkpoint."""
    base = {
        "bundle_root": "segresnet_0",
        "modality": "ct",
        "normalize_mode": "range",
        "intensity_bounds": [-50.0, 850.0],
        "extra_modalities": {},
        "orientation_ras": True,
        "crop_foreground": True,
        "resample": True,
        "resample_resolution": [1.1, 1.0, 1.2],
        "roi_size": [24, 28, 20],
        "sigmoid": False,
        "class_index": None,
        "class_names": ["acc_0", "acc_1"],
        "network": NETWORK,
    }
    network = {**NETWORK, **changes.pop("network", {})}
    return {**base, **changes, "network": network}


def weights(settings: Mapping[str, Any], seed: int = 0) -> dict[str, torch.Tensor]:
    """Return weights whose answers vary with the input."""
    network = dict(settings["network"])
    built = build_network(
        network.pop("_target_"),
        network,
        inputs=network["in_channels"],
        outputs=network["out_channels"],
    ).to_empty(device="cpu")
    vary(built, seed)
    return dict(built.state_dict())


def vary(network: nn.Module, seed: int) -> None:
    """Give a network random weights that prefer no output."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                fan = parameter[0].numel()
                parameter.normal_(0.0, 2.0 * fan**-0.5, generator=generator)
                if parameter[0, 0].numel() == 1:
                    parameter.sub_(parameter.mean(0, keepdim=True))
            else:
                parameter.uniform_(0.5, 1.5, generator=generator)
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()


def write(
    folder: Path,
    settings: Mapping[str, Any] | None = None,
    network: nn.Module | None = None,
    rows: Sequence[str] | None = ROWS,
) -> Path:
    """Write a model's folder and return it.

    Args:
        folder: Where.
        settings: Those of the training.
        network: The trained network; random weights if there is none.
        rows: Of the ``labels.csv``; ``None`` to leave it out.
    """
    settings = settings or config()
    folder.mkdir(parents=True, exist_ok=True)
    state = weights(settings) if network is None else network.state_dict()
    fields = {"state_dict": state, "config": dict(settings), "epoch": 7, "best_metric": 0.875}
    torch.save(fields, folder / "model.pt")
    if rows is not None:
        (folder / "labels.csv").write_text("\n".join([",".join(COLUMNS), *rows]) + "\n", "utf-8")
    return folder


def balls(
    size: Sequence[int], spacing: Sequence[float], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return a scan (i, j, k) of two kinds of balls in a body that does not fill it, and labels.

    Args:
        size: Voxels along (i, j, k).
        spacing: mm along them.
        seed: Of where the balls are.
    """
    random = np.random.default_rng(seed)
    labels, places = two_kinds_of_balls(
        size, spacing, random, centres=(0.3, 0.7), radii=(0.13, 0.24)
    )
    values = np.choose(labels, [100.0, 400.0, 800.0])
    sigma = [0.6 / length for length in spacing]
    values = ndimage.gaussian_filter(values, sigma) + random.normal(0.0, 40.0, size)
    # Air around the body, more of it on one side.
    share = places / (np.array(size) * spacing)
    outside = (share[..., 0] < 0.08) | (share[..., 1] > 0.86) | (share[..., 2] > 0.93)
    values[outside] = random.normal(-400.0, 20.0, np.count_nonzero(outside))
    return values.astype(np.float32), labels


def image(
    values: np.ndarray, spacing: Sequence[float], direction: Sequence[float] | None = None
) -> sitk.Image:
    """Return (i, j, k) values as an image whose axes point to R, A, S, unless told otherwise."""
    made = sitk.GetImageFromArray(np.ascontiguousarray(values.transpose(2, 1, 0)))
    made.SetSpacing([float(length) for length in spacing])
    made.SetOrigin((31.5, 12.25, -40.0))
    made.SetDirection(direction or (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))
    return made
