"""Our SegResNets are MONAI's: same weights, same answers; and our patches lie as MONAI's do."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.data.utils import compute_importance_map, dense_patch_slices
from monai.inferers.utils import _get_scan_interval
from monai.networks.nets import SegResNet, SegResNetDS

from MedAssistLib.models.networks import build_network, load_weights
from MedAssistLib.models.plan import Blend
from MedAssistLib.segment.engine.tiles import starts_by_step, tile_weights

SUPERVISED: list[dict[str, Any]] = [
    {},
    {"norm": "INSTANCE_NVFUSER", "blocks_down": [1, 2, 2, 1], "dsdepth": 4, "init_filters": 8},
    {"norm": "INSTANCE", "resolution": [1, 1, 5], "blocks_down": [1, 1, 1, 1], "dsdepth": 2},
    {"norm": ["GROUP", {"num_groups": 4}], "upsample_mode": "nontrainable", "act": "leakyrelu"},
    {"norm": "instance", "blocks_down": [2]},
    {"resolution": [0.5, 3, 1], "blocks_down": [1, 1], "blocks_up": [2]},
    {"resolution": [0.4, 5, 1], "blocks_down": [1] * 5, "act": ["PRELU", {"init": 0.1}]},
]
FIRST: list[dict[str, Any]] = [
    {},
    {"init_filters": 16, "dropout_prob": 0.2, "norm": "batch"},
    {"upsample_mode": "deconv", "act": "prelu", "norm": ["instance", {"affine": True}]},
    {"norm": "instance", "blocks_down": [1, 1], "blocks_up": [2]},
]


@pytest.mark.parametrize(
    ("kind", "settings"),
    [(SegResNetDS, case) for case in SUPERVISED] + [(SegResNet, case) for case in FIRST],
)
def test_a_segresnet_has_monais_keys_and_answers(
    kind: type[torch.nn.Module], settings: dict[str, Any]
) -> None:
    """Weights would be refused, or give other structures."""
    plain = {"spatial_dims": 3, "in_channels": 2, "out_channels": 3}
    torch.manual_seed(0)
    theirs = kind(**plain, **settings).eval()
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
    built = build_network(kind.__name__, {**plain, **settings}, inputs=2, outputs=3)
    assert {key: value.shape for key, value in built.state_dict().items()} == {
        key: value.shape for key, value in theirs.state_dict().items()
    }
    ours = load_weights(built, theirs.state_dict(), "cpu")
    patch = torch.randn(1, 2, 32, 32, 16)
    with torch.inference_mode():
        torch.testing.assert_close(ours(patch), theirs(patch), rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [40, 41, 64, 96, 97, 200, 511])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.625, 0.7, 0.99])
def test_patches_lie_where_monais_do(size: int, overlap: float) -> None:
    """Structures at the border of two patches would be cut in another way."""
    interval = _get_scan_interval((size,), (40,), 1, (overlap,))
    expected = [place[0].start for place in dense_patch_slices((size,), (40,), interval)]
    assert starts_by_step(size, 40, 1 - overlap) == expected


@pytest.mark.parametrize("patch", [(32, 48, 40), (7, 64, 33), (96, 96, 96)])
@pytest.mark.parametrize("blend", [Blend.MONAI, Blend.CONSTANT])
def test_patches_are_weighted_as_monais_are(patch: tuple[int, ...], blend: Blend) -> None:
    """Where patches disagree, another one would win."""
    mode = "gaussian" if blend is Blend.MONAI else "constant"
    expected = compute_importance_map(patch, mode=mode)
    torch.testing.assert_close(tile_weights(patch, blend), expected, rtol=1e-5, atol=0)
