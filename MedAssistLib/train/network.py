"""The network at the beginning of a training: new, or with the weights of an earlier model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from MedAssistLib.errors import ModelError
from MedAssistLib.models.networks import Trainable, build_network

# He et al. 2015, arXiv:1502.01852, for leaky ReLUs of this slope.
_SLOPE = 1e-2


def without_weights(
    name: str, arguments: Mapping[str, Any], *, inputs: int, outputs: int
) -> Trainable:
    """Return what :func:`new_network` does, on torch's ``meta`` device, where it takes no memory.

    Raises:
        ModelError: If the description makes no sense, or the network cannot be trained here.
    """
    network = build_network(name, arguments, inputs=inputs, outputs=outputs)
    if len(network.multiple) != 3:
        hint = "Give a network whose convolutions are three-dimensional (torch.nn.Conv3d)"
        raise ModelError("its network is not 3-D and cannot be trained here", hint=hint)
    return network


def new_network(name: str, arguments: Mapping[str, Any], *, inputs: int, outputs: int) -> Trainable:
    """Return a network with random weights, drawn from torch's global generator.

    Args:
        name: Its class, as in a card.
        arguments: The arguments of that class.
        inputs: Channels given.
        outputs: Channels returned.

    Raises:
        ModelError: If the description makes no sense, or the network cannot be trained here.
    """
    network = without_weights(name, arguments, inputs=inputs, outputs=outputs)
    network = network.to_empty(device="cpu")
    for layer in network.modules():
        if isinstance(layer, nn.Conv3d | nn.ConvTranspose3d):
            nn.init.kaiming_normal_(layer.weight, a=_SLOPE)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif callable(reset := getattr(layer, "reset_parameters", None)):
            reset()
    return network


def start_from(network: Trainable, weights: Mapping[str, torch.Tensor]) -> tuple[str, ...]:
    """Give a network what fits of the weights of another.

    Args:
        network: The network; what does not fit keeps its random weights.
        weights: Tensors by name.

    Returns:
        The names of the weights that did not fit, such as the heads for other structures.

    Raises:
        ModelError: If hardly anything fits, which means that it is another kind of network.
    """
    own = network.state_dict()
    fitting = {
        key: value for key, value in weights.items() if key in own and value.shape == own[key].shape
    }
    given = {id(weight) for head in network.heads() for weight in head.parameters()}
    named = network.named_parameters(remove_duplicate=False)
    heads = {key for key, weight in named if id(weight) in given}
    missing = set(own) - set(fitting) - heads
    # Other channels of the scan change the first convolution alone, in each of its names.
    if len(missing) > len(own) // 4:
        hint = "Leave --from away, or choose a model whose network has the shape of the plan's"
        raise ModelError("the model to start from has another network", hint=hint)
    network.load_state_dict({**own, **fitting})
    return tuple(sorted(set(own) - set(fitting)))
