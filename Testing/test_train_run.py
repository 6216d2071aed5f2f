"""From a data set to a model that segments: every layout, and what is kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from MedAssistLib.cli.main import main
from MedAssistLib.models import find
from MedAssistLib.models.plan import Normalisation, Scheme
from MedAssistLib.read import read_scan
from MedAssistLib.segment import segment, segment_in_detail
from MedAssistLib.train import TrainOptions
from MedAssistLib.train.answers import ANSWERS
from MedAssistLib.train.plan import read_plan
from MedAssistLib.train.preparation import PLAN, WORK
from MedAssistLib.train.run import TrainResult, train
from Testing.conftest import dice
from Testing.labelled_sets import SPACING, block_case, change, nnunet, pairs, unseen, write
from Testing.train_cases import Told, hardly_learning, put_plan, same_weights, weights_of

CPU = TrainOptions(device="cpu")
LONG = {"steps": 20, "epochs": 3}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hardly_learning(monkeypatch)


def as_json(result: TrainResult) -> dict:
    return json.loads((result.card.folder / "model.json").read_text(encoding="utf-8"))


def test_a_folder_becomes_a_model_that_segments(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The person would have trained for nothing."""
    data, output = pairs(tmp_path / "data", 6), put_plan(tmp_path / "blocks", **LONG)
    arguments = ["train", str(data), "-o", str(output), "--device", "cpu", "--json"]
    assert main(arguments) == 0
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert told["epochs"] == [3]
    assert told["measured"]["structures"]["Bright"]["dice"]["cases"] == 2
    assert "epoch 3: loss" in said.err
    scan, truth = unseen(tmp_path)
    # Also on a grid that is turned against the training's.
    turned = sitk.DICOMOrient(sitk.ReadImage(str(scan)), "PIR")
    sitk.WriteImage(turned, str(tmp_path / "turned.nii.gz"))
    card = find(str(output))
    assert [entry.name for entry in card.segments] == ["Bright", "Dark"]
    assert (card.licence, card.channels, card.modality) == ("CC0-1.0", ("T1",), "MR")
    found = segment(read_scan(scan), card).labels
    assert dice(sitk.GetArrayFromImage(found) == 1, truth == 1) > 0.6
    again = segment(read_scan(tmp_path / "turned.nii.gz"), card).labels
    back = sitk.DICOMOrient(again, "RAS")
    assert dice(sitk.GetArrayFromImage(back) == 1, sitk.GetArrayFromImage(found) == 1) > 0.98


def test_the_model_folder_keeps_what_was_learned_and_no_scan(tmp_path: Path) -> None:
    """Whoever is given the model would be given the patients too, or could not repeat it."""
    data, output = pairs(tmp_path / "data", 5), put_plan(tmp_path / "blocks")
    result = train(data, output, CPU)
    files = {path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()}
    (answer,) = (output / WORK / ANSWERS).iterdir()
    files.remove(answer.relative_to(output).as_posix())
    assert files == {
        *("model.json", "fold_0.pt", "training/audit.csv", "training/fingerprint.json"),
        *("training/fold_0.pt", "training/plan.json", "training/preview.nrrd"),
        *("training/cases.json", "training/splits.json"),
    }
    card = as_json(result)
    assert card["training"]["plan"]["steps"] == 4
    assert card["training"]["data"]["cases"] == 5
    assert card["training"]["options"]["seed"] == 0
    (case,) = card["measured"]["cases"]
    assert case["case"] in result.prepared.held_out[0]
    assert set(case["structures"]["Dark"]) >= {"dice", "hd95", "nsd_1mm"}


def test_a_csv_names_its_structures_in_a_file_beside_it(tmp_path: Path) -> None:
    """A model of "Label 1" and "Label 2" is of little use, and nothing would say what to do."""
    data = pairs(tmp_path / "data", 5)
    (data / "dataset.json").unlink()
    rows = [f"images/case_{n:02d}.nii.gz,labels/case_{n:02d}.nii.gz" for n in range(5)]
    table = data / "cases.csv"
    table.write_text("\n".join(["image,label", *rows]))
    told = Told()
    result = train(table, put_plan(tmp_path / "one", epochs=1), CPU, tell=told)
    assert [entry.name for entry in result.card.segments] == ["Label 1", "Label 2"]
    assert f"name them in {data / 'cases.json'}" in told.text
    labels = {"background": 0, "Left kidney": 1, "Tumour": 2}
    (data / "cases.json").write_text(json.dumps({"labels": labels}))
    told = Told()
    result = train(table, put_plan(tmp_path / "two", epochs=1), CPU, tell=told)
    assert [entry.name for entry in result.card.segments] == ["Left kidney", "Tumour"]
    assert "name them" not in told.text


def test_regions_an_ignored_label_and_two_channels(tmp_path: Path) -> None:
    """nnU-Net's ways to say more than one label a voxel would be learned wrongly."""
    data = nnunet(tmp_path / "data", 6)
    for path in sorted((data / "labelsTr").glob("*.nii.gz")):
        labels = sitk.ReadImage(str(path))
        labels[:, :, 16:] = 3
        sitk.WriteImage(labels, str(path))
    regions = {"background": 0, "Both": [1, 2], "Dark": 2, "ignore": 3}
    change(data / "dataset.json", labels=regions, regions_class_order=[1, 2])
    scheme = Normalisation(scheme=Scheme.Z_SCORE)
    output = put_plan(tmp_path / "regions", normalisation=(scheme, scheme), steps=20, epochs=4)
    result = train(data, output, CPU)
    assert result.card.channels == ("T1", "FLAIR")
    assert as_json(result)["architecture"]["plan"]["regions"] == [1, 2]
    scores = result.measured.dice()
    assert list(scores) == ["Both", "Dark"]
    assert scores["Both"] > 0.5
    image, truth = block_case(40)
    scans = [write(tmp_path / f"channel{n}.nii.gz", image * (n + 1)) for n in range(2)]
    channels = [read_scan(path) for path in scans]
    found = segment_in_detail(channels, find(str(output))).segmentation
    values = sitk.GetArrayFromImage(found.labels)
    assert set(np.unique(values)) <= {0, 1, 2}
    assert dice(values[:16] > 0, sitk.GetArrayFromImage(truth)[:16] > 0) > 0.5


@pytest.mark.usefixtures("quick")
def test_thick_slices_get_a_plan_of_their_own(tmp_path: Path) -> None:
    """A network that mixes slices 5 mm apart as if they were neighbours learns badly."""
    data = pairs(tmp_path / "data", 5)
    for path in data.glob("*/*.nii.gz"):
        image = sitk.ReadImage(str(path))
        image.SetSpacing((SPACING[0], SPACING[1], 5.0))
        sitk.WriteImage(image, str(path))
    output = tmp_path / "thick"
    result = train(data, output, TrainOptions(device="cpu", epochs=1))
    plan = read_plan(output / WORK / PLAN)
    assert plan.spacing == pytest.approx((5.0, 1.2, 1.0))
    assert plan.arguments["kernel_sizes"][0] == [1, 3, 3]
    assert plan.augmentation.spatial.angles[1:] == (0.0, 0.0)
    assert result.card.spacing == pytest.approx((1.0, 1.2, 5.0))


@pytest.mark.usefixtures("quick")
def test_crops_of_a_few_voxels_get_a_network_too(tmp_path: Path) -> None:
    """The plan was one that no network could be built from."""
    data = pairs(tmp_path / "data", 5)
    for path in data.glob("*/*.nii.gz"):
        sitk.WriteImage(sitk.ReadImage(str(path))[7:13, 5:12, 7:12], str(path))
    result = train(data, tmp_path / "tiny", TrainOptions(device="cpu", epochs=1))
    assert result.prepared.plan.patch == (8, 8, 8)


def test_five_networks_hold_out_every_case_once(tmp_path: Path) -> None:
    """The numbers of a cross-validation would be those of cases that were learned from."""
    data, output = pairs(tmp_path / "data", 6), put_plan(tmp_path / "five", epochs=1, steps=2)
    told = Told()
    result = train(data, output, TrainOptions(device="cpu", folds=5), tell=told)
    assert sorted(held.case for held in result.measured.held_out) == [
        f"case_{n:02d}" for n in range(6)
    ]
    assert sorted({report.fold for report in told if report.epoch}) == [0, 1, 2, 3, 4]
    assert list(find(str(output)).weights) == [f"fold {n}" for n in range(5)]
    first = "encoder.stages.0.0.convs.0.conv.weight"
    assert not torch.equal(*(weights_of(output, fold)[first] for fold in (0, 1)))
    scan, _ = unseen(tmp_path)
    segment(read_scan(scan), find(str(output)))


def test_a_preview_of_a_case_held_out_is_kept(tmp_path: Path) -> None:
    """The person could not see what the network makes of a case while it learns."""
    data, output = pairs(tmp_path / "data", 5), put_plan(tmp_path / "blocks", **LONG)
    told, seen = Told(), []

    def look(report: object) -> None:
        told(report)
        if told[-1].preview:
            seen.append(sitk.ReadImage(str(told[-1].preview.labels)))

    result = train(data, output, CPU, tell=look)
    looks = [report for report in told if report.preview]
    assert looks[0].epoch.number == 1
    last = looks[-1].preview
    assert last.case in result.prepared.held_out[0]
    scan = sitk.ReadImage(str(last.scan))
    assert (seen[-1].GetSize(), seen[-1].GetDirection()) == (scan.GetSize(), scan.GetDirection())
    assert np.allclose(seen[-1].GetOrigin(), scan.GetOrigin())
    truth = sitk.GetArrayFromImage(sitk.ReadImage(str(data / "labels" / last.scan.name)))
    values = sitk.GetArrayFromImage(seen[-1])
    assert dice(values == 1, truth == 1) == pytest.approx(looks[-1].epoch.dice[0])
    assert looks[-1].structures == ("Bright", "Dark")


def test_the_same_seed_gives_the_same_model(tmp_path: Path) -> None:
    """Nobody could repeat what somebody else has trained."""
    data = pairs(tmp_path / "data", 5)
    for name in ("one", "two"):
        train(data, put_plan(tmp_path / name, epochs=2), CPU)
    train(data, put_plan(tmp_path / "other", epochs=2), TrainOptions(device="cpu", seed=1))
    assert same_weights(tmp_path / "one", tmp_path / "two")
    assert not same_weights(tmp_path / "one", tmp_path / "other")
