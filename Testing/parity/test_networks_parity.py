"""Our networks are those of dynamic-network-architectures: same weights, same answers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

from MedAssistLib.models.networks import build_network, load_weights
from Testing.nnunet_models import UNET, arguments

NETWORKS = UNET.removesuffix("PlainConvUNet")
RESIDUAL = "dynamic_network_architectures.building_blocks.residual."
REQUIRES_IMPORT = ["conv_op", "norm_op", "dropout_op", "nonlin"]


def description(dimensions: int, **changes: Any) -> dict[str, Any]:
    """Return arguments of a small network without what tells a plain from a residual one."""
    base = arguments(dimensions)
    del base["n_conv_per_stage"]
    return {**base, **changes}


PLAIN = {"n_conv_per_stage": [2, 1, 2]}
BLOCKS = {"n_blocks_per_stage": [1, 2, 2]}
BATCH_NORM = {"norm_op": "torch.nn.modules.batchnorm.BatchNorm3d"}
CASES = {
    "plain 2d": ("PlainConvUNet", description(2, **PLAIN)),
    "plain 3d": ("PlainConvUNet", description(3, **PLAIN)),
    "plain 3d batch norm": ("PlainConvUNet", description(3, **PLAIN, **BATCH_NORM)),
    "plain 3d activation first": ("PlainConvUNet", description(3, **PLAIN, nonlin_first=True)),
    "plain 3d dropout": (
        "PlainConvUNet",
        description(
            3,
            **PLAIN,
            dropout_op="torch.nn.Dropout3d",
            dropout_op_kwargs={"p": 0.2, "inplace": True},
        ),
    ),
    "plain 3d scalars, no bias, no norm": (
        "PlainConvUNet",
        description(
            3,
            n_conv_per_stage=1,
            kernel_sizes=3,
            strides=[1, 2, [1, 2, 2]],
            features_per_stage=5,
            n_conv_per_stage_decoder=1,
            conv_bias=False,
            norm_op=None,
            nonlin="torch.nn.PReLU",
            nonlin_kwargs={},
        ),
    ),
    "residual 2d": ("ResidualEncoderUNet", description(2, **BLOCKS)),
    "residual 3d": ("ResidualEncoderUNet", description(3, **BLOCKS)),
    "residual 3d stem": ("ResidualEncoderUNet", description(3, **BLOCKS, stem_channels=7)),
    "residual 3d same features": (
        "ResidualEncoderUNet",
        description(3, **BLOCKS, features_per_stage=4),
    ),
    "residual 3d bottleneck": (
        "ResidualEncoderUNet",
        description(3, **BLOCKS, block=RESIDUAL + "BottleneckD", bottleneck_channels=[2, 3, 4]),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_weights_fit_key_for_key_and_the_answers_are_equal(case: str) -> None:
    """A user's nnU-Net weights would not load, or would segment something else."""
    name, settings = CASES[case]
    resolved = dict(settings)
    requires = list(REQUIRES_IMPORT)
    if "block" in resolved:
        requires.append("block")
    torch.manual_seed(3)
    theirs = get_network_from_plans(
        NETWORKS + name, resolved, requires, 2, 5, allow_init=False, deep_supervision=False
    ).eval()
    # Untrained normalisation has weights of one; give every weight a say.
    weights = {
        k: v + 0.1 * torch.rand_like(v) if v.is_floating_point() else v
        for k, v in theirs.state_dict().items()
    }
    theirs.load_state_dict(weights)
    weights = theirs.state_dict()
    ours = build_network(NETWORKS + name, settings, inputs=2, outputs=5)
    assert list(ours.state_dict()) == list(weights)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: v.shape for k, v in weights.items()
    }
    ours = load_weights(ours, weights, "cpu")
    patch = torch.randn(2, 2, *[8] * (2 if "2d" in settings["conv_op"].lower() else 3))
    with torch.inference_mode():
        torch.testing.assert_close(ours(patch), theirs(patch), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["PlainConvUNet", "ResidualEncoderUNet"])
def test_deep_supervision_is_the_last_of_its_answers(name: str) -> None:
    """A network trained with deep supervision would answer with a coarse head."""
    settings = description(3, **(PLAIN if name == "PlainConvUNet" else BLOCKS))
    theirs = get_network_from_plans(
        NETWORKS + name, settings, REQUIRES_IMPORT, 1, 2, deep_supervision=True
    ).eval()
    ours = load_weights(
        build_network(NETWORKS + name, {**settings, "deep_supervision": True}, inputs=1, outputs=2),
        theirs.state_dict(),
        "cpu",
    )
    patch = torch.randn(1, 1, 8, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(ours(patch), theirs(patch)[0], rtol=1e-5, atol=1e-5)
