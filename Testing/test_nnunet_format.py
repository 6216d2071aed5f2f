"""nnU-Net's folders become cards and models, or are refused with the reason."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from MedAssistLib.case import TISSUE
from MedAssistLib.errors import ModelError
from MedAssistLib.models.formats import describe, is_tiled, load_tiled
from MedAssistLib.models.plan import Resampling, Scheme
from Testing import nnunet_models as made
from Testing.conftest import REPOSITORY


@pytest.fixture
def belly(tmp_path: Path) -> Path:
    """The folder of a data set, still empty."""
    return tmp_path / "Dataset007_Belly"


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a JSON file."""
    fields = json.loads(path.read_text())
    change(fields)
    path.write_text(json.dumps(fields))


def test_the_card_says_what_the_files_say(belly: Path) -> None:
    """The user could not tell what a model segments, in what, and from what."""
    data = made.dataset(description="Belly organs", licence="CC-BY-4.0", reference="A. Author")
    card = describe(made.write_model(belly, data=data, folds=(0, 2)))
    assert (card.name, card.title, card.format) == ("belly-3d-fullres", "Belly organs", "nnunet")
    assert (card.licence, card.source, card.modality) == ("CC-BY-4.0", "A. Author", "CT")
    assert card.channels == ("CT",)
    assert card.spacing == (1.25, 1.5, 3.0)
    assert card.training_data == "12 cases of Dataset007_Belly"
    assert list(card.weights) == ["fold 0", "fold 2"]
    assert all(
        (card.folder / entry.path).stat().st_size == entry.size for entry in card.weights.values()
    )
    assert is_tiled(card)
    liver, kidney = card.segments
    assert (liver.label, liver.name, liver.type.value) == (1, "Liver", "10200004")
    assert (kidney.label, kidney.name, kidney.type.value) == (2, "Left kidney", "64033007")
    assert kidney.modifier is not None
    assert kidney.modifier.meaning == "Left"
    assert liver.colour != kidney.colour


def test_unknown_structures_are_tissue_with_colours_of_their_own(belly: Path) -> None:
    """Structures could not be told apart, or would carry a wrong code."""
    labels = {"background": 0, **{f"part {n}": n for n in range(1, 40)}, "GTVp": 40}
    card = describe(made.write_model(belly, data=made.dataset(labels=labels), outputs=41))
    assert {segment.type for segment in card.segments} == {TISSUE}
    assert len({segment.colour for segment in card.segments}) == 40
    assert [card.segments[0].name, card.segments[-1].name] == ["Part 1", "GTVp"]


def test_an_alteration_of_an_organ_has_both_codes(belly: Path) -> None:
    """A tumour of the liver would be exported as liver, or as nothing."""
    labels = {"background": 0, "liver_tumor": 1, "kidney_cyst_left": 2}
    tumour, cyst = describe(made.write_model(belly, data=made.dataset(labels=labels))).segments
    assert tumour.type.meaning == "Neoplasm"
    assert tumour.region is not None
    assert tumour.region.meaning == "Liver"
    assert cyst.type.meaning == "Cyst"
    assert cyst.modifier is not None


@pytest.mark.parametrize(
    ("channels", "modality"),
    [
        (["CT"], "CT"),
        (["T1", "FLAIR"], "MR"),
        (["t2w"], "MR"),
        (["PET", "CT"], ""),
        (["image"], ""),
    ],
)
def test_the_modality_is_that_of_the_channels(
    channels: list[str], modality: str, belly: Path
) -> None:
    """A scan that fits would be refused, or one that does not fit accepted."""
    count = len(channels)
    schemes = {
        "normalization_schemes": ["ZScoreNormalization"] * count,
        "use_mask_for_norm": [True] * count,
    }
    plan = made.plans(configurations={made.FULLRES: made.configuration(**schemes)})
    data = made.dataset(channel_names={str(n): name for n, name in enumerate(channels)})
    card = describe(made.write_model(belly, plan=plan, data=data, inputs=count))
    assert card.modality == modality
    assert card.channels == tuple(channels)


def test_the_spacing_of_transposed_axes_is_given_along_i_j_k(belly: Path) -> None:
    """The card would show a voxel size that is turned."""
    plan = made.plans(transpose_forward=[2, 0, 1], transpose_backward=[1, 2, 0])
    assert describe(made.write_model(belly, plan=plan)).spacing == (3.0, 1.25, 1.5)
    flat = made.write_model(belly, plan=plan, name=made.FLAT, mirror_axes=(0, 1))
    assert describe(flat).spacing == (0.0, 1.25, 1.5)


def test_the_accuracy_is_the_authors_own_cross_validation(belly: Path) -> None:
    """The user could not judge how good the model is."""
    folder = made.write_model(belly, folds=(0, 1))
    assert "not stated" in describe(folder).accuracy
    for fold, score in enumerate((0.8, 0.9)):
        (folder / f"fold_{fold}" / "validation").mkdir()
        summary = {"foreground_mean": {"Dice": score}}
        (folder / f"fold_{fold}" / "validation" / "summary.json").write_text(json.dumps(summary))
    assert "0.850" in describe(folder).accuracy


def test_the_plan_is_that_of_the_training(belly: Path) -> None:
    """The network would see scans that were prepared in another way than in its training."""
    folder = made.write_model(belly, mirror_axes=(0, 2))
    plan = load_tiled(describe(folder)).plan
    assert (plan.spacing, plan.patch) == ((3.0, 1.5, 1.25), (8, 16, 16))
    (ct,) = plan.normalisation
    assert (ct.scheme, ct.low, ct.high) == (Scheme.CT, -200.0, 400.0)
    assert (ct.mean, ct.deviation) == (80.0, 120.0)
    assert plan.data == Resampling(order=3, order_apart=0, apart=None)
    assert plan.scores == Resampling(order=1, order_apart=0, apart=None)
    assert plan.mirror_axes == (0, 2)
    assert (plan.orientation, plan.crop_to_nonzero, plan.outputs) == ("", True, 3)


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("ZScoreNormalization", Scheme.Z_SCORE),
        ("NoNormalization", Scheme.NONE),
        ("RescaleTo01Normalization", Scheme.RESCALE),
        ("RGBTo01Normalization", Scheme.RGB),
    ],
)
def test_every_normalisation_is_known(name: str, scheme: Scheme, belly: Path) -> None:
    """A model with this normalisation could not be run."""
    changed = made.configuration(normalization_schemes=[name], use_mask_for_norm=[True])
    plan = made.plans(configurations={made.FULLRES: changed})
    (found,) = load_tiled(describe(made.write_model(belly, plan=plan))).plan.normalisation
    assert found.scheme is scheme
    assert found.within_mask is (scheme is Scheme.Z_SCORE)


def test_torch_resampling_and_none_are_known(belly: Path, tmp_path: Path) -> None:
    """Models of nnU-Net's other resampling functions could not be run."""
    roles = ("resampling_fn_data", "resampling_fn_probabilities")
    linear = made.configuration(**dict.fromkeys(roles, "resample_torch_fornnunet"))
    for role in roles:
        linear[f"{role}_kwargs"] = {"is_seg": False, "force_separate_z": False, "num_threads": 4}
    plan = made.plans(configurations={made.FULLRES: linear})
    found = load_tiled(describe(made.write_model(belly, plan=plan))).plan
    assert found.data == found.scores == Resampling(order=1, apart=False)
    none = made.configuration(**dict.fromkeys(roles, "no_resampling_hack"))
    plan = made.plans(configurations={made.FULLRES: none})
    folder = made.write_model(tmp_path / "Dataset008_Raw", plan=plan)
    assert load_tiled(describe(folder)).plan.spacing == ()
    assert describe(folder).spacing == ()


def test_regions_are_named_by_what_is_left_of_them(belly: Path) -> None:
    """A tumour's rim would be shown as the whole tumour."""
    data = made.dataset(
        labels={"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3, "ignore": 4},
        regions_class_order=[1, 2, 3],
    )
    card = describe(made.write_model(belly, data=data))
    assert [segment.name for segment in card.segments] == [
        "Whole without core",
        "Core without enhancing",
        "Enhancing",
    ]
    plan = load_tiled(card).plan
    assert (plan.outputs, plan.regions) == (3, (1, 2, 3))


def test_folds_are_read_when_their_turn_comes(belly: Path) -> None:
    """Five large networks would be in memory at once."""
    folder = made.write_model(belly, folds=(0, 1, 2))
    model = load_tiled(describe(folder))
    (folder / "fold_1" / "checkpoint_final.pth").unlink()
    patch = torch.rand(1, 1, *model.plan.patch)
    with torch.inference_mode():
        first, third = model.members[0]("cpu")(patch), model.members[2]("cpu")(patch)
    assert (first - third).abs().max() > 1e-3
    with pytest.raises(ModelError, match="fold_1"):
        model.members[1]("cpu")


def test_a_card_with_fewer_folds_runs_only_those(belly: Path) -> None:
    """The user could not trade accuracy for time."""
    card = describe(made.write_model(belly, folds=(0, 1)))
    fewer = replace(card, weights={"fold 1": card.weights["fold 1"]})
    assert len(load_tiled(fewer).members) == 1


def test_the_best_epoch_and_a_training_on_everything_serve_if_there_is_no_other(
    belly: Path,
) -> None:
    """Published models without the usual five folds could not be used."""
    folder = made.write_model(belly, folds=("all",))
    assert list(describe(folder).weights) == ["fold all"]
    checkpoint = folder / "fold_all" / "checkpoint_final.pth"
    checkpoint.rename(checkpoint.with_name("checkpoint_best.pth"))
    card = describe(folder)
    assert card.weights["fold all"].path == "fold_all/checkpoint_best.pth"
    assert len(load_tiled(card).members) == 1


def test_a_data_sets_folder_gives_its_full_resolution(belly: Path) -> None:
    """The user would have to know nnU-Net's folders to add a model."""
    made.write_model(belly, name=made.FLAT, mirror_axes=(0, 1))
    made.write_model(belly, name=made.LOWRES)
    folder = made.write_model(belly)
    assert describe(belly).folder == folder
    assert describe(belly.parent).folder == folder


def test_several_data_sets_are_not_one_model(tmp_path: Path) -> None:
    """The user would get one of them without knowing which."""
    for name in ("Dataset001_A", "Dataset002_B"):
        made.write_model(tmp_path / name, plan=made.plans(dataset_name=name))
    with pytest.raises(ModelError, match="Dataset001_A, Dataset002_B"):
        describe(tmp_path)


def test_a_renamed_folder_is_known_by_its_checkpoint(belly: Path, tmp_path: Path) -> None:
    """A model would run in a configuration that it was not trained in."""
    folder = made.write_model(belly, name=made.LOWRES).rename(tmp_path / "my model")
    card = describe(folder)
    assert card.architecture["configuration"] == made.LOWRES
    assert load_tiled(card).plan.spacing == (6.0, 3.0, 2.5)


def test_the_cascade_needs_and_finds_its_first_stage(belly: Path) -> None:
    """The second stage would be given nothing where it expects the first stage's result."""
    second = made.write_model(belly, name=made.CASCADE, inputs=3)
    with pytest.raises(ModelError, match="first stage, 3d_lowres"):
        describe(second)
    made.write_model(belly, name=made.LOWRES, folds=(0, 1))
    model = load_tiled(describe(second))
    assert model.plan.cascade == (1, 2)
    assert model.previous is not None
    assert model.previous.plan.spacing == (6.0, 3.0, 2.5)
    assert len(model.previous.members) == 2


def test_the_trainer_for_batch_normalisation_changes_the_network(belly: Path) -> None:
    """Its weights would be refused, because the plans name another normalisation."""
    network = (made.UNET, made.arguments(3, norm_op="torch.nn.BatchNorm3d"))
    folder = made.write_model(belly, trainer="nnUNetTrainerBN", network=network)
    model = load_tiled(describe(folder))
    with torch.inference_mode():
        model.members[0]("cpu")(torch.rand(1, 1, *model.plan.patch))


@pytest.mark.parametrize(
    "trainer",
    [
        "nnUNetTrainer_4000epochs_NoMirroring",
        "nnUNetTrainer_DASegOrd0_NoMirroring",
        "nnUNetTrainerDA5_10epochs",
        "nnUNetTrainer_onlyMirror01_1500ep",
        "nnUNetTrainerNoMirroring",
    ],
)
def test_trainers_that_change_only_the_training_are_known(trainer: str, belly: Path) -> None:
    """TotalSegmentator's models, among others, could not be run."""
    load_tiled(describe(made.write_model(belly, trainer=trainer)))


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("normalization_schemes", ["MyNormalization"], "MyNormalization"),
        ("resampling_fn_data", "my_resampling", "my_resampling"),
        ("resampling_fn_probabilities_kwargs", {"turbo": 1}, "turbo"),
        ("resampling_fn_data", "no_resampling_hack", "only one of"),
        ("preprocessor_name", "MyPreprocessor", "MyPreprocessor"),
        ("patch_size", [8, 16], "patch"),
        ("patch_size", [8, 16, 0], "patch"),
        ("spacing", "close", "makes no sense"),
    ],
)
def test_what_is_not_known_is_refused_by_its_name(
    key: str, value: Any, named: str, belly: Path
) -> None:
    """A model would run in another way than its author meant, and give another result."""
    changed = {**made.configuration(), key: value}
    folder = made.write_model(belly, plan=made.plans(configurations={made.FULLRES: changed}))
    with pytest.raises(ModelError, match=named) as caught:
        describe(folder)
    assert "plans.json" in caught.value.where


@pytest.mark.parametrize(
    ("key", "value"),
    [("label_manager", "MyLabels"), ("image_reader_writer", "NaturalImage2DIO")],
)
def test_unknown_parts_of_the_plans_are_refused_by_their_name(
    key: str, value: str, belly: Path
) -> None:
    """As above, for what all configurations share."""
    with pytest.raises(ModelError, match=value):
        describe(made.write_model(belly, plan=made.plans(**{key: value})))


def test_an_unknown_trainer_is_refused_even_under_a_known_name(belly: Path) -> None:
    """A network that differs in what the weights do not show would give another result."""
    with pytest.raises(ModelError, match="MyTrainer"):
        describe(made.write_model(belly, trainer="nnUNetTrainer_MyTrainer"))
    folder = belly / "nnUNetTrainer_MyTrainer__nnUNetPlans__3d_fullres"
    renamed = folder.rename(belly / "nnUNetTrainer__nnUNetPlans__3d_fullres")
    with pytest.raises(ModelError, match="MyTrainer"):
        load_tiled(describe(renamed))


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        ({"liver": 1}, "no background"),
        ({"background": 0, "liver": 2}, "not 0, 1, 2"),
        ({"background": 0, "liver": [1, 2]}, "regions_class_order"),
        ({"background": 0, "liver": "much"}, "makes no sense"),
        ([1, 2], "makes no sense"),
    ],
)
def test_labels_that_make_no_sense_are_refused(labels: Any, named: str, belly: Path) -> None:
    """Structures would get wrong names."""
    with pytest.raises(ModelError, match=named) as caught:
        describe(made.write_model(belly, data=made.dataset(labels=labels)))
    assert "dataset.json" in caught.value.where


def test_labels_that_the_network_does_not_have_are_refused(belly: Path) -> None:
    """Somebody edited the labels: structures would get the names of others."""
    folder = made.write_model(belly)
    edit(folder / "dataset.json", lambda fields: fields["labels"].update(spleen=3))
    with pytest.raises(ModelError, match="is 3×6") as caught:
        load_tiled(describe(folder))
    assert "checkpoint_final.pth" in caught.value.where


def test_a_damaged_or_incomplete_model_is_one_line(belly: Path, tmp_path: Path) -> None:
    """The user would see a traceback, or nothing, after an interrupted copy."""
    folder = made.write_model(belly)
    checkpoint = folder / "fold_0" / "checkpoint_final.pth"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-99])
    with pytest.raises(ModelError, match="PyTorch file"):
        load_tiled(describe(folder))
    torch.save({"network_weights": {}}, checkpoint)
    with pytest.raises(ModelError, match="no entry 'trainer_name'"):
        load_tiled(describe(folder))
    checkpoint.unlink()
    with pytest.raises(ModelError, match="no trained fold"):
        describe(folder)
    (folder / "plans.json").write_text("{")
    with pytest.raises(ModelError, match=r"plans\.json: is not a readable JSON"):
        describe(folder)
    with pytest.raises(ModelError, match="is not a model that MedAssist can run"):
        describe(tmp_path / "nothing")


def test_configurations_that_inherit_from_each_other_are_refused(belly: Path) -> None:
    """A hostile plan would run for ever."""
    folder = made.write_model(belly)

    def loop(fields: dict[str, Any]) -> None:
        fields["configurations"][made.FULLRES]["inherits_from"] = made.CASCADE

    edit(folder / "plans.json", loop)
    with pytest.raises(ModelError, match="no usable configuration"):
        describe(folder)


def test_describing_a_model_needs_no_torch(belly: Path) -> None:
    """Slicer without torch could not even list the models."""
    folder = made.write_model(belly)
    code = (
        "import sys; from pathlib import Path; from MedAssistLib.models.formats import describe; "
        f"describe(Path({str(folder)!r})); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0
