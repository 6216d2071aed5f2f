"""A tiny trained-model folder of nnU-Net's, fitted to a made-up task in a few seconds."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from scipy import ndimage
from torch.nn import functional

from Testing import nnunet_models
from Testing.phantoms import two_kinds_of_balls

LOW, HIGH, MEAN, DEVIATION = -900.0, 1400.0, 120.0, 260.0
_STEPS = {2: 100, 3: 60}


@dataclass(frozen=True)
class Task:
    """What the network is and sees.

    Attributes:
        dimensions: 2 or 3.
        channels: Channels of the scan.
        regions: Whether labels are nested regions (1 and 2 together, 2).
        cascade: Whether the network also sees the labels of a stage before it.
        seed: Of its weights; those above 0 are fitted a little further than those of 0.
    """

    dimensions: int = 3
    channels: int = 1
    regions: bool = False
    cascade: bool = False
    seed: int = 0


def scan(size: Sequence[int], spacing: Sequence[float], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a noisy scan (k, j, i) with balls of two kinds, and their labels."""
    random = np.random.default_rng(seed)
    labels, _ = two_kinds_of_balls(size, spacing, random, centres=(0.15, 0.85), radii=(0.16, 0.3))
    values = np.choose(labels, [0.0, 300.0, 700.0])
    sigma = [0.6 / s for s in spacing]
    values = ndimage.gaussian_filter(values, sigma) + random.normal(0.0, 40.0, size)
    return values.astype(np.float32), labels


def rough_labels(labels: np.ndarray) -> np.ndarray:
    """Return labels such as an earlier stage could have found."""
    return ndimage.maximum_filter(labels, 3)


def configuration(task: Task, **changes: Any) -> dict[str, Any]:
    """Return nnU-Net's configuration for a task."""
    n = task.dimensions
    base = nnunet_models.configuration(
        n,
        patch_size=[24, 32, 28][-n:] if n == 3 else [32, 28],
        spacing=[1.2, 1.0, 1.1][-n:],
        median_image_size_in_voxels=[40] * n,
        normalization_schemes=["CTNormalization"] * task.channels,
        use_mask_for_norm=[False] * task.channels,
        architecture=architecture(n),
    )
    if task.cascade:
        base["previous_stage"] = "3d_lowres"
    return {**base, **changes}


def architecture(dimensions: int) -> dict[str, Any]:
    """Return nnU-Net's description of a network of three stages."""
    n = dimensions
    return nnunet_models.architecture(
        n,
        features_per_stage=[8, 12, 16],
        kernel_sizes=[[3] * n] * 3,
        strides=[[1] * n, [2] * n, [2] * n],
        n_conv_per_stage=[1, 1, 1],
        n_conv_per_stage_decoder=[1, 1],
    )


def network(task: Task) -> torch.nn.Module:
    """Return the network of nnU-Net's own for a task, with random weights."""
    shape = architecture(task.dimensions)
    torch.manual_seed(task.seed)
    return get_network_from_plans(
        shape["network_class_name"],
        shape["arch_kwargs"],
        shape["_kw_requires_import"],
        task.channels + 2 * task.cascade,
        2 if task.regions else 3,
        deep_supervision=False,
    )


@lru_cache(maxsize=8)
def trained(task: Task) -> torch.nn.Module:
    """Return the network fitted until it finds the balls."""
    if task.seed:
        net = copy.deepcopy(trained(replace(task, seed=0))).train()
        steps = 8
    else:
        net = network(task)
        steps = _STEPS[task.dimensions]
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    for step in range(steps):
        values, labels = scan((24, 32, 28), (1.2, 1.0, 1.1), 1000 * task.seed + step)
        data = torch.from_numpy((values.clip(LOW, HIGH) - MEAN) / DEVIATION)
        given = torch.stack([data, -data][: task.channels])
        wanted = torch.from_numpy(labels).long()
        if task.cascade:
            rough = torch.from_numpy(rough_labels(labels))
            given = torch.cat([given, torch.stack([rough == 1, rough == 2]).float()])
        if task.dimensions == 2:
            given = given.transpose(0, 1)
        else:
            given, wanted = given[None], wanted[None]
        scores = net(given)
        if task.regions:
            nested = torch.stack([wanted > 0, wanted > 1], 1).float()
            loss = functional.binary_cross_entropy_with_logits(scores, nested)
        else:
            loss = functional.cross_entropy(scores, wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return net.eval()


def write(  # noqa: PLR0913
    parent: Path,
    task: Task,
    *,
    name: str = "",
    folds: int = 1,
    mirror: Sequence[int] = (),
    transpose: Sequence[int] = (0, 1, 2),
    **changes: Any,
) -> Path:
    """Write a trained-model folder of the configuration ``name`` and return it."""
    name = name or ("2d" if task.dimensions == 2 else "3d_fullres")
    folder = parent / f"nnUNetTrainer__nnUNetPlans__{name}"
    properties = {
        "max": 3000.0,
        "min": -1000.0,
        "median": MEAN,
        "mean": MEAN,
        "std": DEVIATION,
        "percentile_00_5": LOW,
        "percentile_99_5": HIGH,
    }
    plans = nnunet_models.plans(
        dataset_name="Dataset999_Tiny",
        original_median_spacing_after_transp=[1.2, 1.0, 1.1],
        original_median_shape_after_transp=[40, 40, 40],
        transpose_forward=list(transpose),
        transpose_backward=[int(axis) for axis in np.argsort(transpose)],
        configurations={name: configuration(task, **changes)},
        foreground_intensity_properties_per_channel={
            str(channel): properties for channel in range(task.channels)
        },
    )
    plain = {"background": 0, "soft": 1, "hard": 2}
    dataset = nnunet_models.dataset(
        channel_names={str(channel): "CT" for channel in range(task.channels)},
        labels={"background": 0, "any": [1, 2], "inner": 2} if task.regions else plain,
        numTraining=4,
    )
    if task.regions:
        dataset["regions_class_order"] = [1, 2]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plans.json").write_text(json.dumps(plans), "utf-8")
    (folder / "dataset.json").write_text(json.dumps(dataset), "utf-8")
    for fold in range(folds):
        (folder / f"fold_{fold}").mkdir(exist_ok=True)
        weights = trained(replace(task, seed=fold)).state_dict()
        checkpoint = {
            "network_weights": weights,
            "trainer_name": "nnUNetTrainer",
            "init_args": {"configuration": name},
            "inference_allowed_mirroring_axes": tuple(mirror) or None,
        }
        torch.save(checkpoint, folder / f"fold_{fold}" / "checkpoint_final.pth")
    return folder
