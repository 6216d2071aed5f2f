"""MONAI Auto3DSeg's files become cards and models, or are refused with the reason."""

from __future__ import annotations

import os
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from MedAssistLib.case import Scan
from MedAssistLib.errors import ModelError
from MedAssistLib.models import store
from MedAssistLib.models.formats import describe, is_tiled, load_tiled
from MedAssistLib.models.install import add
from MedAssistLib.models.plan import Blend, Moment, Scheme
from MedAssistLib.progress import Progress
from MedAssistLib.segment.engine import TiledOptions, run_tiled
from MedAssistLib.segment.engine.normalise import normalise
from MedAssistLib.segment.engine.prepare import prepare
from MedAssistLib.worker.cache import ModelCache
from Testing import auto3dseg_models as made
from Testing.orientations import ALL, stored

OBLIQUE = (-0.96, 0.28, 0.0, -0.28, -0.96, 0.0, 0.0, 0.0, 1.0)


def test_the_card_says_what_the_files_say(tmp_path: Path) -> None:
    """The user could not tell what a model segments, in what, and how well."""
    card = describe(made.write(tmp_path / "belly-v1.0.0"))
    assert (card.name, card.format, card.modality) == ("belly-v1.0.0", "auto3dseg", "CT")
    assert (card.channels, card.orientation, card.spacing) == (("CT",), "RAS", (1.1, 1.0, 1.2))
    assert "0.875" in card.accuracy
    assert is_tiled(card)
    kidney, tumour = card.segments
    assert (kidney.label, kidney.name, kidney.type.value) == (1, "Left kidney", "64033007")
    assert kidney.modifier is not None
    assert kidney.modifier.meaning == "Left"
    assert kidney.region is None
    assert (tumour.label, tumour.category.meaning) == (2, "Morphologically Altered Structure")
    assert tumour.type.meaning == "Neoplasm, Primary"
    assert tumour.region is not None
    assert tumour.region.meaning == "Kidney"
    assert kidney.colour != tumour.colour


def test_colours_are_those_of_the_codes_whatever_the_model_calls_its_labels(tmp_path: Path) -> None:
    """A kidney would be blue because its model's author wrote "l_k"."""
    named = describe(made.write(tmp_path / "a")).segments[0]
    rows = [made.ROWS[0].replace("kidney_left", "l_k"), made.ROWS[1]]
    coded = describe(made.write(tmp_path / "b", rows=rows)).segments[0]
    assert coded.colour == named.colour
    assert coded.type == named.type


def test_without_labels_the_classes_of_the_training_are_named(tmp_path: Path) -> None:
    """A model straight from a training could not be tried."""
    unnamed = describe(made.write(tmp_path / "a", rows=None))
    assert [segment.name for segment in unnamed.segments] == ["Structure 1", "Structure 2"]
    named = made.config(class_names=["liver", "spleen"])
    card = describe(made.write(tmp_path / "b", named, rows=None))
    assert [segment.type.meaning for segment in card.segments] == ["Liver", "Spleen"]


def test_labels_that_the_network_does_not_give_are_refused(tmp_path: Path) -> None:
    """Structures would get the names of others."""
    rows = [*made.ROWS, f"3,more,{made.STRUCTURE},SCT,10200004,Liver"]
    with pytest.raises(ModelError, match="labels 3, which the network does not give"):
        describe(made.write(tmp_path / "m", rows=rows))


@pytest.mark.parametrize("inside", ["", "belly-v1.0.0/"])
def test_a_published_zip_is_taken(
    inside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the extension downloaded could not be used here."""
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path / "models"))
    folder = made.write(tmp_path / "model")
    path = tmp_path / "ribs-3mm-v2.0.0.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.write(folder / "model.pt", f"{inside}model.pt")
        zipped.write(folder / "labels.csv", f"{inside}labels.csv")
    name = add([path], Progress())
    card = store.find(name)
    assert (name, card.licence) == ("auto3dseg-ribs-3mm-v2.0.0", "CC-BY-4.0")
    assert load_tiled(card).plan.outputs == 3


def test_the_plan_is_that_of_the_extension(tmp_path: Path) -> None:
    """The network would see scans that were prepared in another way than in its training."""
    plan = load_tiled(describe(made.write(tmp_path / "m"))).plan
    assert (plan.transpose, plan.patch, plan.spacing) == ((2, 1, 0), (24, 28, 20), (1.1, 1.0, 1.2))
    assert plan.kept_spacing[1] == pytest.approx((0.749, 1.251))
    assert (plan.window.step, plan.window.even, plan.window.blend) == (0.375, False, Blend.MONAI)
    assert plan.foreground is not None
    assert (plan.foreground.above, plan.foreground.margin) == (0.0, 10)
    (ct,) = plan.normalisation
    assert (ct.scheme, ct.mean, ct.deviation) == (Scheme.CT, 400.0, 450.0)
    assert ct.then is not None
    assert ct.then.scheme is Scheme.SIGMOID
    assert (plan.data.order, plan.scores.order, plan.moment) == (1, 0, Moment.WHOLE)


@pytest.mark.parametrize("mode", ["meanstd", "meanstdtanh", "pet", "none"])
def test_intensities_become_what_their_names_say(mode: str, tmp_path: Path) -> None:
    """A network would see other intensities than in its training."""
    plan = load_tiled(describe(made.write(tmp_path / "m", made.config(normalize_mode=mode)))).plan
    volume = torch.randn(1, 5, 6, 7, generator=torch.Generator().manual_seed(1)) * 20 + 50
    volume[:, 2:, 3] = 0.0
    given = volume[0].clone()
    standard = given.clone()
    inside = given[given != 0]
    standard[given != 0] = (inside - inside.mean()) / inside.std(correction=0)
    expected = {
        "meanstd": standard,
        "meanstdtanh": 3 * torch.tanh(standard / 3),
        "pet": torch.sigmoid((given - given.min()) / given.std()),
        "none": given,
    }
    normalise(volume, plan.normalisation)
    torch.testing.assert_close(volume[0], expected[mode])


@pytest.mark.parametrize(
    ("changes", "regions"),
    [
        ({"class_index": [[1, 2], [2]], "network": {"out_channels": 2}}, (1, 2)),
        ({"class_index": [[1, 2, 3], [1, 3], [3]]}, (2, 1, 3)),
        ({"network": {"in_channels": 4}, "normalize_mode": "meanstd"}, (2, 1, 3)),
        ({"network": {"out_channels": 1}}, (1,)),
    ],
)
def test_nested_outputs_paint_what_is_their_own(
    changes: dict[str, Any], regions: tuple[int, ...], tmp_path: Path
) -> None:
    """A tumour's core would be labelled as its rim."""
    folder = made.write(tmp_path / "m", made.config(sigmoid=True, **changes), rows=None)
    card = describe(folder)
    assert load_tiled(card).plan.regions == regions
    assert {segment.label for segment in card.segments} == set(regions)


def test_several_scans_are_named_and_normalised_each_in_its_way(tmp_path: Path) -> None:
    """A scan of diffusion would be prepared as the anatomical one is."""
    changes = {"modality": "mri", "extra_modalities": {"adc": "range"}}
    settings = made.config(network={"in_channels": 2}, normalize_mode="meanstd", **changes)
    card = describe(made.write(tmp_path / "m", settings))
    assert (card.channels, card.modality) == (("MR", "adc"), "MR")
    schemes = [entry.scheme for entry in load_tiled(card).plan.normalisation]
    assert schemes == [Scheme.Z_SCORE_NONZERO, Scheme.CT]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"normalize_mode": "histogram"}, 'normalisation "histogram"'),
        ({"sigmoid": True}, "may overlap"),
        ({"sigmoid": True, "class_index": [[1, 2], [2], [2, 1]]}, "overlap in a way"),
        ({"roi_size": [24, 32]}, "patch"),
        ({"roi_size": [26, 32, 28]}, "not a multiple of"),
        ({"resample_resolution": [1.0, 0.0, 1.0]}, "spacing"),
        ({"intensity_bounds": [10, 10]}, "intensities from 10.0 to 10.0"),
        ({"network": {"_target_": "os.system"}}, 'unknown kind "os.system"'),
        ({"network": {"_target_": "SegResNetVAE"}}, "unknown kind"),
        ({"network": {"norm": "torch.save"}}, 'normalisation "torch.save"'),
        ({"network": {"preprocess": {"_target_": "os.system"}}}, '"preprocess"'),
        ({"network": {"blocks_down": [10**9] * 3}}, "makes no sense"),
        ({"network": {"in_channels": "$__import__('os')"}}, "makes no sense"),
        ({"network": {"init_filters": 8}}, "weights are not those"),
    ],
)
def test_what_is_not_known_is_refused_by_name(
    changes: dict[str, Any], named: str, tmp_path: Path
) -> None:
    """Wrong structures, a traceback, or a program that nobody asked for."""
    folder = made.write(tmp_path / "m")
    fields = torch.load(folder / "model.pt")
    torch.save({**fields, "config": made.config(**changes)}, folder / "model.pt")
    with pytest.raises(ModelError, match=named) as caught:
        load_tiled(describe(folder))
    assert "model.pt" in str(caught.value)


class Hostile:
    """A pickle that makes a file when it is read."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.victim,)


def test_a_checkpoint_that_holds_a_program_is_not_read(tmp_path: Path) -> None:
    """Somebody's weights would take over the computer."""
    folder, victim = made.write(tmp_path / "m"), tmp_path / "victim"
    fields = torch.load(folder / "model.pt")
    fields["config"]["loss"] = Hostile(victim)
    torch.save(fields, folder / "model.pt", pickle_module=pickle)
    with pytest.raises(ModelError, match="asks to run"):
        describe(folder)
    assert not victim.exists()


def test_another_programs_weights_are_not_taken_for_auto3dseg(tmp_path: Path) -> None:
    """Any file called model.pt would be run in a way that is not its own."""
    torch.save({"weight": torch.zeros(2)}, tmp_path / "model.pt")
    with pytest.raises(ModelError, match="is not a model that MedAssist can run"):
        describe(tmp_path)


def test_a_truncated_file_is_one_line(tmp_path: Path) -> None:
    """The user would see a traceback."""
    folder = made.write(tmp_path / "m")
    content = (folder / "model.pt").read_bytes()
    (folder / "model.pt").write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match="is not a whole PyTorch file"):
        describe(folder)


@pytest.mark.parametrize("direction", [None, OBLIQUE])
def test_a_scan_stored_in_another_way_has_the_same_answer(
    direction: tuple[float, ...] | None, tmp_path: Path
) -> None:
    """Left and right, or the crop around the body, would depend on who wrote the file."""
    values, _ = made.balls((40, 34, 16), (0.9, 0.7, 2.1), 3)
    values[:14] = -400.0
    image = made.image(values, (0.9, 0.7, 2.1), direction)
    model = load_tiled(describe(made.write(tmp_path / "m")))
    options = TiledOptions(backend="torch", step=1.0)
    expected = run_tiled([Scan(image=image)], model, options).labels
    assert len(np.unique(expected)) == 3
    # Only ten voxels of the air beside the body are seen.
    assert expected[:, :, 4].any()
    assert not expected[:, :, :4].any()
    for order, flips in ALL[1::7]:
        turned = stored(image, order, flips)
        labels = run_tiled([Scan(image=turned)], model, options).labels
        assert labels.shape == turned.GetSize()[::-1]
        grid = sitk.GetImageFromArray(labels)
        grid.CopyInformation(turned)
        back = sitk.Resample(grid, image, sitk.Transform(), sitk.sitkNearestNeighbor)
        assert np.array_equal(sitk.GetArrayFromImage(back), expected)


def test_the_grid_of_the_network_begins_at_the_first_voxel(tmp_path: Path) -> None:
    """Everything would lie a fraction of a voxel beside its place."""
    ramp = np.arange(40, dtype=np.float32)[:, None, None] * 2.0 + np.zeros((40, 30, 30), np.float32)
    settings = made.config(normalize_mode="none", crop_foreground=False)
    model = load_tiled(describe(made.write(tmp_path / "m", settings)))
    scan = Scan(image=made.image(ramp, (0.5, 1.0, 1.2)))
    data = prepare([scan], model.plan, "cpu").data[0]
    assert data.shape == (19, 30, 30)
    # The last one lies beyond the scan, which goes on with its outermost value.
    expected = (np.arange(19) * (1.1 / 0.5)).clip(0, 39) * 2.0
    np.testing.assert_allclose(data[:, 4, 4].numpy(), expected, rtol=1e-5)


def test_a_folder_of_several_models_is_refused(tmp_path: Path) -> None:
    """Which one ran would depend on the order of the folders."""
    made.write(tmp_path / "aaa")
    made.write(tmp_path / "bbb")
    with pytest.raises(ModelError, match=r"several models \(aaa, bbb\)"):
        describe(tmp_path)


def test_a_model_of_ct_and_pet_takes_both(tmp_path: Path) -> None:
    """The PET scan would be refused for not being a CT."""
    changes = {"modality": "ct", "extra_modalities": {"image_pet": "pet"}}
    settings = made.config(network={"in_channels": 2}, **changes)
    assert describe(made.write(tmp_path / "m", settings)).modality == ""


def test_new_weights_in_the_same_folder_are_loaded_afresh(tmp_path: Path) -> None:
    """A warm worker would go on with the old network and the new one's names."""
    models = ModelCache()
    folder = made.write(tmp_path / "m")
    first = models.load(describe(folder), "cpu")
    assert models.load(describe(folder), "cpu") is first
    made.write(folder)
    os.utime(folder / "model.pt", ns=(1, 1))
    assert models.load(describe(folder), "cpu") is not first
    trusted = replace(describe(folder), trusted=True)
    assert models.load(trusted, "cpu") is not models.load(describe(folder), "cpu")
