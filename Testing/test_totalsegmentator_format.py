"""TotalSegmentator's weights: what their folders become, and what is refused.

The folders are made up: tiny networks of random weights under the published names.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from MedAssistLib.case import Scan
from MedAssistLib.errors import ModelError
from MedAssistLib.models import catalogue, find, formats, install, store
from MedAssistLib.models.formats.totalsegmentator_tasks import tasks
from MedAssistLib.models.plan import TiledModel
from MedAssistLib.progress import Progress
from MedAssistLib.segment.engine import run_tiled
from MedAssistLib.segment.finish import finished
from Testing import totalsegmentator_models
from Testing.totalsegmentator_models import task, values, write_part, write_task, zipped

VERTEBRAE, CARDIAC = 1, 2


@pytest.fixture(scope="module")
def total(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All five data sets of the 1.5 mm model, side by side as TotalSegmentator keeps them."""
    results = tmp_path_factory.mktemp("total")
    write_task(results, "total")
    return results


@pytest.fixture(scope="module")
def ct() -> Scan:
    return totalsegmentator_models.ct()


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


def test_some_of_the_data_sets_give_what_they_know(tmp_path: Path, ct: Scan) -> None:
    for part in (task("total").parts[VERTEBRAE], task("total").parts[CARDIAC]):
        write_part(tmp_path, part.dataset, part.last - part.first + 1)
    card = find(str(tmp_path))
    assert card.name == "totalsegmentator-total-vertebrae-cardiac"
    assert "only vertebrae and cardiac, 44 structures" in card.title
    assert [entry.label for entry in card.segments] == list(range(25, 69))
    assert set(np.unique(values(ct, card))) <= {0, *range(25, 69)}


def test_a_folder_of_several_tasks_says_which_and_what_to_do(tmp_path: Path) -> None:
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
