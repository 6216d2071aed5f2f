"""Folders of TotalSegmentator's weights: tiny networks of random weights, its published names."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
import torch

from MedAssistLib.case import Scan
from MedAssistLib.models.card import ModelCard
from MedAssistLib.models.formats.totalsegmentator_tasks import Task, tasks
from MedAssistLib.segment import SegmentOptions, segment
from Testing import nnunet_models as made
from Testing import tiny_models

BACKGROUND = 0.5
TRAINER = "nnUNetTrainerNoMirroring"


def task(name: str) -> Task:
    """Return what is known of one of TotalSegmentator's tasks."""
    return next(entry for entry in tasks() if entry.name == name)


def write_part(results: Path, dataset: str, count: int, *, trainer: str = TRAINER) -> Path:
    """Write a data set's folder with a network of so many labels; return the data set's folder."""
    labels = {"background": 0} | {f"label {number}": number for number in range(1, count + 1)}
    folder = made.write_model(
        results / dataset,
        trainer=trainer,
        outputs=count + 1,
        mirror_axes=None,
        plan=made.plans(dataset_name=dataset, image_reader_writer="NibabelIO"),
        data=made.dataset(labels=labels, numTraining=1559),
    )
    path = folder / "fold_0" / "checkpoint_final.pth"
    checkpoint = torch.load(path, weights_only=False)
    checkpoint["network_weights"] = weights_of(dataset, count + 1)
    torch.save(checkpoint, path)
    return results / dataset


def weights_of(dataset: str, outputs: int) -> dict[str, torch.Tensor]:
    """Return weights of a data set's own that find several structures and leave much free."""
    seed = zlib.crc32(dataset.encode())
    weights = made.random_weights(made.UNET, made.arguments(3), 1, outputs, seed)
    for name in [name for name in weights if "seg_layers" in name and name.endswith("bias")]:
        weights[name].zero_()
        weights[name][0] = BACKGROUND
    return weights


def write_task(results: Path, name: str) -> list[Path]:
    """Write the folders of all data sets of a task and return them."""
    return [
        write_part(results, part.dataset, part.last - part.first + 1) for part in task(name).parts
    ]


def zipped(folder: Path, path: Path) -> Path:
    """Pack a data set's folder as it is published."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*"):
            archive.write(file, file.relative_to(folder.parent))
    return path


def ct() -> Scan:
    """Return blobs that are small enough for many networks, one after the other."""
    return tiny_models.blobs((12, 20, 16), sigma=3.0, height=2000.0, seed=5)


def values(scan: Scan, card: ModelCard, **options: Any) -> npt.NDArray[np.integer]:
    """Return the labels that a model gives a scan, axes (k, j, i)."""
    return sitk.GetArrayFromImage(segment(scan, card, SegmentOptions(**options)).labels)
