"""Small labelled cases of known truth, and training sets of them on a disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

SIZE = (20, 22, 18)
SPACING = (1.0, 1.2, 1.5)
DESCRIPTION = {
    "name": "Two Blocks",
    "description": "A bright and a dark block",
    "licence": "CC0-1.0",
    "reference": "Made up",
}
LABELS = {"background": 0, "Bright": 1, "Dark": 2}


def block_case(seed: int) -> tuple[sitk.Image, sitk.Image]:
    """Return noise with a bright block (label 1) and a dark block (label 2), and the labels.

    Sizes and places differ a little from seed to seed.
    """
    random = np.random.default_rng(seed)
    array = random.normal(100.0, 5.0, SIZE[::-1])
    # Every scan has a pattern of its own, as every head has.
    array += 400.0 * ndimage.gaussian_filter(random.normal(size=array.shape), 3.0)
    labels = np.zeros(array.shape, dtype=np.uint8)
    i, j, k = 3 + seed % 3, 3 + seed // 3 % 3, 4
    labels[k : k + 6, j : j + 6, i : i + 6 + seed % 2] = 1
    labels[k + 6 : k + 10, j : j + 6, i : i + 6] = 2
    array[labels == 1] += 300.0
    array[labels == 2] -= 80.0
    image = sitk.GetImageFromArray(array.astype(np.int16))
    image.SetSpacing(SPACING)
    image.SetOrigin((-12.5, 30.25, 101.0))
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    drawn = sitk.GetImageFromArray(labels)
    drawn.CopyInformation(image)
    return image, drawn


def write(path: Path, image: sitk.Image) -> Path:
    """Write an image, with the folders that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return path


def write_json(path: Path, fields: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(fields), encoding="utf-8")


def unseen(folder: Path, seed: int = 40) -> tuple[Path, np.ndarray]:
    """Write a scan that no training set here has; return it with its labels, axes (k, j, i)."""
    image, labels = block_case(seed)
    return write(folder / "unseen.nii.gz", image), sitk.GetArrayFromImage(labels)


def pairs(folder: Path, count: int) -> Path:
    """Write ``case_00`` and so on as a folder of pairs with a description."""
    for seed in range(count):
        image, labels = block_case(seed)
        write(folder / f"images/case_{seed:02d}.nii.gz", image)
        write(folder / f"labels/case_{seed:02d}.nii.gz", labels)
    described = {**DESCRIPTION, "labels": LABELS, "channel_names": {"0": "T1"}}
    write_json(folder / "dataset.json", described)
    return folder


def decathlon(folder: Path, count: int) -> Path:
    """Write a folder as the Medical Segmentation Decathlon does."""
    names = [f"blocks_{seed:03d}.nii.gz" for seed in range(count)]
    for seed, name in enumerate(names):
        image, labels = block_case(seed)
        write(folder / "imagesTr" / name, image)
        write(folder / "labelsTr" / name, labels)
    fields = {
        **DESCRIPTION,
        "modality": {"0": "MRI"},
        "labels": {"0": "background", "1": "Bright", "2": "Dark"},
        "training": [
            {"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"} for name in names
        ],
        "test": [],
    }
    write_json(folder / "dataset.json", fields)
    return folder


def nnunet(folder: Path, count: int) -> Path:
    """Write a folder as nnU-Net v2 does, with two channels: the second is twice the first."""
    for seed in range(count):
        image, labels = block_case(seed)
        write(folder / f"imagesTr/blocks_{seed:03d}_0000.nii.gz", image)
        write(folder / f"imagesTr/blocks_{seed:03d}_0001.nii.gz", image * 2)
        write(folder / f"labelsTr/blocks_{seed:03d}.nii.gz", labels)
    fields = {
        **DESCRIPTION,
        "channel_names": {"0": "T1", "1": "FLAIR"},
        "labels": LABELS,
        "numTraining": count,
        "file_ending": ".nii.gz",
    }
    write_json(folder / "dataset.json", fields)
    return folder


def change(path: Path, **fields: Any) -> None:
    """Change entries of a JSON file."""
    write_json(path, {**json.loads(path.read_text(encoding="utf-8")), **fields})
