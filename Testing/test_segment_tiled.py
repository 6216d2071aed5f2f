"""Segmenting with nnU-Net models through the verb: any orientation, regions, classes, folds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Scan
from MedAssistLib.cli import main
from MedAssistLib.errors import InputError, ModelError, UsageError
from MedAssistLib.export.images import write_scan
from MedAssistLib.models import find
from MedAssistLib.read import read_segmentation
from MedAssistLib.segment import SegmentOptions, segment, segment_in_detail
from MedAssistLib.worker.cache import ModelCache
from Testing import nnunet_models, orientations, tiny_models


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of random weights with two folds, as nnU-Net leaves it."""
    return str(nnunet_models.write_model(tmp_path_factory.mktemp("nnunet"), folds=(0, 1)))


@pytest.fixture(scope="module")
def ct() -> Scan:
    return tiny_models.blobs((22, 34, 30), sigma=4.0, height=3000.0, seed=3)


def test_all_48_ways_to_store_an_oblique_scan_give_the_same_answer(model: str, ct: Scan) -> None:
    options = SegmentOptions(orientation="RAS")
    expected = segment(ct, find(model), options).labels
    assert len(np.unique(sitk.GetArrayViewFromImage(expected))) == 3
    for order, flips in orientations.ALL:
        image = orientations.stored(ct.image, order, flips)
        labels = segment(Scan(image=image, modality="CT"), find(model), options).labels
        assert geometry.same_grid(labels, image)
        turned = orientations.stored(expected, order, flips)
        agreement = np.mean(
            sitk.GetArrayViewFromImage(labels) == sitk.GetArrayViewFromImage(turned)
        )
        assert agreement >= 0.9999, (order, flips)


def test_an_orientation_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="no orientation"):
        SegmentOptions(orientation="RAL")


def test_names_and_codes_come_from_the_models_own_files(model: str, ct: Scan) -> None:
    liver, kidney = segment(ct, find(model)).segments
    assert (liver.name, liver.type.value) == ("Liver", "10200004")
    assert (kidney.label, kidney.type.meaning) == (2, "Kidney")
    assert kidney.modifier is not None
    assert kidney.modifier.meaning == "Left"


def test_only_the_wanted_class_is_given(model: str, ct: Scan) -> None:
    card = find(model)
    whole = sitk.GetArrayFromImage(segment(ct, card).labels)
    name = card.segments[1].name
    part = segment(ct, card, SegmentOptions(classes=(name.lower(),)))
    assert np.array_equal(sitk.GetArrayFromImage(part.labels), np.where(whole == 2, 2, 0))
    assert [entry.name for entry in part.segments] == [name]
    with pytest.raises(UsageError, match="has no spleen"):
        segment(ct, card, SegmentOptions(classes=("spleen",)))


def test_a_region_is_segmented_as_the_scan_cut_to_it_and_the_rest_is_empty(
    model: str, ct: Scan
) -> None:
    card = find(model)
    upright = sitk.Image(ct.image)
    upright.SetDirection(np.eye(3).ravel().tolist())
    scan, cut = Scan(image=upright, modality="CT"), upright[8:24, 6:28, 4:18]
    box = geometry.box_lps(cut, (0, 0, 0), cut.GetSize())
    result = segment(scan, card, SegmentOptions(region=box)).labels
    assert geometry.same_grid(result, upright)
    values = sitk.GetArrayFromImage(result)
    alone = segment(Scan(image=cut, modality="CT"), card).labels
    assert np.array_equal(values[4:18, 6:28, 8:24], sitk.GetArrayViewFromImage(alone))
    values[4:18, 6:28, 8:24] = 0
    assert not values.any()
    with pytest.raises(InputError, match="region"):
        segment(ct, card, SegmentOptions(region=((900.0, 900.0, 900.0), (950.0, 950.0, 950.0))))


def test_folds_can_be_chosen(model: str, ct: Scan) -> None:
    card = find(model)
    both, first, second = (
        sitk.GetArrayFromImage(segment(ct, card, SegmentOptions(folds=folds)).labels)
        for folds in ((), ("0",), ("1",))
    )
    assert not np.array_equal(first, second)
    assert not np.array_equal(both, first)
    with pytest.raises(UsageError, match="has no fold 7"):
        segment(ct, card, SegmentOptions(folds=("7",)))


def test_probabilities_sum_to_one_and_their_largest_is_the_label(model: str, ct: Scan) -> None:
    result = segment_in_detail([ct], find(model), SegmentOptions(probabilities=True))
    assert result.probabilities is not None
    labels = sitk.GetArrayViewFromImage(result.segmentation.labels)
    assert result.probabilities.shape == (3, *labels.shape)
    assert np.allclose(result.probabilities.sum(axis=0), 1.0, atol=1e-3)
    assert np.mean(result.probabilities.argmax(axis=0) == labels) > 0.999


def test_the_wrong_number_of_channels_is_refused(model: str, ct: Scan) -> None:
    with pytest.raises(ModelError, match="wants 1 scans"):
        segment_in_detail([ct, ct], find(model))


@pytest.mark.parametrize(
    ("done", "modality", "told"),
    [
        (("denoise.median:radius=1", "contrast.clahe:tile=60", "structure.log"), "CT", True),
        (("denoise.median:radius=1", "contrast.window:width=400"), "CT", False),
        (("contrast.clahe:tile=60",), "MR", False),
    ],
)
def test_values_that_are_no_hounsfield_units_any_more_are_told(
    model: str, ct: Scan, done: tuple[str, ...], modality: str, told: bool
) -> None:
    """A model of CT clips and scales HU: on other values it finds something, but what?"""
    scan, card = replace(ct, enhancement=done, modality=""), replace(find(model), modality=modality)
    findings = segment_in_detail([scan], card).findings
    assert [finding.rule for finding in findings] == ["segment.no-hounsfield"] * told
    assert all("after contrast.clahe, structure.log" in finding.title for finding in findings)


def test_a_cached_model_gives_the_same_answer(model: str, ct: Scan) -> None:
    models = ModelCache()
    expected = segment(ct, find(model)).labels
    for _ in range(2):
        again = segment_in_detail([ct], find(model), load=models.load).segmentation.labels
        assert sitk.Hash(again) == sitk.Hash(expected)


def test_a_cached_model_is_loaded_again_when_its_plans_were_edited(tmp_path: Path) -> None:
    """A warm worker would go on as before, and nobody would know why the edit does nothing."""
    folder, models = nnunet_models.write_model(tmp_path), ModelCache()
    first = models.load(find(str(folder)), "cpu")
    assert models.load(find(str(folder)), "cpu") is first
    plans = nnunet_models.plans()
    plans["configurations"]["3d_fullres"]["normalization_schemes"] = ["ZScoreNormalization"]
    (folder / "plans.json").write_text(json.dumps(plans))
    again = models.load(find(str(folder)), "cpu")
    assert again.plan.normalisation != first.plan.normalisation


def test_the_command_line_runs_it_with_every_option(
    model: str, ct: Scan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan, out, mask = tmp_path / "ct.nrrd", tmp_path / "o.seg.nrrd", tmp_path / "mask.nrrd"
    write_scan(ct, scan)
    some = ct.image > 0.0
    sitk.WriteImage(some, str(mask))
    status = main(
        ["segment", str(scan), "--model", model, "-o", str(out), "--roi-mask", str(mask),
         "--classes", "liver", "--folds", "0", "--step", "0.8", "--mirror", "--precision", "full",
         "--max-memory", "4", "--probabilities", str(tmp_path / "p.nii.gz"), "--json"]
    )  # fmt: skip
    assert status == 0, capsys.readouterr().err
    printed = json.loads(capsys.readouterr().out)
    assert printed["segments"] == ["Liver"]
    assert set(printed["seconds"]) >= {"model", "network", "place"}
    assert [entry.name for entry in read_segmentation(out).segments] == ["Liver"]
    assert sitk.ReadImage(str(tmp_path / "p.nii.gz")).GetNumberOfComponentsPerPixel() == 3
