"""What a network can start from: any model with a 3-D network of ours that the engine can read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from MedAssistLib.cli.main import main
from MedAssistLib.errors import CancelledError, ModelError
from MedAssistLib.models import find
from MedAssistLib.models.checkpoints import read_checkpoint
from MedAssistLib.models.formats import load
from MedAssistLib.models.plan import Foreground, Moment, Normalisation, Scheme
from MedAssistLib.progress import Cancellation, Progress
from MedAssistLib.read import read_scan
from MedAssistLib.segment import SegmentOptions, segment
from MedAssistLib.train import TrainOptions
from MedAssistLib.train.adopting import adopted
from MedAssistLib.train.dataset.cases import exclusive
from MedAssistLib.train.ema import MeanWeights
from MedAssistLib.train.network import new_network, start_from
from MedAssistLib.train.plan import read_plan, write_plan
from MedAssistLib.train.preparation import PLAN, WORK
from MedAssistLib.train.run import Report, TrainResult, train
from MedAssistLib.train.start import Start, read_start
from Testing import auto3dseg_models, monai_bundles, nnunet_models, test_own_formats
from Testing import totalsegmentator_models as total
from Testing.conftest import dice
from Testing.labelled_sets import change, pairs, unseen
from Testing.train_cases import (
    TINY,
    Told,
    hardly_learning,
    put_plan,
    same_weights,
    weights_of,
)

CPU = TrainOptions(device="cpu", epochs=1)
NAMES = ("Bright", "Dark")
BLOCKS = exclusive({1: "Bright", 2: "Dark"})
# Each writes a model of two structures into a folder, and returns what ``--from`` is given.
KINDS: dict[str, Callable[[Path], Path]] = {
    "state-dict": lambda folder: test_own_formats.write(folder, "state-dict").folder,
    "nnunet": lambda folder: nnunet_models.write_model(folder / "Dataset007_Belly"),
    "totalsegmentator": lambda folder: total.write_task(folder, "liver_vessels")[0],
    "auto3dseg": auto3dseg_models.write,
    "monai-bundle": monai_bundles.write,
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hardly_learning(monkeypatch)


def as_json(result: TrainResult) -> dict:
    return json.loads((result.card.folder / "model.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_answer_is_that_of_the_earlier_model(kind: str, tmp_path: Path) -> None:
    """A start from other weights than the model's is a training from nothing, and nobody sees."""
    model = KINDS[kind](tmp_path / kind)
    start = read_start(model, NAMES)
    plan = adopted(TINY, start, "RAS", BLOCKS)
    network = new_network(plan.network, plan.arguments, inputs=1, outputs=3).eval()
    patch = torch.rand(1, 1, *plan.patch)
    earlier = load(find(str(model)), "cpu").members[0]("cpu")
    with torch.inference_mode():
        assert not torch.allclose(network(patch), earlier(patch), atol=1e-2)
        assert start_from(network, start.network.state_dict()) == ()
        assert torch.equal(network(patch), earlier(patch))
        assert torch.equal(network.all_scores(patch)[0], earlier(patch))
    assert plan.normalisation == start.plan.normalisation


@pytest.mark.parametrize("kind", KINDS)
def test_heads_for_other_structures_begin_anew_and_nothing_else(kind: str, tmp_path: Path) -> None:
    """What the earlier model knows of the body would be lost with its list of structures."""
    start = read_start(KINDS[kind](tmp_path / kind), NAMES)
    weights = start.network.state_dict()
    network = new_network(start.network.kind, start.network.arguments, inputs=1, outputs=7)
    fresh = set(start_from(network, weights))
    heads = {weight for head in network.heads() for weight in head.parameters()}
    named = dict(network.named_parameters(remove_duplicate=False))
    assert {named[name] for name in fresh} == heads
    now = network.state_dict()
    assert all(torch.equal(now[name], weights[name]) for name in now if name not in fresh)


@pytest.mark.parametrize("kind", ["auto3dseg", "monai-bundle"])
def test_a_model_of_monai_learns_goes_on_and_runs(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What hospitals have of MONAI could not be built upon, or would answer otherwise in use."""
    hardly_learning(monkeypatch, learning_rate=0.02, other_rate=0.003, mean_weights=0.5)
    model, data = KINDS[kind](tmp_path / kind), pairs(tmp_path / "data", 5)
    options = replace(CPU, start=model, epochs=3)
    result = train(data, tmp_path / "whole", options)
    card = find(str(tmp_path / "whole"))
    kinds = {"auto3dseg": "SegResNetDS", "monai-bundle": "SegResNet"}
    assert card.training["plan"]["network"] == kinds[kind]
    assert "it began with the weights of" in card.training_data
    # The one case held out, as a person segments it, is as good as the card says.
    (held,) = result.measured.held_out
    scan = data / "images" / f"{held.case}.nii.gz"
    given = ["segment", str(scan), "--model", str(tmp_path / "whole"), "--backend", "torch"]
    assert main([*given, "--device", "cpu", "-o", str(tmp_path / "found.nii.gz")]) == 0
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "found.nii.gz")))
    truth = sitk.GetArrayFromImage(sitk.ReadImage(str(data / "labels" / scan.name)))
    for label, name in enumerate(NAMES, start=1):
        measured = held.structures[name].dice
        assert dice(found == label, truth == label) == pytest.approx(measured, abs=1e-6)
    # Stopped after the first epoch, it comes to the same.
    stop = Cancellation()

    def told(report: Report) -> None:
        if report.epoch:
            stop.cancel()

    with pytest.raises(CancelledError):
        train(data, tmp_path / "part", options, Progress(None, stop), told)
    train(data, tmp_path / "part", replace(options, resume=True))
    assert same_weights(tmp_path / "whole", tmp_path / "part")


@pytest.mark.usefixtures("quick")
def test_a_model_goes_on_from_another_one(tmp_path: Path) -> None:
    """Fine-tuning would begin anew without a word, or refuse other structures."""
    data = pairs(tmp_path / "data", 6)
    first = train(data, put_plan(tmp_path / "first"), CPU)
    other = shutil.copytree(data, tmp_path / "other")
    labels = {"background": 0, "Blocks": [1, 2]}
    change(other / "dataset.json", labels=labels, regions_class_order=[1])
    told = Told()
    options = TrainOptions(device="cpu", epochs=1, start=tmp_path / "first")
    second = train(other, tmp_path / "second", options, tell=told)
    plan = read_plan(tmp_path / "second" / WORK / PLAN)
    assert plan.arguments == first.prepared.plan.arguments
    assert plan.spacing == first.prepared.plan.spacing
    assert "weights of the earlier model do not fit and begin anew" in told.text
    before, after = weights_of(tmp_path / "first"), weights_of(tmp_path / "second")
    assert [len(before[key]) for key in before if "seg_layers.0.bias" in key] == [3]
    assert [len(after[key]) for key in after if "seg_layers.0.bias" in key] == [1]
    same = [torch.allclose(before[k], after[k], atol=1e-3) for k in before if "seg_l" not in k]
    assert same
    assert all(same)
    assert as_json(second)["training"]["options"]["start"] == "first"


@pytest.mark.usefixtures("quick")
def test_a_model_of_nnunet_goes_on_with_other_structures(tmp_path: Path) -> None:
    """What years of nnU-Net have trained could not be built upon."""
    given = nnunet_models.write_model(tmp_path / "Dataset007_Belly")
    data, told = pairs(tmp_path / "data", 5), Told()
    options = TrainOptions(device="cpu", epochs=1, start=given)
    work = tmp_path / "tuned" / WORK
    result = train(data, tmp_path / "tuned", options, tell=told)
    plan = read_plan(work / PLAN)
    assert plan.spacing == (3.0, 1.5, 1.25)
    assert plan.normalisation[0].scheme is Scheme.CT
    assert [entry.name for entry in result.card.segments] == ["Bright", "Dark"]
    assert "begin anew" not in told.text  # it has three outputs, too
    before = read_checkpoint(given / "fold_0" / "checkpoint_final.pth")["network_weights"]
    after = weights_of(tmp_path / "tuned")
    assert all(torch.allclose(before[k].half(), after[k], atol=1e-2) for k in before)
    scan, _ = unseen(tmp_path)
    segment(read_scan(scan), find(str(tmp_path / "tuned")))


@pytest.mark.usefixtures("quick")
def test_a_plan_of_a_monai_model_is_kept_whole(tmp_path: Path) -> None:
    """Bounds that are infinite are no JSON; and without the last step the network sees nonsense."""
    start = read_start(auto3dseg_models.write(tmp_path / "m"), NAMES)
    plan = adopted(TINY, start, "RAS", BLOCKS)
    assert plan.normalisation[0].then == Normalisation(scheme=Scheme.SIGMOID)
    assert plan.normalisation[0].low == -np.inf
    write_plan(tmp_path / "plan.json", plan)
    text = (tmp_path / "plan.json").read_text(encoding="utf-8")
    assert "Infinity" not in text
    assert read_plan(tmp_path / "plan.json") == plan


def test_of_a_task_in_several_parts_the_one_that_knows_most_is_taken(tmp_path: Path) -> None:
    """The network for ribs knows nothing of kidneys."""
    total.write_task(tmp_path / "parts", "headneck_muscles")
    card = find(str(tmp_path / "parts"))
    second = card.architecture["parts"][1]
    names = [entry.name for entry in card.segments if entry.label in second["labels"].values()]
    # One is written as TotalSegmentator does.
    wanted = [names[0].lower().replace(" ", "_"), names[1], "Lump"]
    start = read_start(tmp_path / "parts", wanted)
    assert (start.name, start.parts) == (f"{card.name}, muscles 2", 2)
    expected = read_checkpoint(next((tmp_path / "parts" / second["folder"]).rglob("*.pth")))
    weights = start.network.state_dict()
    assert all(torch.equal(weights[k], v) for k, v in expected["network_weights"].items())
    assert read_start(tmp_path / "parts", ["Lump"]).name.endswith("muscles 1")


@pytest.mark.usefixtures("quick")
def test_the_part_that_was_taken_is_told(tmp_path: Path) -> None:
    """The person could not know which of the networks goes on."""
    total.write_task(tmp_path / "parts", "headneck_muscles")
    data, told = pairs(tmp_path / "data", 5), Told()
    train(data, tmp_path / "tuned", replace(CPU, start=tmp_path / "parts"), tell=told)
    assert "of 2 networks of the earlier model, it starts from" in told.text
    assert "muscles 1" in told.text


def _flat(folder: Path) -> Path:
    belly = folder / "Dataset007_Belly"
    return nnunet_models.write_model(belly, name=nnunet_models.FLAT, mirror_axes=None)


def _cascade(folder: Path) -> Path:
    belly = folder / "Dataset007_Belly"
    nnunet_models.write_model(belly, name=nnunet_models.LOWRES)
    return nnunet_models.write_model(belly, name=nnunet_models.CASCADE, inputs=3)


def _of_monai(folder: Path) -> Path:
    unet = {"_target_": "UNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 3}
    shape = {"channels": [4, 8], "strides": [2]}
    return monai_bundles.write(folder, monai_bundles.inference(network_def={**unet, **shape}))


def _bundle_of_a_program(folder: Path) -> Path:
    models = monai_bundles.write(folder) / "models"
    (models / "model.pt").rename(models / "model.ts")
    return folder


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda _: Path("brain"), "is a program"),
        (lambda f: test_own_formats.write(f, "torchscript").folder, "is a program"),
        (lambda f: test_own_formats.write(f, "torch-export").folder, "is a program"),
        (_bundle_of_a_program, "is a program"),
        (_of_monai, "network of MONAI's"),
        (_flat, "is 2-D"),
        (_cascade, "second stage of a cascade"),
    ],
    ids=["box-and-mask", "torchscript", "torch-export", "bundle", "monai", "2-D", "cascade"],
)
def test_what_has_no_layers_to_train_is_refused_in_a_sentence(
    write: Callable[[Path], Path], message: str, tmp_path: Path
) -> None:
    """A riddle, or hours later a training that had ignored the start."""
    with pytest.raises(ModelError, match=f"{message}.*cannot be trained further") as caught:
        read_start(write(tmp_path / "m"), NAMES)
    assert "Start from a 3-D model" in caught.value.hint


def test_a_model_that_cannot_be_trained_further_is_refused_at_once(tmp_path: Path) -> None:
    """Hours later it would turn out that the start was ignored."""
    data = pairs(tmp_path / "data", 5)
    with pytest.raises(ModelError, match="cannot be trained further"):
        train(data, tmp_path / "tuned", replace(CPU, start=Path("brain")))
    assert not (tmp_path / "tuned" / "model.json").exists()


def test_what_a_model_does_not_say_is_the_datas(tmp_path: Path) -> None:
    """A network of another machine's grid would be trained on voxels that nobody has."""
    base = read_start(auto3dseg_models.write(tmp_path / "m"), NAMES)
    silent = _with(base, orientation="", spacing=(), kept_spacing=(), transpose=(0, 1, 2))
    plan = adopted(TINY, silent, "LPI", BLOCKS)
    assert (plan.orientation, plan.spacing) == ("LPI", TINY.spacing)
    # Slices k were along S, and are along the third axis of MONAI's arrays.
    turned = adopted(TINY, _with(base, spacing=(), kept_spacing=()), "RAS", BLOCKS)
    assert (turned.orientation, turned.spacing) == ("SAR", TINY.spacing[::-1])
    tall = replace(TINY, patch=(32, 16, 16))
    assert adopted(tall, _with(base, spacing=(), kept_spacing=()), "RAS", BLOCKS).patch == (
        16,
        16,
        32,
    )
    # Scans that the model leaves as they are, and those that it does not.
    coarse = replace(TINY, spacing=(3.0, 1.2, 1.0))
    assert adopted(coarse, base, "RAS", BLOCKS).spacing == (1.0, 1.2, 1.2)
    # What lies around the bright part does not count where intensities are normalised after.
    bright = Foreground(above=0.0, margin=3, first_only=True)
    for moment, cropped in ((Moment.WHOLE, False), (Moment.CROPPED, True)):
        given = _with(base, foreground=bright, moment=moment)
        assert adopted(TINY, given, "RAS", BLOCKS).crop_to_nonzero is cropped


def test_what_is_known_is_kept_and_what_is_not_is_learned(tmp_path: Path) -> None:
    """At full speed a good network becomes worse; new heads would never be learned gently."""
    start = read_start(monai_bundles.write(tmp_path / "m"), NAMES)
    same = exclusive({1: "Liver", 2: "kidney_left"})
    known, other = (adopted(TINY, start, "RAS", each) for each in (same, BLOCKS))
    assert (known.learning_rate, known.other_rate) == pytest.approx((0.002, 0.0003))
    assert known.earlier_steps > 0
    assert (other.learning_rate, other.other_rate) == (TINY.learning_rate, TINY.other_rate)
    assert other.earlier_steps == 0
    # The mean of the weights stays near those that it began with.
    network = new_network(known.network, known.arguments, inputs=1, outputs=3)
    for earlier, share in ((0, 0.1), (known.earlier_steps, 0.99)):
        mean = MeanWeights(network, 0.999)
        changed = new_network(known.network, known.arguments, inputs=1, outputs=3)
        mean.update(changed, earlier)
        before, now, after = (
            next(net.entry().parameters()) for net in (network, mean.network, changed)
        )
        torch.testing.assert_close(now, share * before + (1 - share) * after, atol=2e-3, rtol=0)


def _with(start: Start, **changes: Any) -> Start:
    return replace(start, plan=replace(start.plan, **changes))


def test_the_shipped_model_goes_on_with_crops_of_ones_own(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the first model that anybody will try to build upon."""
    source = shared_data / "hippocampus"
    data = tmp_path / "data"
    for number in (1, 3, 4, 6, 7):
        for folder in ("imagesTr", "labelsTr"):
            (data / folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(source / folder / f"hippocampus_{number:03d}.nii.gz", data / folder)
    shutil.copy(source / "dataset.json", data)
    training = [
        {"image": f"./imagesTr/{path.name}", "label": f"./labelsTr/{path.name}"}
        for path in sorted((data / "imagesTr").iterdir())
    ]
    change(data / "dataset.json", training=training)
    hardly_learning(monkeypatch, learning_rate=0.02, other_rate=0.003, batch=2)
    means = {}
    for name, start in (("tuned", Path("hippocampus")), ("new", None)):
        result = train(data, tmp_path / name, replace(CPU, start=start))
        means[name] = np.mean(list(result.measured.dice().values()))
    assert means["tuned"] > 0.85
    assert means["new"] < 0.5
    card = find(str(tmp_path / "tuned"))
    assert [entry.name for entry in card.segments] == ["Anterior", "Posterior"]
    assert "hippocampus 1" in card.training_data
    assert "CC-BY-SA" in card.licence
    scan = source / "imagesTr" / "hippocampus_008.nii.gz"
    found = segment(read_scan(scan), card, SegmentOptions(backend="torch")).labels
    truth = sitk.GetArrayFromImage(sitk.ReadImage(str(source / "labelsTr" / scan.name)))
    assert dice(sitk.GetArrayFromImage(found) > 0, truth > 0) > 0.85
