"""Tiny MONAI bundles, written as the MONAI Model Zoo's are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from MedAssistLib.models.networks import build_network
from Testing.auto3dseg_models import vary

SEGRESNET: dict[str, Any] = {
    "_target_": "SegResNet",
    "spatial_dims": 3,
    "in_channels": "@channels",
    "out_channels": 3,
    "init_filters": 4,
    "norm": ["instance", {"affine": True}],
    "blocks_down": [1, 1, 1],
    "blocks_up": [1, 1],
}
KEYS: dict[str, Any] = {"keys": "@image_key"}
ORIENT: dict[str, Any] = {"_target_": "Orientationd", **KEYS, "axcodes": "RAS"}
SPACE: dict[str, Any] = {
    "_target_": "Spacingd",
    **KEYS,
    "pixdim": [1.1, 1.0, 1.2],
    "mode": "bilinear",
}
RANGE: dict[str, Any] = {
    "_target_": "ScaleIntensityRanged",
    **KEYS,
    "a_min": -200,
    "a_max": 900,
    "b_min": 0.0,
    "b_max": 1.0,
    "clip": True,
}
SOFTMAX: dict[str, Any] = {"_target_": "Activationsd", "keys": "pred", "softmax": True}
INVERT: dict[str, Any] = {
    "_target_": "Invertd",
    "keys": "pred",
    "transform": "@preprocessing",
    "orig_keys": "@image_key",
    "nearest_interp": False,
    "to_tensor": True,
}
ARGMAX: dict[str, Any] = {"_target_": "AsDiscreted", "keys": "pred", "argmax": True}
SAVE: dict[str, Any] = {
    "_target_": "SaveImaged",
    "keys": "pred",
    "output_dir": "@output_dir",
    "output_postfix": "seg",
    "separate_folder": False,
    "resample": False,
    "print_log": False,
}


def chain(*transforms: Mapping[str, Any]) -> dict[str, Any]:
    """Return a chain that reads an image first."""
    first = [{"_target_": "LoadImaged", **KEYS}, {"_target_": "EnsureChannelFirstd", **KEYS}]
    return {"_target_": "Compose", "transforms": [*first, *transforms]}


def after(*transforms: Mapping[str, Any]) -> dict[str, Any]:
    """Return a chain that ends by writing the answer."""
    return {"_target_": "Compose", "transforms": [*transforms, SAVE]}


def inference(**changes: Any) -> dict[str, Any]:
    """Return an ``inference.json``, with the programs that such a file has."""
    base = {
        "imports": ["$import os", "$import torch"],
        "bundle_root": ".",
        "image_key": "image",
        "channels": 1,
        "files": [],
        "output_dir": "$@bundle_root + '/eval'",
        "device": "$torch.device('cpu')",
        "network_def": SEGRESNET,
        "network": "$@network_def.to(@device)",
        "preprocessing": chain(ORIENT, SPACE, RANGE, {"_target_": "EnsureTyped", **KEYS}),
        "dataset": {
            "_target_": "Dataset",
            "data": "$[{@image_key: name} for name in @files]",
            "transform": "@preprocessing",
        },
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": [24, 28, 20],
            "sw_batch_size": 2,
            "overlap": 0.5,
        },
        "postprocessing": after(SOFTMAX, INVERT, ARGMAX),
        "answer": "$lambda image: @inferer(image[None], @network)[0]",
        "initialize": [
            "$torch.set_grad_enabled(False)",
            "$@network.load_state_dict(torch.load(@bundle_root + '/models/model.pt'))",
            "$@network.eval()",
        ],
        "run": ["$[@postprocessing({**x, 'pred': @answer(x['image'])}) for x in @dataset]"],
        "finalize": ["$torch.set_grad_enabled(True)"],
    }
    return {**base, **changes}


def metadata(channels: int = 1, outputs: int = 3, **changes: Any) -> dict[str, Any]:
    """Return a ``metadata.json``."""
    names = {0: "background", 1: "liver", 2: "kidney_left"}
    base = {
        "version": "0.2.1",
        "monai_version": "1.5.0",
        "pytorch_version": "2.8.0",
        "numpy_version": "1.26.4",
        "required_packages_version": {},
        "changelog": {"0.2.1": "tiny"},
        "name": "Belly",
        "task": "Segmentation of the belly",
        "description": "Liver and left kidney",
        "authors": "A. Author",
        "copyright": "Copyright (c) A. Author",
        "data_source": "Task99_Belly",
        "intended_use": "Tests only",
        "eval_metrics": {"mean_dice": 0.91},
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": "hounsfield",
                    "modality": "CT",
                    "num_channels": channels,
                    "spatial_shape": [24, 28, 20],
                    "dtype": "float32",
                    "value_range": [0, 1],
                    "is_patch_data": True,
                    "channel_def": {str(n): f"image {n}" for n in range(channels)},
                }
            },
            "outputs": {
                "pred": {
                    "type": "image",
                    "format": "segmentation",
                    "num_channels": outputs,
                    "spatial_shape": [24, 28, 20],
                    "dtype": "float32",
                    "value_range": [0, 1],
                    "is_patch_data": True,
                    "channel_def": {str(n): names[n] for n in range(outputs)},
                }
            },
        },
    }
    return {**base, **changes}


def weights(definition: Mapping[str, Any], channels: int = 1) -> dict[str, torch.Tensor]:
    """Return weights of a SegResNet whose answers vary with the input."""
    settings = {key: value for key, value in definition.items() if key != "_target_"}
    settings["in_channels"] = channels
    outputs = settings["out_channels"]
    network = build_network(definition["_target_"], settings, inputs=channels, outputs=outputs)
    network = network.to_empty(device="cpu")
    vary(network, seed=4)
    return dict(network.state_dict())


def write(
    folder: Path,
    config: Mapping[str, Any] | None = None,
    about: Mapping[str, Any] | None = None,
    state: Mapping[str, Any] | None = None,
) -> Path:
    """Write a bundle's folder and return it."""
    config = config or inference()
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs" / "inference.json").write_text(json.dumps(config, indent=1))
    (folder / "configs" / "metadata.json").write_text(json.dumps(about or metadata(), indent=1))
    (folder / "LICENSE").write_text("Do as you like.\n")
    torch.save(dict(state or weights(SEGRESNET)), folder / "models" / "model.pt")
    return folder
