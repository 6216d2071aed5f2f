"""MONAI bundles become cards and models, without running what they hold."""

from __future__ import annotations

import copy
import shutil
import sys
import warnings
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
from MedAssistLib.models.card import PostProcessing
from MedAssistLib.models.formats import describe, is_tiled, load_tiled
from MedAssistLib.models.install import add
from MedAssistLib.models.plan import Blend, Moment, Scheme
from MedAssistLib.progress import Progress
from MedAssistLib.segment.engine import TiledOptions, run_tiled
from Testing import auto3dseg_models as scans
from Testing import monai_bundles as made
from Testing.orientations import ALL, stored

UNET = {
    "_target_": "UNet",
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 3,
    "channels": [4, 8],
    "strides": [2],
}
KEYS = made.KEYS


def test_the_card_says_what_the_metadata_say(tmp_path: Path) -> None:
    """The user could not tell what a bundle segments, in what, and from what."""
    card = describe(made.write(tmp_path / "belly"))
    assert (card.name, card.title, card.version) == ("belly", "Liver and left kidney", "0.2.1")
    assert (card.format, card.modality, card.channels) == ("monai-bundle", "CT", ("image 0",))
    assert (card.licence, card.intended_use) == ("see LICENSE in its folder", "Tests only")
    assert (card.training_data, card.accuracy) == ("Task99_Belly", "mean dice 0.91")
    assert (card.orientation, card.spacing) == ("RAS", (1.1, 1.0, 1.2))
    assert [segment.type.meaning for segment in card.segments] == ["Liver", "Kidney"]
    assert is_tiled(card)


def test_the_plan_is_that_of_the_transforms(tmp_path: Path) -> None:
    """The network would see scans that were prepared in another way than in its training."""
    plan = load_tiled(describe(made.write(tmp_path / "m"))).plan
    assert (plan.transpose, plan.patch, plan.spacing) == ((2, 1, 0), (24, 28, 20), (1.1, 1.0, 1.2))
    (scaled,) = plan.normalisation
    assert (scaled.scheme, scaled.low, scaled.high) == (Scheme.CT, -200.0, 900.0)
    assert (scaled.mean, scaled.deviation) == (-200.0, 1100.0)
    assert (plan.moment, plan.foreground) == (Moment.RESAMPLED, None)
    assert (plan.window.step, plan.window.blend) == (0.5, Blend.CONSTANT)
    assert (plan.scores.order, plan.likelihoods, plan.regions) == (1, True, ())


def test_references_are_followed_and_what_is_switched_off_is_left_out(tmp_path: Path) -> None:
    """A bundle whose author wrote a number only once could not be run."""
    off = {"_target_": "Flipd", **KEYS, "_disabled_": True}
    config = made.inference(
        settings={"sizes": [[8, 8, 8], [16, 12, 8]], "overlap": 0.25},
        preprocessing=made.chain(made.ORIENT, off, made.RANGE),
        inferer={
            "_target_": "monai.inferers.SlidingWindowInferer",
            "roi_size": "@settings#sizes#1",
            "overlap": "$@settings::overlap",
        },
    )
    plan = load_tiled(describe(made.write(tmp_path / "m", config))).plan
    assert (plan.patch, plan.window.step) == ((16, 12, 8), 0.75)


def test_a_chain_of_intensities_is_done_in_its_order(tmp_path: Path) -> None:
    """The bundle of the whole body would see other intensities than in its training."""
    chain = made.chain(
        {"_target_": "NormalizeIntensityd", **KEYS, "nonzero": True},
        {"_target_": "ScaleIntensityd", **KEYS, "minv": -1.0, "maxv": 1.0},
    )
    plan = load_tiled(
        describe(made.write(tmp_path / "m", made.inference(preprocessing=chain)))
    ).plan
    schemes, step = [], plan.normalisation[0]
    while step is not None:
        schemes.append(step.scheme)
        step = step.then
    assert schemes == [Scheme.Z_SCORE_NONZERO, Scheme.RESCALE, Scheme.CT]


def test_a_crop_after_scaling_is_at_the_scans_own_intensity(tmp_path: Path) -> None:
    """The network would see another part of the scan than in its training."""
    crop = {"_target_": "CropForegroundd", **KEYS, "source_key": "@image_key"}
    config = made.inference(preprocessing=made.chain(made.RANGE, crop, made.ORIENT, made.SPACE))
    plan = load_tiled(describe(made.write(tmp_path / "m", config))).plan
    assert plan.foreground is not None
    assert (plan.foreground.above, plan.moment) == (-200.0, Moment.WHOLE)


def test_the_answer_is_finished_as_the_bundle_says(tmp_path: Path) -> None:
    """Islands that the bundle's author removes would stay."""
    keep = {"_target_": "KeepLargestConnectedComponentd", "keys": "pred", "applied_labels": [1, 2]}
    nearest = {**made.INVERT, "nearest_interp": True}
    config = made.inference(postprocessing=made.after(made.SOFTMAX, made.ARGMAX, keep, nearest))
    card = describe(made.write(tmp_path / "m", config))
    assert card.postprocessing == PostProcessing(largest_component=True)
    assert load_tiled(card).plan.scores.order == 0


COMPOSE = "preprocessing"
UNKNOWN: list[tuple[dict[str, Any], str]] = [
    ({COMPOSE: made.chain({"_target_": "Flipd", **KEYS})}, "unknown transform Flipd"),
    ({COMPOSE: made.chain({**made.SPACE, "mode": "nearest"})}, 'mode "nearest"'),
    ({COMPOSE: made.chain({**made.SPACE, "diagonal": True})}, '"diagonal"'),
    ({COMPOSE: made.chain({**made.RANGE, "relative": True})}, '"relative"'),
    ({COMPOSE: made.chain(made.SPACE, made.ORIENT)}, "turns scans"),
    ({COMPOSE: made.chain({**made.RANGE, "keys": "other"})}, "several images"),
    ({COMPOSE: made.chain(made.RANGE, made.SPACE, made.RANGE)}, "both before and after"),
    ({COMPOSE: "$monai.transforms.Compose(@all)"}, "not a plain description"),
    ({"inferer": {"_target_": "SimpleInferer"}}, "unknown inferer SimpleInferer"),
    ({"inferer": {"_target_": "SlidingWindowInferer"}}, "no entry 'roi_size'"),
    ({"postprocessing": made.after(made.SOFTMAX)}, "become labels"),
    (
        {"postprocessing": made.after({"_target_": "Activationsd", "sigmoid": True}, made.ARGMAX)},
        "become labels",
    ),
    ({"channels": "@image_key"}, "makes no sense"),
    ({"image_key": "@there", "there": "@image_key"}, "round in a circle"),
    ({"network_def": {**made.SEGRESNET, "init_filters": "@nowhere"}}, "@nowhere"),
    ({"network_def": {**made.SEGRESNET, "surprise": 1}}, '"surprise"'),
    ({"network_def": {"_target_": "SegResNetVAE"}}, "unknown kind SegResNetVAE"),
]


@pytest.mark.parametrize(("changes", "named"), UNKNOWN)
def test_what_is_not_known_is_refused_by_name(
    changes: dict[str, Any], named: str, tmp_path: Path
) -> None:
    """Wrong structures, or a traceback."""
    folder = made.write(tmp_path / "m", made.inference(**changes))
    with pytest.raises(ModelError, match=named) as caught:
        load_tiled(describe(folder))
    assert "inference.json" in str(caught.value)


def hostile(victim: Path) -> list[tuple[str, Any]]:
    """Return entries that make a file if anybody builds or evaluates them."""
    text = f"$__import__('pathlib').Path({str(victim)!r}).touch()"
    call = {"_target_": "os.system", "command": f"touch {victim}"}
    script = {"_target_": "scripts.networks.Network", "in_channels": 1}
    return [
        ("network_def", text),
        ("network_def", call),
        ("network_def", script),
        ("network_def", {**made.SEGRESNET, "act": text}),
        ("network_def", {**made.SEGRESNET, "act": call}),
        ("network_def", {**UNET, "act": call}),
        ("network_def", {**UNET, "norm": ["batch", {"eps": text}]}),
        ("network_def", {**UNET, "_target_": "monai.bundle.run"}),
        ("network_def", {**UNET, "_target_": "monai.networks.nets.FlexibleUNet"}),
        ("inferer", text),
        ("inferer", call),
        ("inferer", {"_target_": "SlidingWindowInferer", "roi_size": text}),
        ("preprocessing", text),
        ("preprocessing", made.chain(call)),
        ("preprocessing", made.chain({**made.RANGE, "a_min": text})),
        ("preprocessing", made.chain({**made.RANGE, "_disabled_": text})),
        ("preprocessing", made.chain({"_target_": "Lambdad", **KEYS, "func": text})),
        ("postprocessing", made.after(call)),
        ("postprocessing", made.after({"_target_": "Lambdad", "keys": "pred", "func": text})),
    ]


@pytest.mark.parametrize("number", range(19))
def test_programs_in_what_is_needed_are_refused_and_not_run(number: int, tmp_path: Path) -> None:
    """Somebody's bundle would take over the computer."""
    victim = tmp_path / "victim"
    name, entry = hostile(victim)[number]
    folder = made.write(tmp_path / "m", made.inference(**{name: entry}))
    for trusted in (False, True):
        with pytest.raises(ModelError):
            load_tiled(replace(describe(folder), trusted=trusted))
    assert not victim.exists()


def test_programs_elsewhere_are_not_run(tmp_path: Path) -> None:
    """Most bundles have some for what MedAssist does itself, and could not be used at all."""
    victim = tmp_path / "victim"
    text = f"$__import__('pathlib').Path({str(victim)!r}).touch()"
    config = made.inference(
        imports=["$import os", text], device=text, handlers=[text], initialize=[text], run=[text]
    )
    inferer = {**config["inferer"], "device": "@device"}
    folder = made.write(tmp_path / "m", {**config, "inferer": inferer})
    (folder / "scripts").mkdir()
    (folder / "scripts" / "__init__.py").write_text(f"open({str(victim)!r}, 'w')")
    load_tiled(describe(folder)).members[0]("cpu")
    assert not victim.exists()


def test_a_checkpoint_that_holds_a_program_is_not_read(tmp_path: Path) -> None:
    """Somebody's weights would take over the computer."""
    folder = made.write(tmp_path / "m")
    torch.save({"model": made.weights(made.SEGRESNET), "what": Path}, folder / "models/model.pt")
    with pytest.raises(ModelError, match="asks to run"):
        load_tiled(describe(folder))


def test_yaml_without_its_reader_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made.write(tmp_path / "m")
    config = folder / "configs"
    shutil.move(config / "inference.json", config / "inference.yaml")
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ModelError, match="pip install pyyaml"):
        describe(folder)


def test_a_network_of_monais_without_monai_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user would see that a module is missing, and not what to do."""
    monkeypatch.setitem(sys.modules, "monai", None)
    card = describe(made.write(tmp_path / "m", made.inference(network_def=UNET)))
    with pytest.raises(ModelError, match=r"pip install medassist\[monai\]"):
        load_tiled(card)


@pytest.mark.parametrize("part", ["model", "state_dict"])
def test_weights_inside_a_checkpoint_are_found(part: str, tmp_path: Path) -> None:
    """What MONAI's own handler saved would be refused."""
    state = {part: made.weights(made.SEGRESNET), "epoch": 3}
    load_tiled(describe(made.write(tmp_path / "m", state=state)))


def test_torchscript_is_run_only_if_the_user_trusts_it(tmp_path: Path) -> None:
    """TorchScript can do harm as soon as it is read."""
    folder = made.write(tmp_path / "m")
    (folder / "models" / "model.pt").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        script = torch.jit.trace(torch.nn.Conv3d(1, 3, 1), torch.rand(1, 1, 8, 8, 8))
        torch.jit.save(script, folder / "models" / "model.ts")
    card = describe(folder)
    with pytest.raises(ModelError, match="is a program"):
        load_tiled(card)
    network = load_tiled(replace(card, trusted=True)).members[0]("cpu")
    assert network(torch.rand(1, 1, 8, 8, 8)).shape == (1, 3, 8, 8, 8)


def test_a_bundle_without_weights_or_configuration_says_so(tmp_path: Path) -> None:
    folder = made.write(tmp_path / "m")
    (folder / "models" / "model.pt").unlink()
    with pytest.raises(ModelError, match=r"has neither models/model\.pt"):
        describe(folder)
    (folder / "configs" / "inference.json").unlink()
    with pytest.raises(ModelError, match="says how it is run"):
        describe(folder)


def test_a_network_with_two_inputs_is_refused(tmp_path: Path) -> None:
    """An interactive network would be run without the clicks that it needs."""
    about = copy.deepcopy(made.metadata())
    inputs = about["network_data_format"]["inputs"]
    inputs["points"] = dict(inputs["image"])
    with pytest.raises(ModelError, match="image, points, and not just one"):
        describe(made.write(tmp_path / "m", about=about))


def test_a_zip_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle from the model zoo could not be installed."""
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path / "models"))
    folder = made.write(tmp_path / "belly")
    path = tmp_path / "belly_v0.2.1.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        for file in folder.rglob("*"):
            zipped.write(file, file.relative_to(tmp_path))
    card = store.find(add([path], Progress()))
    assert (card.name, card.licence) == ("belly", "see LICENSE in its folder")


def test_a_scan_stored_in_another_way_has_the_same_answer(tmp_path: Path) -> None:
    """Left and right would depend on who wrote the file."""
    values, _ = scans.balls((28, 32, 15), (0.9, 0.7, 2.1), 3)
    image = scans.image(values, (0.9, 0.7, 2.1))
    model = load_tiled(describe(made.write(tmp_path / "m")))
    options = TiledOptions(backend="torch", step=1.0)
    expected = run_tiled([Scan(image=image)], model, options).labels
    assert len(np.unique(expected)) == 3
    for order, flips in ALL[2::9]:
        turned = stored(image, order, flips)
        grid = sitk.GetImageFromArray(run_tiled([Scan(image=turned)], model, options).labels)
        grid.CopyInformation(turned)
        back = sitk.Resample(grid, image, sitk.Transform(), sitk.sitkNearestNeighbor)
        assert np.array_equal(sitk.GetArrayFromImage(back), expected)


def test_probabilities_are_those_that_were_interpolated(tmp_path: Path) -> None:
    """Probabilities would not belong to the labels."""
    values, _ = scans.balls((28, 32, 15), (0.9, 0.7, 2.1), 3)
    scan = Scan(image=scans.image(values, (0.9, 0.7, 2.1)))
    model = load_tiled(describe(made.write(tmp_path / "m")))
    options = TiledOptions(backend="torch", step=1.0, probabilities=True)
    result = run_tiled([scan], model, options)
    assert result.probabilities is not None
    np.testing.assert_allclose(result.probabilities.sum(0), 1.0, rtol=1e-5)
    assert np.array_equal(result.probabilities.argmax(0), result.labels)


def test_a_bundle_that_does_not_say_how_scans_are_prepared_is_refused(tmp_path: Path) -> None:
    """It would run on the scan as it is, and find something else."""
    config = made.inference()
    config["prepare"] = config.pop("preprocessing")
    config["dataset"]["transform"] = "@prepare"
    with pytest.raises(ModelError, match=r"preprocessing"):
        describe(made.write(tmp_path / "m", config))
