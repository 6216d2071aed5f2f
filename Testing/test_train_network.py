"""Networks that are trained, and plans that somebody wrote for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk
import torch

from MedAssistLib.errors import InputError
from MedAssistLib.read import read_scan
from MedAssistLib.segment import segment
from MedAssistLib.train import TrainOptions
from MedAssistLib.train.muon import Muon, optimisers
from MedAssistLib.train.network import new_network
from MedAssistLib.train.plan import read_plan
from MedAssistLib.train.preparation import PLAN, WORK
from MedAssistLib.train.run import train
from Testing.conftest import dice
from Testing.labelled_sets import change, pairs, unseen
from Testing.train_cases import ARGUMENTS, Told, put_plan

CPU = TrainOptions(device="cpu", epochs=2)
SEGRESNET = {"init_filters": 8, "blocks_down": [1, 1, 1], "norm": "INSTANCE", "dsdepth": 2}
RESIDUAL = {**ARGUMENTS, "n_blocks_per_stage": [1, 1]}
RESIDUAL.pop("n_conv_per_stage")
NETWORKS: dict[str, Any] = {
    "PlainConvUNet": ARGUMENTS,
    "ResidualEncoderUNet": RESIDUAL,
    "SegResNet": {"init_filters": 8, "blocks_down": [1, 1, 1], "blocks_up": [1, 1]},
    "SegResNetDS": SEGRESNET,
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_heads_and_the_first_convolution_are_left_to_adamw(kind: str) -> None:
    """Muon makes all directions alike, which they are not where a scan comes in."""
    network = new_network(kind, NETWORKS[kind], inputs=2, outputs=3)
    made = optimisers(network, 0.02, 0.003, 0.01)
    by = {type(o): {w for g in o.param_groups for w in g["params"]} for o in made}
    outside = (network.entry(), *network.heads())
    assert by[Muon].isdisjoint(w for layer in outside for w in layer.parameters())
    assert by[Muon] | by[torch.optim.AdamW] == set(network.parameters())
    assert len(by[Muon]) > 1
    assert all(bool(weight.isfinite().all()) for weight in network.state_dict().values())
    assert all(w.ndim == 5 for w in by[Muon])
    scores = network.all_scores(torch.rand(2, 2, 16, 16, 16))
    assert len(scores) == len(network.heads())
    sizes = [score.shape[2] for score in scores]
    assert sizes == [16 // 2**level for level in range(len(sizes))]


def test_a_plan_with_a_segresnet_that_somebody_wrote_is_trained(tmp_path: Path) -> None:
    """The plan is there to be edited."""
    data, told = pairs(tmp_path / "data", 5), Told()
    output = put_plan(tmp_path / "own")
    path = output / WORK / PLAN
    # As a person would copy it from MONAI's configuration, with its own choice of norms.
    arguments = {**SEGRESNET, "norm": "batch", "in_channels": 1}
    change(path, network="SegResNetDS", arguments=arguments, steps=30)
    result = train(data, output, CPU, tell=told)
    losses = [report.epoch.loss for report in told if report.epoch]
    assert losses[-1] < losses[0]
    scan, truth = unseen(tmp_path)
    found = sitk.GetArrayFromImage(segment(read_scan(scan), result.card).labels)
    assert dice(found == 1, truth == 1) > 0.3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({**SEGRESNET, "blocks_dwn": [1]}, 'unknown setting "blocks_dwn"'),
        ({**SEGRESNET, "spatial_dims": 2}, "not three-dimensional"),
        ({**SEGRESNET, "blocks_down": [1] * 6}, "multiples of"),
    ],
)
def test_a_network_that_somebody_wrote_wrongly_is_told_with_the_file(
    arguments: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """The person would look for the mistake in the data."""
    path = put_plan(tmp_path / "own") / WORK / PLAN
    change(path, network="SegResNetDS", arguments=arguments)
    with pytest.raises(InputError, match=message) as caught:
        read_plan(path)
    assert caught.value.where == str(path)
