"""What the benchmark of the engine runs on: a network fitted to the trunk CT, and scans."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "ct"
CLASSES, PATCH = 24, 64
LOW, HIGH, MEAN, DEVIATION = -900.0, 600.0, 0.0, 250.0


@dataclass(frozen=True)
class Case:
    """A scan and a network: voxels and mm of the scan (``None`` as it is), outputs, mm."""

    size: tuple[int, int, int] | None
    voxel: tuple[float, float, float] | None
    outputs: int
    spacing: float


CASES = {
    "small": Case(None, None, CLASSES + 1, 3.0),
    "full": Case((512, 512, 200), (0.7, 0.7, 1.7), CLASSES + 1, 3.0),
    "large": Case((512, 512, 400), (0.7, 0.7, 0.85), 118, 3.0),
    "large-fine": Case((512, 512, 400), (0.7, 0.7, 0.85), 118, 1.5),
}


def _architecture() -> dict[str, Any]:
    # Here, because it imports torch: a cold run's time includes that.
    from Testing.nnunet_models import architecture

    return architecture(
        3,
        n_stages=5,
        features_per_stage=[32, 64, 128, 256, 320],
        kernel_sizes=[[3, 3, 3]] * 5,
        strides=[[1, 1, 1], *[[2, 2, 2]] * 4],
        n_conv_per_stage=[2] * 5,
        n_conv_per_stage_decoder=[2] * 4,
    )


def scan_and_labels() -> tuple[sitk.Image, sitk.Image]:
    """Return the small part of the trunk CT and its 24 largest structures, labelled 1 to 24."""
    scan = sitk.ReadImage(str(DATA / "example_ct_sm.nii.gz"))
    image = sitk.ReadImage(str(DATA / "example_seg.nii.gz"))
    labels = sitk.GetArrayFromImage(image)
    order = np.argsort(np.bincount(labels.ravel())[1:])[::-1][:CLASSES] + 1
    table = np.zeros(int(labels.max()) + 1, dtype=np.uint8)
    table[order] = np.arange(1, CLASSES + 1)
    small = sitk.GetImageFromArray(table[labels])
    small.CopyInformation(image)
    return scan, small


def fit(folder: Path, steps: int) -> None:
    """Fit the network to the labelled part and write it as nnU-Net would."""
    import torch
    from torch.nn import functional

    from MedAssistLib.models.networks import build_network

    scan, labels = (sitk.GetArrayFromImage(i) for i in scan_and_labels())
    values = torch.from_numpy((np.clip(scan, LOW, HIGH).astype(np.float32) - MEAN) / DEVIATION)
    truth = torch.from_numpy(labels.astype(np.int64))
    torch.manual_seed(0)
    shape = _architecture()
    network = build_network(
        shape["network_class_name"], shape["arch_kwargs"], inputs=1, outputs=CLASSES + 1
    )
    network = network.to_empty(device="cpu")
    for module in network.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=steps)
    random = np.random.default_rng(0)
    depth = min(48, values.shape[0] // 16 * 16)
    began = time.perf_counter()
    for step in range(steps):
        ends = zip(values.shape, (depth, 48, 48), strict=True)
        starts = [(int(random.integers(0, n - d + 1)), d) for n, d in ends]
        box = tuple(slice(start, start + d) for start, d in starts)
        scores = network(values[box][None, None])
        loss = functional.cross_entropy(scores, truth[box][None])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 10 == 0:
            seconds = time.perf_counter() - began
            print(f"fit: step {step}, loss {loss.item():.3f}, {seconds:.0f} s", file=sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(dict(network.state_dict()), folder / "fitted.pt")


def widened(weights: dict[str, Any], outputs: int) -> dict[str, Any]:
    """Give the last layers more outputs: weaker copies of the fitted ones, which seldom win."""
    import torch

    result = dict(weights)
    for key, value in weights.items():
        if ".seg_layers." in key:
            more = [1 + n % CLASSES for n in range(outputs - len(value))]
            copies = value[more] * 0.9 - (1.0 if key.endswith("bias") else 0.0)
            result[key] = torch.cat([value, copies])
    return result


def write_model(folder: Path, weights: dict[str, Any], case: Case) -> None:
    """Write the folder of a trained model in nnU-Net's format."""
    import torch

    from Testing import nnunet_models

    configuration = nnunet_models.configuration(
        data_identifier="nnUNetPlans_3d_fullres",
        patch_size=[PATCH] * 3,
        median_image_size_in_voxels=[112.0, 101.0, 122.0],
        spacing=[case.spacing] * 3,
        architecture=_architecture(),
    )
    intensities = {
        "max": 1000.0, "mean": MEAN, "median": MEAN, "min": -1000.0,
        "percentile_00_5": LOW, "percentile_99_5": HIGH, "std": DEVIATION,
    }  # fmt: skip
    plans = nnunet_models.plans(
        dataset_name="Dataset900_Trunk",
        original_median_spacing_after_transp=[case.spacing] * 3,
        original_median_shape_after_transp=[112, 101, 122],
        configurations={"3d_fullres": configuration},
        foreground_intensity_properties_per_channel={"0": intensities},
    )
    labels = {"background": 0, **{f"structure_{n}": n for n in range(1, case.outputs)}}
    dataset = nnunet_models.dataset(labels=labels, numTraining=1)
    (folder / "fold_0").mkdir(parents=True, exist_ok=True)
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    checkpoint = {
        "network_weights": weights,
        "init_args": {"configuration": "3d_fullres"},
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": None,
    }
    torch.save(checkpoint, folder / "fold_0" / "checkpoint_final.pth")


def write_scan(path: Path, case: Case) -> None:
    """Write the trunk CT, resampled to the case's grid if it has one."""
    scan = sitk.ReadImage(str(DATA / "example_ct.nii.gz"))
    if case.size is not None and case.voxel is not None:
        grid = sitk.Image(case.size, sitk.sitkUInt8)
        grid.SetSpacing(case.voxel)
        grid.SetDirection(scan.GetDirection())
        extent = np.array(case.size) * case.voxel
        half = [(n - 1) / 2 for n in scan.GetSize()]
        middle = scan.TransformContinuousIndexToPhysicalPoint(half)
        turned = np.array(scan.GetDirection()).reshape(3, 3)
        grid.SetOrigin((np.array(middle) - turned @ (extent / 2)).tolist())
        spline = (sitk.Transform(), sitk.sitkBSpline, -1000.0, sitk.sitkInt16)
        scan = sitk.Resample(scan, grid, *spline)
    sitk.WriteImage(scan, str(path))
