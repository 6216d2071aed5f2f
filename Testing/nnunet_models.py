"""Tiny nnU-Net model folders of random weights, written as nnU-Net writes them."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from MedAssistLib.models.networks import build_network

FULLRES, LOWRES, CASCADE, FLAT = "3d_fullres", "3d_lowres", "3d_cascade_fullres", "2d"
UNET = "dynamic_network_architectures.architectures.unet.PlainConvUNet"
RESIDUAL = "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet"


def arguments(dimensions: int, **changes: Any) -> dict[str, Any]:
    """Return arguments of a plain network of three stages, the second anisotropic."""
    base = {
        "n_stages": 3,
        "features_per_stage": [4, 6, 8],
        "conv_op": f"torch.nn.modules.conv.Conv{dimensions}d",
        "kernel_sizes": [[1] + [3] * (dimensions - 1), [3] * dimensions, [3] * dimensions],
        "strides": [[1] * dimensions, [1] + [2] * (dimensions - 1), [2] * dimensions],
        "n_conv_per_stage": [2, 1, 2],
        "n_conv_per_stage_decoder": [2, 1],
        "conv_bias": True,
        "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimensions}d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    return {**base, **changes}


def architecture(dimensions: int, **changes: Any) -> dict[str, Any]:
    """Return how the plans describe that network, with some arguments changed."""
    return {
        "network_class_name": UNET,
        "arch_kwargs": arguments(dimensions, **changes),
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def configuration(dimensions: int = 3, **changes: Any) -> dict[str, Any]:
    """Return a configuration of the plans."""
    splines = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    base = {
        "data_identifier": "nnUNetPlans",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": [8, 16, 16][-dimensions:],
        "median_image_size_in_voxels": [20.0, 40.0, 40.0][-dimensions:],
        "spacing": [3.0, 1.5, 1.25][-dimensions:],
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": splines,
        "resampling_fn_seg_kwargs": {**splines, "is_seg": True, "order": 1},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": {**splines, "order": 1},
        "architecture": architecture(dimensions),
        "batch_dice": False,
    }
    return {**base, **changes}


def plans(**changes: Any) -> dict[str, Any]:
    """Return the plans of a data set with all four configurations."""
    intensities = {
        "max": 1000.0,
        "mean": 80.0,
        "median": 75.0,
        "min": -500.0,
        "percentile_00_5": -200.0,
        "percentile_99_5": 400.0,
        "std": 120.0,
    }
    low = configuration(spacing=[6.0, 3.0, 2.5], previous_stage=None, next_stage=CASCADE)
    base = {
        "dataset_name": "Dataset007_Belly",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [3.0, 1.5, 1.25],
        "original_median_shape_after_transp": [20, 40, 40],
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {
            FLAT: configuration(2),
            FULLRES: configuration(),
            LOWRES: low,
            CASCADE: {"inherits_from": FULLRES, "previous_stage": LOWRES},
        },
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": intensities, "1": intensities},
    }
    return {**base, **changes}


def dataset(**changes: Any) -> dict[str, Any]:
    """Return a ``dataset.json``."""
    base = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "liver": 1, "kidney_left": 2},
        "numTraining": 12,
        "file_ending": ".nii.gz",
    }
    return {**base, **changes}


def random_weights(
    name: str, settings: Mapping[str, Any], inputs: int, outputs: int, seed: int
) -> dict[str, torch.Tensor]:
    """Return weights whose answers vary with the input; duplicate keys share their memory."""
    network = build_network(name, settings, inputs=inputs, outputs=outputs).to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            fan = max(1, parameter[0].numel()) if parameter.ndim > 1 else 4
            parameter.normal_(0.0, fan**-0.5, generator=generator)
        for buffer_name, buffer in network.named_buffers():
            buffer.fill_(0 if buffer_name.endswith(("mean", "tracked")) else 1)
    return dict(network.state_dict())


def write_model(  # noqa: PLR0913
    parent: Path,
    *,
    name: str = FULLRES,
    trainer: str = "nnUNetTrainer",
    folds: Sequence[int | str] = (0,),
    inputs: int = 1,
    outputs: int = 3,
    mirror_axes: tuple[int, ...] | None = (0, 1, 2),
    plan: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    network: tuple[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Write the folder of one trained configuration and return it.

    Args:
        parent: The data set's folder.
        name: The configuration.
        trainer: The trainer.
        folds: The folds.
        inputs: Channels of the network, those of the previous stage included.
        outputs: Channels of its answer.
        mirror_axes: What the checkpoint says of mirroring.
        plan: The plans.
        data: The ``dataset.json``.
        network: Class name and arguments, if they are not the plain ones.
    """
    plan, data = plan or plans(), data or dataset()
    folder = parent / f"{trainer}__nnUNetPlans__{name}"
    folder.mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(plan))
    (folder / "dataset.json").write_text(json.dumps(data))
    kind, settings = network or (UNET, arguments(2 if name == FLAT else 3))
    for fold in folds:
        seed = 100 + (fold if isinstance(fold, int) else 9)
        checkpoint = {
            "network_weights": random_weights(kind, settings, inputs, outputs, seed),
            "optimizer_state": {"state": {}, "param_groups": [{"lr": 0.01, "params": [0]}]},
            "grad_scaler_state": None,
            "logging": {"mean_fg_dice": [np.float64(0.5)], "lrs": [0.01]},
            "_best_ema": np.float64(0.5),
            "current_epoch": 5,
            "init_args": {
                "plans": copy.deepcopy(dict(plan)),
                "configuration": name,
                "fold": fold,
                "dataset_json": dict(data),
                "device": torch.device("cuda"),
            },
            "trainer_name": trainer,
            "inference_allowed_mirroring_axes": mirror_axes,
        }
        (folder / f"fold_{fold}").mkdir()
        torch.save(checkpoint, folder / f"fold_{fold}" / "checkpoint_final.pth")
    return folder
