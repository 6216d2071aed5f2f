"""Models of several networks: run one after the other, and merged to one answer."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Scan
from MedAssistLib.errors import CancelledError, UsageError
from MedAssistLib.models import find, formats
from MedAssistLib.models.card import ModelCard
from MedAssistLib.models.formats.nnunet import tiled
from MedAssistLib.models.formats.nnunet_folder import TrainedFolder
from MedAssistLib.models.plan import Part, PartedModel
from MedAssistLib.progress import Cancellation, Progress, ProgressEvent
from MedAssistLib.segment import SegmentOptions, segment, segment_in_detail
from MedAssistLib.segment.engine import TiledOptions, run_tiled
from MedAssistLib.segment.parts import run_parts
from MedAssistLib.worker.cache import ModelCache
from Testing import orientations, totalsegmentator_models
from Testing.totalsegmentator_models import task, values, write_task

ORGANS = 0


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
    return totalsegmentator_models.ct()


def of_part(results: Path, number: int, ct: Scan) -> npt.NDArray[np.integer]:
    """Return what one network of "total" finds by itself in a scan turned to RAS, on its grid."""
    (found,) = results.glob(f"Dataset{291 + number}_*/*")
    model = tiled(TrainedFolder(found), [found / "fold_0/checkpoint_final.pth"], trusted=False)
    upright = sitk.DICOMOrient(ct.image, "RAS")
    labels = run_tiled([Scan(image=upright, modality="CT")], model, TiledOptions(step=0.8)).labels
    back = sitk.DICOMOrient(geometry.from_array(labels, upright), geometry.orientation(ct.image))
    return sitk.GetArrayFromImage(back)


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


def test_a_fold_that_a_part_does_not_have_is_refused(neck: Path, ct: Scan) -> None:
    """The part would be left out, and its structures would seem to be absent."""
    card = find(str(neck))
    first, *others = card.weights
    weights = {first.replace("fold 0", "fold 1"): card.weights[first]}
    weights |= {role: card.weights[role] for role in others}
    with pytest.raises(UsageError, match=f"has no {first}"):
        segment(ct, replace(card, weights=weights), SegmentOptions(folds=("0",)))


def test_probabilities_of_several_networks_are_refused(neck: Path, ct: Scan) -> None:
    with pytest.raises(UsageError, match="no probabilities"):
        segment(ct, find(str(neck)), SegmentOptions(probabilities=True))


def test_options_of_patches_reach_every_part(total: Path, ct: Scan) -> None:
    """The largest models could not be given a limit of memory."""
    options = SegmentOptions(max_memory=10**10, backend="torch", step=1.0)
    result = segment_in_detail([ct], find(str(total)), options)
    assert result.backend.startswith("PyTorch")
    with pytest.raises(UsageError, match="its data were RAS"):
        segment_in_detail([ct], find(str(total)), SegmentOptions(orientation="LPS"))
