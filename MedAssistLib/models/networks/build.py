"""From the description of a network, as nnU-Net or MONAI write it, to the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from MedAssistLib.errors import ModelError
from MedAssistLib.models.networks.layers import NAMED, Layers, Size
from MedAssistLib.models.networks.segresnet import SEGRESNETS
from MedAssistLib.models.networks.segresnet_shape import CHANNELS, segresnet_shape
from MedAssistLib.models.networks.trainable import Trainable
from MedAssistLib.models.networks.unet import UNet, UNetShape

# The networks, and the argument that gives the number of blocks a stage.
_BLOCKS = {"PlainConvUNet": "n_conv_per_stage", "ResidualEncoderUNet": "n_blocks_per_stage"}
_DIMENSIONS = {"Conv2d": 2, "Conv3d": 3}
_MOST_STAGES, _MOST_BLOCKS = 32, 256
_BASIC, _BOTTLENECK = "BasicBlockD", "BottleneckD"
_COMMON = frozenset(
    {
        "n_stages",
        "features_per_stage",
        "conv_op",
        "kernel_sizes",
        "strides",
        "n_conv_per_stage_decoder",
        "conv_bias",
        "norm_op",
        "norm_op_kwargs",
        "dropout_op",
        "dropout_op_kwargs",
        "nonlin",
        "nonlin_kwargs",
        "deep_supervision",
    }
)
_OWN = {
    "PlainConvUNet": frozenset({"nonlin_first"}),
    "ResidualEncoderUNet": frozenset({"block", "bottleneck_channels", "stem_channels"}),
}


def build_network(
    name: str, arguments: Mapping[str, Any], *, inputs: int, outputs: int
) -> Trainable:
    """Build a network whose weights are still to come, on torch's ``meta`` device.

    That costs no memory, whatever size a stranger's description asks for.

    Args:
        name: Its class, such as
            ``"dynamic_network_architectures.architectures.unet.PlainConvUNet"``.
        arguments: The arguments of that class, the classes among them by name.
        inputs: Channels given.
        outputs: Channels returned.

    Returns:
        A module that maps (batch, inputs, *patch) to (batch, outputs, *patch).

    Raises:
        ModelError: If it names something that is not known here, or does not make sense.
    """
    kind = _last(name)
    if kind not in (*_BLOCKS, *SEGRESNETS):
        hint = f"Known are {', '.join((*_BLOCKS, *SEGRESNETS))}"
        raise ModelError(f'its network is of the unknown kind "{name}"', hint=hint)
    try:
        network = _built(kind, arguments, inputs, outputs)
    except KeyError as error:
        raise ModelError(f"the description of its network lacks {error}") from error
    except (TypeError, ValueError, IndexError, RuntimeError) as error:
        raise ModelError(f"the description of its network makes no sense ({error})") from error
    network.kind = kind
    network.arguments = {key: arguments[key] for key in arguments if key not in CHANNELS}
    return network.eval()


def require_fit(network: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Refuse weights that are not all of a network's and no others.

    Raises:
        ModelError: If a name or shape does not fit; it names the first.
    """
    there = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    given = {key: tuple(value.shape) for key, value in weights.items()}
    for key in [*there, *given]:
        if there.get(key) != given.get(key):
            what = "its weights are not those of the network that its description means"
            detail = f"{key} is {_size(given, key)} and should be {_size(there, key)}"
            raise ModelError(f"{what}: {detail}")


def load_weights(network: nn.Module, weights: Mapping[str, torch.Tensor], device: str) -> nn.Module:
    """Give a network its weights.

    Args:
        network: The network; it may be on torch's ``meta`` device.
        weights: Tensors by name; copied.
        device: Where it shall be.

    Raises:
        ModelError: If the weights are not the network's.
    """
    require_fit(network, weights)
    loaded = network.to_empty(device=device)
    loaded.load_state_dict(weights)
    return loaded.eval()


def _size(sizes: Mapping[str, tuple[int, ...]], key: str) -> str:
    return "×".join(str(n) for n in sizes[key]) or "a number" if key in sizes else "absent"


def _built(kind: str, arguments: Mapping[str, Any], inputs: int, outputs: int) -> Trainable:
    if kind in SEGRESNETS:
        form = segresnet_shape(kind, arguments, inputs=inputs, outputs=outputs)
        with torch.device("meta"):
            return SEGRESNETS[kind](form)
    _require_known(kind, arguments)
    shape = _shape(kind, arguments, inputs, outputs)
    with torch.device("meta"):
        return UNet(shape, residual=kind == "ResidualEncoderUNet")


def _require_known(kind: str, arguments: Mapping[str, Any]) -> None:
    unknown = sorted(set(arguments) - _COMMON - _OWN[kind] - {_BLOCKS[kind]})
    if unknown:
        raise ModelError(f'its network has the unknown setting "{unknown[0]}"')


def _last(name: object) -> str:
    return str(name).rpartition(".")[2]


def _shape(kind: str, arguments: Mapping[str, Any], inputs: int, outputs: int) -> UNetShape:
    stages = int(arguments["n_stages"])
    if not 2 <= stages <= _MOST_STAGES:
        raise ValueError(f"{stages} stages")
    layers = _layers(arguments)
    features = _each(arguments["features_per_stage"], stages)
    decoder_blocks = _each(arguments["n_conv_per_stage_decoder"], stages - 1)
    blocks = _each(arguments[_BLOCKS[kind]], stages)
    if min(*features, *blocks, *decoder_blocks) < 1:
        raise ValueError("a stage has no channels or no blocks")
    if max(*blocks, *decoder_blocks) > _MOST_BLOCKS:
        raise ValueError(f"a stage has more than {_MOST_BLOCKS} blocks")
    return UNetShape(
        layers=layers,
        inputs=inputs,
        outputs=outputs,
        features=features,
        kernels=_sizes(arguments["kernel_sizes"], stages, layers.dimensions),
        strides=_sizes(arguments["strides"], stages, layers.dimensions),
        blocks=blocks,
        decoder_blocks=decoder_blocks,
        stem=int(arguments.get("stem_channels") or features[0]),
        widths=_widths(arguments, stages),
    )


def _layers(arguments: Mapping[str, Any]) -> Layers:
    convolution = _last(arguments["conv_op"])
    if convolution not in _DIMENSIONS:
        raise ValueError(f'convolution "{arguments["conv_op"]}"')
    return Layers(
        dimensions=_DIMENSIONS[convolution],
        bias=bool(arguments.get("conv_bias", False)),
        norm=_maker(arguments, "norm_op"),
        dropout=_maker(arguments, "dropout_op"),
        activation=_maker(arguments, "nonlin"),
        activation_first=bool(arguments.get("nonlin_first", False)),
    )


def _maker(arguments: Mapping[str, Any], role: str) -> Callable[..., nn.Module] | None:
    name = arguments.get(role)
    if name is None:
        return None
    if _last(name) not in NAMED[role]:
        raise ModelError(f'its network uses the unknown layer "{name}"')
    return partial(NAMED[role][_last(name)], **(arguments.get(f"{role}_kwargs") or {}))


def _widths(arguments: Mapping[str, Any], stages: int) -> tuple[int | None, ...]:
    block = _last(arguments.get("block") or _BASIC)
    if block == _BASIC:
        return (None,) * stages
    if block != _BOTTLENECK:
        raise ModelError(f'its network has the unknown block "{block}"')
    return _each(arguments["bottleneck_channels"], stages)


def _each(value: Any, count: int) -> tuple[int, ...]:
    """Return one whole number a stage, from one for all or a list."""
    values = (value,) * count if isinstance(value, int) else tuple(int(entry) for entry in value)
    if len(values) != count:
        raise ValueError(f"{len(values)} values for {count} stages")
    return values


def _sizes(value: Any, count: int, dimensions: int) -> tuple[Size, ...]:
    """Return one size a stage, from one number for all, a number a stage, or a list a stage."""
    entries = (value,) * count if isinstance(value, int) else tuple(value)
    if len(entries) != count:
        raise ValueError(f"{len(entries)} sizes for {count} stages")
    return tuple(_each(entry, dimensions) for entry in entries)
