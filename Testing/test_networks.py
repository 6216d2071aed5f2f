"""Networks are built from data alone, and take only the weights that are theirs."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from MedAssistLib.errors import ModelError
from MedAssistLib.models.networks import build_network, load_weights, require_fit
from Testing.nnunet_models import RESIDUAL, UNET, arguments, random_weights


def residual(**changes: Any) -> dict[str, Any]:
    settings = arguments(3, n_blocks_per_stage=[1, 2, 1], **changes)
    del settings["n_conv_per_stage"]
    return settings


NETWORKS = {"plain": (UNET, arguments(3)), "residual": (RESIDUAL, residual())}


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("dimensions", [2, 3])
def test_scores_have_the_shape_of_the_patch(kind: str, dimensions: int) -> None:
    """A patch's scores could not be put where the patch was."""
    name, settings = NETWORKS[kind]
    if dimensions == 2:
        flat = arguments(2)
        settings = {**settings, **{key: flat[key] for key in ("conv_op", "norm_op")}}
        settings |= {key: flat[key] for key in ("kernel_sizes", "strides")}
    network = load_weights(
        build_network(name, settings, inputs=2, outputs=3),
        random_weights(name, settings, 2, 3, seed=1),
        "cpu",
    )
    patch = torch.rand(2, 2, *[8, 12, 16][:dimensions])
    with torch.inference_mode():
        assert network(patch).shape == (2, 3, *patch.shape[2:])


def test_the_keys_are_those_of_nnunets_checkpoints() -> None:
    """A user's checkpoints would not load: nnU-Net stores weights under two or four names."""
    keys = build_network(UNET, arguments(3), inputs=1, outputs=2).state_dict().keys()
    block = "stages.0.0.convs.1"
    for prefix in ("encoder.", "decoder.encoder."):
        for layer in ("conv", "norm", "all_modules.0", "all_modules.1"):
            assert {f"{prefix}{block}.{layer}.weight", f"{prefix}{block}.{layer}.bias"} <= keys
    assert "decoder.transpconvs.0.weight" in keys
    assert "decoder.seg_layers.0.weight" in keys
    keys = build_network(RESIDUAL, residual(), inputs=1, outputs=2).state_dict().keys()
    assert "encoder.stem.convs.0.conv.weight" in keys
    assert "decoder.encoder.stages.1.blocks.0.skip.1.all_modules.0.weight" in keys
    assert "encoder.stages.1.blocks.1.conv2.norm.bias" in keys


def test_only_the_last_head_answers() -> None:
    """The coarse heads of deep supervision would blur the result, or slow it down."""
    weights = random_weights(UNET, arguments(3), 1, 2, seed=1)
    patch = torch.rand(1, 1, 8, 8, 8)

    def answer() -> torch.Tensor:
        network = build_network(UNET, arguments(3), inputs=1, outputs=2)
        with torch.inference_mode():
            result: torch.Tensor = load_weights(network, weights, "cpu")(patch)
        return result

    before = answer()
    weights["decoder.seg_layers.0.weight"] += 5.0
    torch.testing.assert_close(answer(), before)
    weights["decoder.seg_layers.1.weight"] += 5.0
    assert (answer() - before).abs().max() > 0.1


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"conv_op": "os.system"}, "os.system"),
        ({"norm_op": "subprocess.Popen"}, "subprocess.Popen"),
        ({"nonlin": "torch.load"}, "torch.load"),
        ({"nonlin_kwargs": {"colour": 1}}, "colour"),
        ({"surprise": 1}, "surprise"),
        ({"n_stages": 4}, "4 stages"),
        ({"n_stages": 10**12}, "1000000000000 stages"),
        ({"features_per_stage": [4, 0, 8]}, "no channels"),
        ({"kernel_sizes": [3, [3, 3], 3]}, "2 values"),
        ({"strides": None}, "makes no sense"),
    ],
)
def test_what_a_description_names_is_looked_up_and_never_run(
    changes: dict[str, Any], named: str
) -> None:
    """A model's plans could make MedAssist run any function, or fail with a traceback."""
    with pytest.raises(ModelError, match=named):
        build_network(UNET, arguments(3, **changes), inputs=1, outputs=2)


def test_an_unknown_network_is_refused_by_its_name() -> None:
    """The user would not learn why the model cannot be run."""
    with pytest.raises(ModelError, match="Primus") as caught:
        build_network("dynamic_network_architectures.primus.Primus", {}, inputs=1, outputs=2)
    assert "PlainConvUNet" in caught.value.hint


def test_a_missing_setting_is_named() -> None:
    """The user would see a traceback."""
    settings = arguments(3)
    del settings["strides"]
    with pytest.raises(ModelError, match="lacks 'strides'"):
        build_network(UNET, settings, inputs=1, outputs=2)


def test_weights_of_another_network_are_refused_with_the_first_that_differs() -> None:
    """A model would run with some of its weights left at random."""
    network = build_network(UNET, arguments(3), inputs=1, outputs=2)
    weights = random_weights(UNET, arguments(3), 1, 3, seed=1)
    with pytest.raises(ModelError, match=r"seg_layers\.0\.weight is 3×6×1×1×1 and should be 2×6"):
        require_fit(network, weights)
    weights = random_weights(UNET, arguments(3), 1, 2, seed=1)
    first = next(iter(weights))
    with pytest.raises(ModelError, match=f"{first} is absent"):
        require_fit(network, {key: value for key, value in weights.items() if key != first})
    with pytest.raises(ModelError, match="more is 4 and should be absent"):
        require_fit(network, {**weights, "more": torch.zeros(4)})


def test_a_giant_description_takes_no_memory_before_its_weights_are_seen() -> None:
    """A hostile file of a kilobyte could fill the memory."""
    settings = arguments(3, features_per_stage=[10**5, 10**5, 10**5])
    network = build_network(UNET, settings, inputs=1, outputs=2)
    with pytest.raises(ModelError, match="should be 100000×1×1×3×3"):
        load_weights(network, random_weights(UNET, arguments(3), 1, 2, seed=1), "cpu")
