"""Models with a card of ours, as plain weights, TorchScript or torch.export, give one answer."""

from __future__ import annotations

import io
import json
import warnings
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from MedAssistLib.errors import ModelError
from MedAssistLib.files import sha256
from MedAssistLib.models.card import ModelCard
from MedAssistLib.models.formats import describe, is_tiled, load_tiled
from MedAssistLib.models.networks import build_network, load_weights
from MedAssistLib.models.plan import Resampling, Scheme
from Testing.nnunet_models import UNET, arguments, random_weights

FILES = {"state-dict": "weights.pt", "torchscript": "network.pt", "torch-export": "network.pt2"}
PATCH = (8, 16, 16)


def network() -> torch.nn.Module:
    weights = random_weights(UNET, arguments(3), 1, 3, seed=5)
    return load_weights(build_network(UNET, arguments(3), inputs=1, outputs=3), weights, "cpu")


def card_fields(form: str, path: Path) -> dict[str, Any]:
    return {
        "name": "belly",
        "title": "Belly",
        "version": "1",
        "format": form,
        "licence": "MIT",
        "source": "a test",
        "intended_use": "tests",
        "training_data": "none",
        "accuracy": "none",
        "modality": "CT",
        "channels": ["CT"],
        "orientation": "LPS",
        "spacing": [1.25, 1.5, 3.0],
        "segments": [
            {"label": 1, "name": "Liver", "colour": [221, 130, 101]},
            {"label": 2, "name": "Spleen", "colour": [157, 108, 162]},
        ],
        "weights": {
            "files": {
                "fold 0": {
                    "path": path.name,
                    "sha256": sha256(path),
                    "size": path.stat().st_size,
                }
            }
        },
        "architecture": {
            "network_class_name": UNET,
            "arch_kwargs": arguments(3),
            "plan": {"patch": PATCH, "outputs": 3, "mirror_axes": [0, 1], "scores": {"order": 1}},
        },
        "intensity": {
            "channels": [{"scheme": "ct", "low": -100, "high": 300, "mean": 50, "deviation": 70}]
        },
    }


@cache
def saved(form: str) -> bytes:
    """Return the network's file; made once, because exporting takes seconds."""
    stream, patch = io.BytesIO(), torch.rand(1, 1, *PATCH)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if form == "state-dict":
            torch.save(network().state_dict(), stream)
        elif form == "torchscript":
            torch.jit.save(torch.jit.trace(network(), patch), stream)
        else:
            torch.export.save(torch.export.export(network(), (patch,)), stream)
    return stream.getvalue()


def write(folder: Path, form: str, **changes: Any) -> ModelCard:
    """Write a model in a form and return its card."""
    folder.mkdir(exist_ok=True)
    path = folder / FILES[form]
    path.write_bytes(saved(form))
    (folder / "model.json").write_text(json.dumps({**card_fields(form, path), **changes}))
    return describe(folder)


@pytest.mark.parametrize("form", FILES)
def test_every_form_gives_the_networks_own_answer(form: str, tmp_path: Path) -> None:
    """A trained model would answer differently after it was saved and loaded."""
    card = write(tmp_path / "m", form)
    assert is_tiled(card)
    model = load_tiled(replace(card, trusted=form != "state-dict"))
    patches = torch.rand(2, 1, *PATCH)
    with torch.inference_mode():
        expected = network()(patches)
        torch.testing.assert_close(model.members[0]("cpu")(patches), expected, rtol=0, atol=1e-5)


def test_the_plan_is_that_of_the_card(tmp_path: Path) -> None:
    """The network would see scans that were prepared in another way than in its training."""
    plan = load_tiled(write(tmp_path / "m", "state-dict")).plan
    assert (plan.orientation, plan.patch, plan.spacing) == ("LPS", PATCH, (3.0, 1.5, 1.25))
    assert plan.normalisation[0].scheme is Scheme.CT
    assert (plan.normalisation[0].low, plan.normalisation[0].deviation) == (-100, 70)
    assert (plan.data, plan.scores) == (Resampling(order=3), Resampling(order=1))
    assert (plan.mirror_axes, plan.outputs, plan.regions) == ((0, 1), 3, ())


@pytest.mark.parametrize("form", ["torch-export", "torchscript"])
def test_a_program_is_run_only_if_the_user_trusts_it(form: str, tmp_path: Path) -> None:
    """Both can do harm as soon as they are read."""
    card = write(tmp_path / "m", form)
    with pytest.raises(ModelError, match="is a program"):
        load_tiled(card)


class Hostile(torch.nn.Module):
    """A network that writes a file when it is read, with nothing but a tensor operation."""

    def __init__(self, target: str) -> None:
        super().__init__()
        self.target = target

    @torch.jit.export
    def __getstate__(self) -> tuple[str, bool]:
        return self.target, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        self.target, self.training = state
        torch.from_file(self.target, True, 8, dtype=torch.uint8).fill_(65)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, x, x], 1)


def test_a_torchscript_file_that_writes_files_writes_none(tmp_path: Path) -> None:
    """Somebody's model would overwrite what the user has."""
    card = write(tmp_path / "m", "torchscript")
    victim = tmp_path / "victim"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(Hostile(str(victim))).save(str(card.folder / FILES["torchscript"]))
    victim.unlink(missing_ok=True)
    entry = replace(card.weights["fold 0"], sha256="")
    with pytest.raises(ModelError, match="is a program"):
        load_tiled(replace(card, weights={"fold 0": entry})).members[0]("cpu")
    assert not victim.exists()


def test_a_card_cannot_say_that_it_is_trusted(tmp_path: Path) -> None:
    """A stranger's model would switch the protection off by itself."""
    assert write(tmp_path / "m", "torch-export", trusted=True).trusted is False


@pytest.mark.parametrize(
    ("plan", "named"),
    [
        ({"outputs": 2}, "labels 2, which"),
        ({"outputs": 3, "regions": [1, 2]}, "labels"),
        ({"outputs": 3, "surprise": 1}, "surprise"),
        ({"outputs": 3, "patch": [0, 8, 8]}, "patch"),
        ({"outputs": 3, "patch": [8]}, "patch"),
        ({"outputs": 3, "mirror_axes": [3]}, "mirrors"),
        ({"outputs": 3, "multiple": [7, 4, 4]}, "multiple"),
        ({"outputs": 3, "multiple": [4, 4]}, "multiple"),
        ({"outputs": 3, "data": {"power": 3}}, "power"),
        ({}, "no entry 'outputs'"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(
    plan: dict[str, Any], named: str, tmp_path: Path
) -> None:
    """Structures would get wrong names, or the user a traceback."""
    card = write(tmp_path / "m", "state-dict")
    changed = {**card.architecture, "plan": {"patch": PATCH, **plan}}
    with pytest.raises(ModelError, match=named):
        load_tiled(replace(card, architecture=changed))


def test_weights_of_another_network_are_refused_before_the_run(tmp_path: Path) -> None:
    """The user would wait for the whole preparation before the run fails."""
    card = write(tmp_path / "m", "state-dict")
    wider = {**card.architecture, "arch_kwargs": arguments(3, features_per_stage=[5, 6, 8])}
    with pytest.raises(ModelError, match="weights are not those") as caught:
        load_tiled(replace(card, architecture=wider))
    assert "weights.pt" in caught.value.where


@pytest.mark.parametrize("form", FILES)
def test_a_changed_file_is_refused(form: str, tmp_path: Path) -> None:
    """A damaged or exchanged file would segment something else."""
    card = write(tmp_path / "m", form)
    path = card.folder / FILES[form]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="not the file that the model's card means"):
        load_tiled(replace(card, trusted=True))


@pytest.mark.parametrize("form", FILES)
def test_garbage_is_one_line(form: str, tmp_path: Path) -> None:
    """The user would see a traceback."""
    card = write(tmp_path / "m", form)
    (card.folder / FILES[form]).write_bytes(b"garbage" * 50)
    entry = replace(card.weights["fold 0"], sha256="")
    with pytest.raises(ModelError, match="is not a"):
        load_tiled(replace(card, trusted=True, weights={"fold 0": entry})).members[0]("cpu")
