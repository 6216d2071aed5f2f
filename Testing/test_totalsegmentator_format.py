"""TotalSegmentator's weights: what they segment, and several networks that make up one answer.

The folders are made up: tiny networks of random weights under the published names.
"""

from __future__ import annotations

import gc
import weakref
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk
import torch

from MedAssistLib import geometry
from MedAssistLib.case import Scan
from MedAssistLib.errors import CancelledError, ModelError, UsageError
from MedAssistLib.models import catalogue, find, formats, install, store
from MedAssistLib.models.card import ModelCard
from MedAssistLib.models.formats.nnunet import tiled
from MedAssistLib.models.formats.nnunet_folder import TrainedFolder
from MedAssistLib.models.formats.totalsegmentator_tasks import Task, tasks
from MedAssistLib.models.plan import Part, PartedModel, TiledModel
from MedAssistLib.progress import Cancellation, Progress, ProgressEvent
from MedAssistLib.segment import SegmentOptions, segment, segment_in_detail
from MedAssistLib.segment.engine import TiledOptions, run_tiled
from MedAssistLib.segment.finish import finished
from MedAssistLib.segment.parts import run_parts
from MedAssistLib.worker.cache import ModelCache
from Testing import nnunet_models as made
from Testing import orientations

ORGANS, VERTEBRAE, CARDIAC = range(3)
BACKGROUND = 0.5
TRAINER = "nnUNetTrainerNoMirroring"


def task(name: str) -> Task:
    return next(entry for entry in tasks() if entry.name == name)


def write_part(results: Path, dataset: str, count: int, *, trainer: str = TRAINER) -> Path:
    """Write a data set's folder with a network of so many labels; return the data set's folder."""
    labels = {"background": 0} | {f"label {number}": number for number in range(1, count + 1)}
    folder = made.write_model(
        results / dataset,
        trainer=trainer,
        outputs=count + 1,
        mirror_axes=None,
        plan=made.plans(dataset_name=dataset, image_reader_writer="NibabelIO"),
        data=made.dataset(labels=labels, numTraining=1559),
    )
    path = folder / "fold_0" / "checkpoint_final.pth"
    checkpoint = torch.load(path, weights_only=False)
    checkpoint["network_weights"] = weights_of(dataset, count + 1)
    torch.save(checkpoint, path)
    return results / dataset


def weights_of(dataset: str, outputs: int) -> dict[str, torch.Tensor]:
    """Return weights of a data set's own that find several structures and leave much free."""
    seed = zlib.crc32(dataset.encode())
    weights = made.random_weights(made.UNET, made.arguments(3), 1, outputs, seed)
    for name in [name for name in weights if "seg_layers" in name and name.endswith("bias")]:
        weights[name].zero_()
        weights[name][0] = BACKGROUND
    return weights


def write_task(results: Path, name: str) -> list[Path]:
    return [
        write_part(results, part.dataset, part.last - part.first + 1) for part in task(name).parts
    ]


@pytest.fixture(scope="module")
def total(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All five data sets of the 1.5 mm model, side by side as TotalSegmentator keeps them."""
    results = tmp_path_factory.mktemp("total")
    write_task(results, "total")
    return results


@pytest.fixture(scope="module")
def neck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two data sets of the muscles of head and neck."""
    results = tmp_path_factory.mktemp("neck")
    write_task(results, "headneck_muscles")
    return results


@pytest.fixture(scope="module")
def ct() -> Scan:
    """Smooth blobs of 2 × 1.4 × 1.2 mm, oblique."""
    noise = np.random.default_rng(5).normal(0.0, 1.0, (12, 20, 16)).astype(np.float32)
    image = sitk.DiscreteGaussian(sitk.GetImageFromArray(noise), 3.0) * 2000.0
    image.SetSpacing((1.2, 1.4, 2.0))
    image.SetOrigin((-20.0, 31.5, 7.25))
    turn = sitk.Euler3DTransform()
    turn.SetRotation(0.1, -0.15, 0.2)
    image.SetDirection(turn.GetMatrix())
    return Scan(image=image, modality="CT", name="blobs")


def values(scan: Scan, card: ModelCard, **options: Any) -> npt.NDArray[np.integer]:
    return sitk.GetArrayFromImage(segment(scan, card, SegmentOptions(**options)).labels)


def of_part(results: Path, number: int, ct: Scan) -> npt.NDArray[np.integer]:
    """Return what one network of "total" finds by itself in a scan turned to RAS, on its grid."""
    (found,) = results.glob(f"Dataset{291 + number}_*/*")
    model = tiled(TrainedFolder(found), [found / "fold_0/checkpoint_final.pth"], trusted=False)
    upright = sitk.DICOMOrient(ct.image, "RAS")
    labels = run_tiled([Scan(image=upright, modality="CT")], model, TiledOptions(step=0.8)).labels
    back = sitk.DICOMOrient(geometry.from_array(labels, upright), geometry.orientation(ct.image))
    return sitk.GetArrayFromImage(back)


def test_the_table_has_117_structures_of_total_under_their_published_numbers() -> None:
    for name in ("total", "total-3mm", "total-6mm"):
        classes = task(name).classes
        assert list(classes) == list(range(1, 118))
        known = {1: "spleen", 5: "liver", 24: "kidney_cyst_right", 25: "sacrum", 50: "vertebrae_C1"}
        known |= {51: "heart", 69: "humerus_left", 90: "brain", 92: "rib_left_1"}
        known |= {116: "sternum", 117: "costal_cartilages"}
        assert known.items() <= classes.items()
    assert len(task("total_mr").classes) == 50
    assert task("total_v3").classes[26] == "vertebrae_L6"


def test_every_task_has_each_label_once_and_every_data_set_belongs_to_one_task() -> None:
    for entry in tasks():
        labels = [label for part in entry.parts for label in part.labels.values()]
        assert labels == list(entry.classes), entry.name
        assert len(set(entry.classes.values())) == len(entry.classes), entry.name
    datasets = [part.dataset for entry in tasks() for part in entry.parts]
    assert len(set(datasets)) == len(datasets)


def test_all_that_the_catalogue_offers_is_known() -> None:
    known = {part.dataset for entry in tasks() for part in entry.parts}
    offered = [entry for entry in catalogue.entries() if entry.name.startswith("totalsegmentator")]
    assert len(offered) > 40
    for entry in offered:
        names = {Path(file.name).stem for file in entry.files} or {Path(entry.folder).name}
        assert names <= known


def test_five_data_sets_side_by_side_are_one_model_with_names_and_codes(total: Path) -> None:
    card = find(str(total))
    assert (card.name, card.format) == ("totalsegmentator-total", "totalsegmentator")
    assert (card.licence, card.modality, card.orientation) == ("Apache-2.0", "CT", "RAS")
    assert card.spacing == (1.25, 1.5, 3.0)
    assert [entry.label for entry in card.segments] == list(range(1, 118))
    assert len({entry.colour for entry in card.segments}) == 117
    by_label = {entry.label: entry for entry in card.segments}
    assert (by_label[5].name, by_label[5].type.value) == ("Liver", "10200004")
    rib = by_label[104]
    assert (rib.name, rib.type.meaning) == ("Right rib 1", "First rib")
    assert rib.modifier is not None
    assert rib.modifier.meaning == "Right"
    # Nothing of the 117 is left without a code of its own.
    assert not [entry.name for entry in card.segments if entry.type.meaning == "Tissue"]
    assert list(card.weights)[:2] == ["organs: fold 0", "vertebrae: fold 0"]
    for weights in card.weights.values():
        assert (card.folder / weights.path).stat().st_size == weights.size


@pytest.mark.parametrize("name", ["total-3mm", "total-6mm", "total_mr-3mm", "body", "teeth"])
def test_a_single_data_set_runs_as_one_network_with_the_tasks_names(
    name: str, tmp_path: Path
) -> None:
    (folder,) = write_task(tmp_path, name)
    for path in (tmp_path, folder, next(folder.iterdir())):
        card = find(str(path))
        assert card.name == f"totalsegmentator-{name}"
        assert len(card.segments) == len(task(name).classes)
        assert card.modality == task(name).modality
    model = formats.load(card, "cpu")
    assert isinstance(model, TiledModel)
    assert model.plan.orientation == "RAS"


def test_a_newer_release_of_a_data_set_is_known_by_the_beginning_of_its_name(
    tmp_path: Path,
) -> None:
    part = task("total-3mm").parts[0]
    write_part(
        tmp_path, f"{part.dataset}_v204", 117, trainer="nnUNetTrainer_4000epochs_NoMirroring"
    )
    assert find(str(tmp_path)).name == "totalsegmentator-total-3mm"


@pytest.mark.parametrize(
    "trainer",
    [
        "nnUNetTrainer_4000epochs_NoMirroring",
        "nnUNetTrainer_DASegOrd0_NoMirroring",
        "nnUNetTrainer_MOSAIC_1k_QuarterLR_NoMirroring",
        "nnUNetTrainerDiceTopK10Loss_2000epochs",
        "nnUNetTrainerSkeletonRecall",
        "nnUNetTrainer_onlyMirror01",
    ],
)
def test_the_trainers_of_its_tasks_are_known(trainer: str, tmp_path: Path) -> None:
    write_part(tmp_path, task("body").parts[0].dataset, 2, trainer=trainer)
    formats.load(find(str(tmp_path)), "cpu")


def test_a_label_that_only_helped_the_training_is_not_given(tmp_path: Path, ct: Scan) -> None:
    cysts = task("kidney_cysts")
    write_part(tmp_path, cysts.parts[0].dataset, 4)
    card = find(str(tmp_path))
    assert [entry.label for entry in card.segments] == [1, 2]
    model = formats.load(card, "cpu")
    assert isinstance(model, TiledModel)
    raw = run_tiled([ct], model).labels
    assert raw.max() > 2
    assert np.array_equal(values(ct, card), np.where(raw <= 2, raw, 0))


def test_a_task_that_is_run_only_near_an_organ_says_so(tmp_path: Path) -> None:
    write_task(tmp_path, "liver_segments")
    assert "within 20 mm of: liver" in find(str(tmp_path)).intended_use
    write_task(tmp_path / "other", "vertebrae_pp")
    assert (
        "by their neighbours; that is not done here" in find(str(tmp_path / "other")).intended_use
    )


def test_the_trunk_is_one_part_and_crumbs_of_extremities_go(tmp_path: Path) -> None:
    """TotalSegmentator cleans its body task so; a hand apart from the arm is kept by its size."""
    write_task(tmp_path, "body")
    card = formats.describe(tmp_path)
    trunk, extremities = card.segments
    labels = np.zeros((8, 40, 40), dtype=np.uint8)
    labels[:, :20, :20], labels[0, 30, 30] = trunk.label, trunk.label
    labels[:, 22:, :20], labels[:, 22:, 30:] = extremities.label, extremities.label
    labels[:, 22:, 33:] = 0
    cleaned = finished(labels, card.segments, card.postprocessing, 0.1)
    expected = labels.copy()
    expected[0, 30, 30] = 0
    expected[:, 22:, 30:] = 0  # 43.2 mL, below 50 mL
    assert np.array_equal(cleaned, expected)


@pytest.mark.parametrize(
    ("name", "step"), [("total-3mm", 0.8), ("total_mr-3mm", 0.8), ("body", 0.5)]
)
def test_patches_lie_as_far_apart_as_in_totalsegmentator(
    name: str, step: float, tmp_path: Path
) -> None:
    """At half a patch the tasks for the whole body take up to twice the time on a processor."""
    write_task(tmp_path, name)
    assert formats.load(formats.describe(tmp_path), "cpu").plan.window.step == step


def test_parts_are_merged_later_over_earlier(total: Path, ct: Scan) -> None:
    found = values(ct, find(str(total)))
    expected = np.zeros_like(found)
    for number, part in enumerate(task("total").parts):
        labels = of_part(total, number, ct).astype(expected.dtype)
        there = labels > 0
        expected[there] = labels[there] + part.first - 1
    assert found.dtype == np.uint8
    seen = set(np.unique(expected))
    assert all(seen & set(part.labels.values()) for part in task("total").parts[:4])
    assert np.mean(found == expected) > 0.9999


def test_where_parts_disagree_the_later_one_wins(total: Path, ct: Scan) -> None:
    model = formats.load(find(str(total)), "cpu")
    assert isinstance(model, PartedModel)
    first = model.parts[0]
    forth = Part(name="a", model=first.model, labels=dict.fromkeys(range(1, 25), 200))
    back = Part(name="b", model=first.model, labels={label: label for label in range(1, 25)})
    one, other = (
        run_parts([ct], PartedModel(parts=parts), TiledOptions(), Progress()).labels
        for parts in ((forth, back), (back, forth))
    )
    assert np.any(one)
    assert 200 not in one
    assert set(np.unique(other)) <= {0, 200}


def test_labels_above_255_are_kept(total: Path, ct: Scan) -> None:
    model = formats.load(find(str(total)), "cpu")
    assert isinstance(model, PartedModel)
    part = replace(model.parts[0], labels=dict.fromkeys(range(1, 25), 300))
    labels = run_parts([ct], PartedModel(parts=(part,)), TiledOptions(), Progress()).labels
    assert set(np.unique(labels)) <= {0, 300}
    assert np.any(labels)


def test_only_one_network_is_in_memory_at_a_time(total: Path, ct: Scan) -> None:
    model = formats.load(find(str(total)), "cpu")
    assert isinstance(model, PartedModel)
    loaded: list[weakref.ref[Any]] = []

    def watched(load: Callable[[str], Any]) -> Callable[[str], Any]:
        def member(device: str) -> Any:
            gc.collect()
            assert not [network for network in loaded if network() is not None]
            network = load(device)
            loaded.append(weakref.ref(network))
            return network

        return member

    parts = tuple(
        replace(part, model=replace(part.model, members=tuple(map(watched, part.model.members))))
        for part in model.parts
    )
    run_parts([ct], PartedModel(parts=parts), TiledOptions(), Progress())
    assert len(loaded) == 5


def test_parts_that_give_nothing_wanted_are_not_run(total: Path, ct: Scan) -> None:
    card = find(str(total))
    ran: list[str] = []

    def load(card: ModelCard, device: str) -> Any:
        model = formats.load(card, device)
        assert isinstance(model, PartedModel)
        ran.extend(part.name for part in model.parts)
        return model

    options = SegmentOptions(classes=("spleen", "kidney_left", "Rib left 3"))
    result = segment_in_detail([ct], card, options, load=load).segmentation
    assert ran == ["organs", "ribs"]
    assert [entry.name for entry in result.segments] == ["Spleen", "Left kidney", "Left rib 3"]
    assert set(np.unique(sitk.GetArrayViewFromImage(result.labels))) <= {0, 1, 3, 94}
    alone = values(ct, card, classes=("lung_upper_lobe_left", "thyroid gland"))
    organs = of_part(total, ORGANS, ct)
    assert np.any(alone)
    assert np.mean(alone == np.where(np.isin(organs, (10, 17)), organs, 0)) > 0.9999


def test_a_cache_does_not_take_a_part_for_the_whole(total: Path, ct: Scan) -> None:
    card, models = find(str(total)), ModelCache()
    options = SegmentOptions(classes=("heart",))
    part = segment_in_detail([ct], card, options, load=models.load).segmentation
    whole = segment_in_detail([ct], card, load=models.load).segmentation
    assert set(np.unique(sitk.GetArrayViewFromImage(part.labels))) <= {0, 51}
    assert len(np.unique(sitk.GetArrayViewFromImage(whole.labels))) > 5


def test_some_of_the_data_sets_give_what_they_know(tmp_path: Path, ct: Scan) -> None:
    for part in (task("total").parts[VERTEBRAE], task("total").parts[CARDIAC]):
        write_part(tmp_path, part.dataset, part.last - part.first + 1)
    card = find(str(tmp_path))
    assert card.name == "totalsegmentator-total-vertebrae-cardiac"
    assert "only vertebrae and cardiac, 44 structures" in card.title
    assert [entry.label for entry in card.segments] == list(range(25, 69))
    assert set(np.unique(values(ct, card))) <= {0, *range(25, 69)}


def test_all_48_ways_to_store_an_oblique_scan_give_the_same_answer(neck: Path, ct: Scan) -> None:
    card = find(str(neck))
    expected = segment(ct, card).labels
    seen = set(np.unique(sitk.GetArrayViewFromImage(expected)))
    assert all(seen & set(part.labels.values()) for part in task("headneck_muscles").parts)
    for order, flips in orientations.ALL:
        image = orientations.stored(ct.image, order, flips)
        labels = segment(Scan(image=image, modality="CT"), card).labels
        assert geometry.same_grid(labels, image)
        turned = orientations.stored(expected, order, flips)
        same = sitk.GetArrayViewFromImage(labels) == sitk.GetArrayViewFromImage(turned)
        assert np.mean(same) >= 0.9999, (order, flips)


def test_progress_names_the_part_and_stopping_works_between_them(neck: Path, ct: Scan) -> None:
    events: list[ProgressEvent] = []
    stop = Cancellation()

    def report(event: ProgressEvent) -> None:
        events.append(event)
        if event.fraction > 0.6:
            stop.cancel()

    with pytest.raises(CancelledError):
        segment(ct, find(str(neck)), progress=Progress(report, stop))
    assert [event.fraction for event in events] == sorted(event.fraction for event in events)


def test_folds_can_be_chosen_of_every_part(neck: Path, ct: Scan) -> None:
    card = find(str(neck))
    assert np.array_equal(values(ct, card, folds=("0",)), values(ct, card))
    with pytest.raises(UsageError, match=r"has no .*fold 3"):
        segment(ct, card, SegmentOptions(folds=("3",)))


def test_probabilities_of_several_networks_are_refused(neck: Path, ct: Scan) -> None:
    with pytest.raises(UsageError, match="no probabilities"):
        segment(ct, find(str(neck)), SegmentOptions(probabilities=True))


def test_a_folder_of_several_tasks_says_which_and_what_to_do(neck: Path, tmp_path: Path) -> None:
    write_task(tmp_path, "body")
    write_task(tmp_path, "liver_lesions")
    with pytest.raises(ModelError, match=r"several tasks.*\(body, liver_lesions\)"):
        find(str(tmp_path))


def test_a_network_without_the_labels_of_its_name_is_refused(tmp_path: Path) -> None:
    write_part(tmp_path, task("total-3mm").parts[0].dataset, 104)
    with pytest.raises(ModelError, match="has not the 117 labels"):
        find(str(tmp_path))


def test_another_data_set_beside_them_is_not_taken_for_theirs(tmp_path: Path) -> None:
    write_task(tmp_path, "body")
    write_part(tmp_path, "Dataset007_Belly", 2)
    with pytest.raises(ModelError, match="several data sets"):
        find(str(tmp_path))


@pytest.mark.parametrize("packed", [True, False], ids=["zips", "folders"])
def test_the_published_parts_are_added_as_one_model(
    packed: bool, total: Path, ct: Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path / "models"))
    # The catalogue knows the published sizes, which made-up zips do not have.
    monkeypatch.setattr(catalogue, "recognised", lambda sources: None)
    sources = sorted(total.iterdir())
    if packed:
        sources = [zipped(source, tmp_path / f"{source.name}.zip") for source in sources]
    name = install.add(sources, Progress())
    assert name == "totalsegmentator-total"
    card = store.find(name)
    assert len(card.segments) == 117
    assert np.any(values(ct, card, classes=("lung_upper_lobe_left", "thyroid_gland")))
    assert not store.verify(name, Progress())


def zipped(folder: Path, path: Path) -> Path:
    """Pack a data set's folder as it is published."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*"):
            archive.write(file, file.relative_to(folder.parent))
    return path


def test_options_of_patches_reach_every_part(total: Path, ct: Scan) -> None:
    """The largest models could not be given a limit of memory."""
    options = SegmentOptions(max_memory=10**10, backend="torch", step=1.0)
    result = segment_in_detail([ct], find(str(total)), options)
    assert result.backend.startswith("PyTorch")
    with pytest.raises(UsageError, match="its data were RAS"):
        segment_in_detail([ct], find(str(total)), SegmentOptions(orientation="LPS"))


def test_a_fold_that_a_part_does_not_have_is_refused(neck: Path, ct: Scan) -> None:
    """The part would be left out, and its structures would seem to be absent."""
    card = find(str(neck))
    first, *others = card.weights
    weights = {first.replace("fold 0", "fold 1"): card.weights[first]}
    weights |= {role: card.weights[role] for role in others}
    with pytest.raises(UsageError, match=f"has no {first}"):
        segment(ct, replace(card, weights=weights), SegmentOptions(folds=("0",)))
