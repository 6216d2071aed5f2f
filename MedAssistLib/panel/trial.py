"""A made-up volume and a tiny model that finds what is bright in it, for trying the panel.

The model is a real one of two stages with weights written by hand: it goes through the same
loading, tiling and placing as any other, and its answer is known to the voxel.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from MedAssistLib.files import sha256, write_text
from MedAssistLib.models.card import CARD_NAME
from MedAssistLib.worker.client import interpreter, worker_environment

_CLASS = "dynamic_network_architectures.architectures.unet.PlainConvUNet"
_THRESHOLD = 200.0
_ARGUMENTS = {
    "n_stages": 2,
    "features_per_stage": [2, 2],
    "conv_op": "torch.nn.modules.conv.Conv3d",
    "kernel_sizes": [[3, 3, 3], [3, 3, 3]],
    "strides": [[1, 1, 1], [2, 2, 2]],
    "n_conv_per_stage": [1, 1],
    "n_conv_per_stage_decoder": [1],
    "conv_bias": True,
    "norm_op": None,
    "norm_op_kwargs": None,
    "dropout_op": None,
    "dropout_op_kwargs": None,
    "nonlin": "torch.nn.LeakyReLU",
    "nonlin_kwargs": {"inplace": True},
}


def bright_box(size: int = 40) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.bool_]]:
    """Return noise around 100 with a box of 300 in it, and where the box is; axes (k, j, i)."""
    shape = (size, size + 4, size + 8)
    values = np.random.default_rng(5).normal(100.0, 8.0, shape).astype(np.int16)
    box = np.zeros(shape, dtype=bool)
    box[size // 4 : size // 2, size // 3 : size // 2, size // 5 : size // 2] = True
    values[box] += 200
    return values, box


def install_bright_models(folder: Path) -> None:
    """Install the tiny models ``bright`` and ``slow``, in a process of its own.

    So PyTorch is not loaded into Slicer, which could then not replace it.

    Args:
        folder: Where to make them; where they are installed, ``MEDASSIST_MODELS`` says.

    Raises:
        CalledProcessError: If PyTorch is missing.
    """
    subprocess.run(  # noqa: S603
        [interpreter(), "-m", __name__, str(folder)], env=worker_environment({}), check=True
    )


def write_bright_model(folder: Path, *, modality: str = "MR", patch: int = 32) -> Path:
    """Write the folder of a model that finds values above 200; needs PyTorch.

    Args:
        folder: Where to; made if it is not there.
        modality: DICOM modality that it is for.
        patch: Voxels of a patch along each axis; smaller ones take longer.

    Raises:
        ResourceError: If it cannot be written.
    """
    import torch

    from MedAssistLib.models.networks import build_network

    folder.mkdir(parents=True, exist_ok=True)
    network = build_network(_CLASS, _ARGUMENTS, inputs=1, outputs=2)
    weights = {name: torch.zeros(value.shape) for name, value in network.state_dict().items()}
    for name, value in weights.items():
        if name.endswith("weight") and "encoder.stages.0.0." in name:
            value[0, 0, 1, 1, 1] = 1.0  # the scan itself
        elif name.endswith("weight") and name.startswith("decoder.stages.0."):
            value[0, 2, 1, 1, 1] = 1.0  # past the lower stage, which gives the first two
    weights["decoder.seg_layers.0.weight"][1, 0] = 1.0
    weights["decoder.seg_layers.0.bias"][1] = -_THRESHOLD
    path = folder / "weights.pt"
    torch.save(weights, path)
    card = _card(path, modality, patch)
    write_text(folder / CARD_NAME, json.dumps(card, indent=1))
    return folder


def _card(path: Path, modality: str, patch: int) -> dict[str, object]:
    code = {"value": "123037004", "scheme": "SCT", "meaning": "Anatomical Structure"}
    return {
        "name": "bright",
        "title": "What is bright, for trying the panel",
        "version": "1",
        "format": "state-dict",
        "licence": "Apache-2.0",
        "source": "MedAssist",
        "intended_use": "Trying the panel. Not for images of patients.",
        "training_data": "none",
        "accuracy": "none",
        "modality": modality,
        "channels": [modality],
        "orientation": "RAS",
        "segments": [
            {
                "label": 1,
                "name": "Bright",
                "colour": [240, 180, 40],
                "category": code,
                "type": {"value": "85756007", "scheme": "SCT", "meaning": "Tissue"},
            }
        ],
        "weights": {
            "files": {
                "fold 0": {"path": path.name, "sha256": sha256(path), "size": path.stat().st_size}
            }
        },
        "architecture": {
            "network_class_name": _CLASS,
            "arch_kwargs": _ARGUMENTS,
            "plan": {"patch": [patch] * 3, "outputs": 2},
        },
        "intensity": {"channels": [{"scheme": "none"}]},
    }


def _install(folder: Path) -> None:
    from MedAssistLib.models.install import add
    from MedAssistLib.progress import Progress

    add([write_bright_model(folder / "bright")], Progress())
    add([write_bright_model(folder / "slow", patch=8)], Progress(), name="slow")


if __name__ == "__main__":
    _install(Path(sys.argv[1]))
