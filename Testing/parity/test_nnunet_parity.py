"""What we read from nnU-Net's folders is what nnU-Net reads, and so are the networks' answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from MedAssistLib.models.formats import describe, load_tiled
from MedAssistLib.models.plan import TiledModel
from Testing import nnunet_models as made

REGIONS = {
    "labels": {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3, "ignore": 4},
    "regions_class_order": [1, 2, 3],
}
TWO_CHANNELS = {"channel_names": {"0": "T1", "1": "FLAIR"}}
TWO_SCHEMES = {
    "normalization_schemes": ["ZScoreNormalization", "RescaleTo01Normalization"],
    "use_mask_for_norm": [True, False],
}


def old_plans(kind: str) -> dict[str, Any]:
    """Return plans as nnU-Net before 2.2 wrote them."""
    arguments = made.arguments(3)
    old = made.configuration(
        UNet_class_name=kind,
        UNet_base_num_features=4,
        unet_max_num_features=6,
        n_conv_per_stage_encoder=[2, 1, 2],
        n_conv_per_stage_decoder=[2, 1],
        num_pool_per_axis=[1, 2, 2],
        pool_op_kernel_sizes=arguments["strides"],
        conv_kernel_sizes=arguments["kernel_sizes"],
    )
    del old["architecture"]
    return made.plans(configurations={made.FULLRES: old})


def old_network(kind: str) -> tuple[str, dict[str, Any]]:
    arguments = made.arguments(3, features_per_stage=[4, 6, 6])
    if kind == "PlainConvUNet":
        return made.UNET, arguments
    arguments["n_blocks_per_stage"] = arguments.pop("n_conv_per_stage")
    return made.RESIDUAL, arguments


CASES: dict[str, dict[str, Any]] = {
    "2d": {"name": made.FLAT, "mirror_axes": (0, 1)},
    "3d": {},
    "no mirroring": {"mirror_axes": None},
    "transposed": {"plan": made.plans(transpose_forward=[2, 0, 1], transpose_backward=[1, 2, 0])},
    "regions and ignored voxels": {"data": made.dataset(**REGIONS)},
    "ignored voxels": {
        "data": made.dataset(labels={"background": 0, "liver": 1, "spleen": 2, "ignore": 3})
    },
    "two channels": {
        "inputs": 2,
        "data": made.dataset(**TWO_CHANNELS),
        "plan": made.plans(configurations={made.FULLRES: made.configuration(**TWO_SCHEMES)}),
    },
    "old plain plans": {
        "plan": old_plans("PlainConvUNet"),
        "network": old_network("PlainConvUNet"),
    },
    "old residual plans": {
        "plan": old_plans("ResidualEncoderUNet"),
        "network": old_network("ResidualEncoderUNet"),
    },
    "batch normalisation": {
        "trainer": "nnUNetTrainerBN",
        "network": (made.UNET, made.arguments(3, norm_op="torch.nn.BatchNorm3d")),
    },
    "two folds": {"folds": (0, 3)},
}


def predictor(folder: Path) -> nnUNetPredictor:
    """Return nnU-Net's own predictor of a model folder."""
    result = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False)
    result.initialize_from_trained_model_folder(str(folder), None)
    return result


def require_same(model: TiledModel, theirs: nnUNetPredictor) -> None:
    """Compare a model with nnU-Net's, from the plans to the answers of every fold."""
    plan, settings = model.plan, theirs.configuration_manager
    labels = theirs.label_manager
    assert plan.outputs == labels.num_segmentation_heads
    assert list(plan.regions) == list(labels.regions_class_order or [])
    assert list(plan.transpose) == list(theirs.plans_manager.transpose_forward)
    assert list(plan.spacing) == list(settings.spacing)
    assert list(plan.patch) == list(settings.patch_size)
    assert plan.mirror_axes == tuple(theirs.allowed_mirroring_axes or ())
    cascade = labels.foreground_labels if settings.previous_stage_name else []
    assert list(plan.cascade) == list(cascade)
    for ours, resample in (
        (plan.data, settings.resampling_fn_data),
        (plan.scores, settings.resampling_fn_probabilities),
    ):
        keywords = resample.keywords
        assert (ours.order, ours.order_apart) == (keywords["order"], keywords["order_z"])
        assert ours.apart is keywords["force_separate_z"]
    inputs = determine_num_input_channels(theirs.plans_manager, settings, theirs.dataset_json)
    assert len(plan.normalisation) + len(plan.cascade) == inputs
    assert len(model.members) == len(theirs.list_of_parameters)
    patch = torch.randn(1, inputs, *plan.patch, generator=torch.Generator().manual_seed(1))
    for member, weights in zip(model.members, theirs.list_of_parameters, strict=True):
        theirs.network.load_state_dict(weights)
        with torch.inference_mode():
            expected = theirs.network.eval()(patch)
            torch.testing.assert_close(member("cpu")(patch), expected, rtol=1e-5, atol=1e-5)
        assert expected.std() > 1e-3


@pytest.mark.parametrize("case", CASES)
def test_a_model_is_read_as_nnunet_reads_it(case: str, tmp_path: Path) -> None:
    """The model would run with other settings, or other weights, than its author's."""
    folder = made.write_model(tmp_path / "Dataset007_Belly", **CASES[case])
    require_same(load_tiled(describe(folder)), predictor(folder))


def test_both_stages_of_a_cascade_are_nnunets(tmp_path: Path) -> None:
    """The second stage would be given other channels than it was trained with."""
    belly = tmp_path / "Dataset007_Belly"
    first = made.write_model(belly, name=made.LOWRES, folds=(0, 1))
    second = made.write_model(belly, name=made.CASCADE, inputs=3)
    model = load_tiled(describe(second))
    assert model.previous is not None
    require_same(model, predictor(second))
    require_same(model.previous, predictor(first))


@pytest.mark.parametrize(
    "labels",
    [
        {"background": 0, "a": 1, "b": 2},
        {"background": 0, "a": [1], "b": [2]},
        {"background": 0, "a": 1, "b": 2, "ignore": 3},
        {"background": 0, "a": [1, 2], "b": 2, "c": [1, 4]},
        {"background": 0, "all": [1, 2, 3], "b": 3, "ignore": 4},
    ],
)
def test_labels_are_counted_as_nnunet_counts_them(labels: dict[str, Any]) -> None:
    """Outputs would be taken for other structures."""
    from MedAssistLib.models.formats.nnunet_labels import read_labels

    order = [1, 2, 3][: len([name for name in labels if name not in ("background", "ignore")])]
    data = made.dataset(labels=labels, regions_class_order=order)
    theirs = PlansManager(made.plans()).get_label_manager(data)
    ours = read_labels(data)
    assert ours.outputs == theirs.num_segmentation_heads
    assert list(ours.foreground) == list(theirs.foreground_labels)
    assert bool(ours.regions) == theirs.has_regions
