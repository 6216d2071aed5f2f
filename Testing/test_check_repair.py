"""Repairs of findings: right to the voxel where they can be, and nothing else is touched."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk

from MedAssistLib.case import Finding, Scan, Segmentation
from MedAssistLib.check import Context, measured, rule_kinds
from MedAssistLib.check.merge import findings_of
from MedAssistLib.check.repair import Change, Kind, Labels, repair_of
from MedAssistLib.check.repair.between import between
from MedAssistLib.check.rule import Place
from MedAssistLib.check.thresholds import NOT_CALIBRATED
from Testing.check_cases import array, body, changed, label_of, stored

Array = npt.NDArray[np.integer]
Damage = Callable[[Array, int], None]

ORIENTATIONS = [
    ((0, 1, 2), (False, False, False)),
    ((2, 0, 1), (True, False, True)),
    ((1, 2, 0), (False, True, True)),
    ((0, 2, 1), (True, True, False)),
]
# The rule that finds it, and the share of the wrong voxels that may still be wrong afterwards.
RULES = {
    Kind.ISLAND: ("geometry.islands", 0.0),
    Kind.HOLE: ("geometry.holes", 0.0),
    Kind.GAP: ("geometry.gaps", 0.1),
    Kind.COPY: ("geometry.copies", 0.7),
    Kind.SPIKE: ("geometry.spikes", 0.1),
}
_WIDE = 60  # a repair's block may reach beyond the image


def island(labels: Array, label: int) -> None:
    """Far away, so that many slices between are empty."""
    labels[44:47, 5:8, 3:6] = label


def hole(labels: Array, label: int) -> None:
    k, j, i = np.argwhere(labels == label).mean(axis=0).astype(int)
    labels[k : k + 2, j : j + 3, i : i + 3] = 0


def gap(labels: Array, label: int) -> None:
    k = int(np.argwhere(labels == label).mean(axis=0)[0])
    labels[k : k + 2][labels[k : k + 2] == label] = 0


def copies(labels: Array, label: int) -> None:
    k = int(np.argwhere(labels == label).mean(axis=0)[0]) + 3
    contour = labels[k] == label
    for n in range(1, 4):
        labels[k + n][labels[k + n] == label] = 0
        labels[k + n][contour & (labels[k + n] == 0)] = label


def spike(labels: Array, label: int) -> None:
    from scipy import ndimage

    k = int(np.argwhere(labels == label).mean(axis=0)[0])
    wide = ndimage.binary_dilation(labels[k] == label, iterations=2)
    labels[k][wide & (labels[k] == 0)] = label


def drawn(made: Segmentation, name: str) -> Labels:
    """Return a structure of a segmentation as a repair needs it."""
    values = sitk.GetArrayViewFromImage(made.labels)
    return Labels(values=values, grid=made.labels, label=label_of(made, name))


def found(scan: Scan, made: Segmentation, rule: str, name: str) -> Finding:
    """Return the only finding of a rule about a structure."""
    rules = {rule: rule_kinds()[rule]}
    signs = measured(Context(scan=scan, segmentation=made), rules)
    spoken = findings_of(signs, rules, NOT_CALIBRATED)
    (finding,) = [entry for entry in spoken if entry.structure == name]
    return finding


def repair(finding: Finding, structure: Labels, **more: object) -> Change | None:
    assert finding.point
    assert finding.box
    return repair_of(finding.rule, Place(finding.point, finding.box), structure, **more)


def written(made: Segmentation, name: str, change: Change) -> Array:
    """Return the labels after a repair; fails if it takes a voxel from another structure."""
    labels, label = np.pad(array(made), _WIDE), label_of(made, name)
    block = labels[
        tuple(
            slice(n + _WIDE, n + _WIDE + size)
            for n, size in zip(change.start, change.before.shape, strict=True)
        )
    ]
    assert np.array_equal(block == label, change.before)
    assert not (block[change.after & ~change.before]).any(), "another structure loses voxels"
    block[change.before] = 0
    block[change.after] = label
    return labels[_WIDE:-_WIDE, _WIDE:-_WIDE, _WIDE:-_WIDE]


@pytest.mark.parametrize(("order", "flips"), ORIENTATIONS)
@pytest.mark.parametrize(
    ("kind", "damage"),
    [
        (Kind.ISLAND, island),
        (Kind.HOLE, hole),
        (Kind.GAP, gap),
        (Kind.COPY, copies),
        (Kind.SPIKE, spike),
    ],
)
def test_what_is_found_is_repaired_however_the_axes_are_stored(
    kind: Kind, damage: Damage, order: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    """The button would do nothing, or harm, in scans stored another way."""
    rule, left = RULES[kind]
    scan, correct = body()
    labels = array(correct)
    damage(labels, label_of(correct, "Spleen"))
    scan, made = stored(scan, changed(correct, labels), order, flips)
    _, correct = stored(body()[0], correct, order, flips)
    truth, spoilt = array(correct), array(made)
    finding = found(scan, made, rule, "Spleen")
    change = repair(finding, drawn(made, "Spleen"))
    assert change is not None
    assert change.kind is kind
    after = written(made, "Spleen", change)
    assert np.array_equal(array(made), spoilt), "looking changes nothing"
    wrong = np.count_nonzero(spoilt != truth)
    assert wrong > 10
    assert np.count_nonzero(after != truth) <= left * wrong
    others = (truth > 0) & (truth != label_of(correct, "Spleen"))
    assert np.array_equal(after[others], truth[others])


@pytest.mark.parametrize("kept", [2, 4])
def test_an_end_beyond_a_missing_slice_is_joined_and_not_removed(kept: int) -> None:
    """The button would throw the tip of the organ away."""
    scan, correct = body()
    labels, label = array(correct), label_of(correct, "Left kidney")
    spoilt = labels.copy()
    top = int(np.argwhere(labels == label)[:, 0].max())
    spoilt[top - kept][labels[top - kept] == label] = 0
    made = changed(correct, spoilt)
    rules = {name: rule_kinds()[name] for name in ("geometry.islands", "geometry.gaps")}
    signs = measured(Context(scan=scan, segmentation=made), rules)
    (finding,) = findings_of(signs, rules, NOT_CALIBRATED)
    assert finding.rule == "geometry.gaps"
    change = repair(finding, drawn(made, "Left kidney"))
    assert change is not None
    after = written(made, "Left kidney", change)
    assert np.count_nonzero(after != labels) < 0.2 * np.count_nonzero(spoilt != labels)


def test_an_island_on_an_oblique_grid_is_removed() -> None:
    """A box along the body's axes holds more voxels there than those of the finding."""
    scan, correct = body()
    labels = array(correct)
    island(labels, label_of(correct, "Liver"))
    turn = sitk.Euler3DTransform()
    turn.SetRotation(0.3, -0.2, 0.5)
    made = changed(correct, labels)
    image = sitk.Image(scan.image)
    for oblique in (image, made.labels):
        oblique.SetDirection(turn.GetMatrix())
    finding = found(replace(scan, image=image), made, "geometry.islands", "Liver")
    change = repair(finding, drawn(made, "Liver"))
    assert change is not None
    assert np.array_equal(written(made, "Liver", change), array(correct))


def test_what_has_been_drawn_since_the_check_is_not_touched() -> None:
    """A repair of what is no longer there would cut into a correct drawing."""
    scan, correct = body()
    labels = array(correct)
    island(labels, 1)
    made = changed(correct, labels)
    finding = found(scan, made, "geometry.islands", "Liver")
    assert repair(finding, drawn(correct, "Liver")) is None, "it is gone"
    labels[44:47, 5:8, 3:16] = 1
    assert repair(finding, drawn(changed(correct, labels), "Liver")) is None, "it has grown"


def test_a_hole_that_another_layer_fills_in_part_is_filled_for_the_rest() -> None:
    """Two structures would lie in one place; the other layer is cropped and stored backwards."""
    scan, correct = body()
    labels = array(correct)
    hole(labels, 1)
    made = changed(correct, labels)
    finding = found(scan, made, "geometry.holes", "Liver")
    missing = np.argwhere(labels != array(correct))
    low, high = missing.min(axis=0), missing.max(axis=0) + 1
    k, j, i = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    cropped = sitk.GetImageFromArray(np.ones(tuple(high - low), dtype=np.uint8))
    cropped.CopyInformation(made.labels[i, j, k])
    half = sitk.Flip(cropped, [True, False, True])[: cropped.GetSize()[0] // 2]
    other = Labels(values=sitk.GetArrayViewFromImage(half), grid=half)
    change = repair(finding, drawn(made, "Liver"), others=(other,))
    assert change is not None
    assert change.added == len(missing) - np.prod(half.GetSize())


def test_the_second_readers_version_is_taken_within_the_box_alone() -> None:
    scan, correct = body()
    label = label_of(correct, "Spleen")
    wrong = array(correct)
    wrong[:, :38][wrong[:, :38] == label] = 0
    wrong[wrong == label_of(correct, "Liver")] = 0
    wrong[28:31, 34:37, 80:84] = label_of(correct, "Left kidney")
    made = changed(correct, wrong)
    low = scan.image.TransformContinuousIndexToPhysicalPoint((69.5, -0.5, 21.5))
    high = scan.image.TransformContinuousIndexToPhysicalPoint((103.5, 69.5, 33.5))
    change = repair_of(
        "shape.depth", Place(low, (low, high)), drawn(made, "Spleen"), (), drawn(correct, "Spleen")
    )
    assert change is not None
    assert change.kind is Kind.MODEL
    after = written(made, "Spleen", change)
    inside = np.zeros(wrong.shape, dtype=bool)
    inside[22:34, :, 70:104] = True
    free = inside & ((wrong == 0) | (wrong == label))
    spleen = array(correct) == label
    assert np.array_equal(after[free] == label, spleen[free])
    assert np.array_equal(after[~free], wrong[~free])
    assert repair_of("shape.depth", Place(low, (low, high)), drawn(made, "Spleen")) is None


@pytest.mark.parametrize(("order", "flips"), ORIENTATIONS[:2])
def test_the_second_reader_may_draw_all_of_it(
    order: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    """The scene crops the drawing to what is there: the model's lies beyond, stored otherwise."""
    correct = body()[1]
    label = label_of(correct, "Spleen")
    small = array(correct)[20:36, 34:42, 80:88]
    cropped = sitk.GetImageFromArray(small)
    cropped.CopyInformation(correct.labels[80:88, 34:42, 20:36])
    ours = Labels(values=small, grid=cropped, label=label)
    whole = stored(*body(), order, flips)[1]
    place = Place((0.0, 0.0, 0.0), ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)))
    change = repair_of("opinion.whole", place, ours, (), drawn(whole, "Spleen"))
    assert change is not None
    assert change.kind is Kind.WHOLE
    spleen = np.argwhere(array(correct) == label)
    start = np.add(change.start, (20, 34, 80))
    assert np.array_equal(start, spleen.min(axis=0))
    assert np.array_equal(np.argwhere(change.after) + start, spleen)
    finer = sitk.Expand(whole.labels, [2, 2, 2], sitk.sitkNearestNeighbor)
    model = Labels(values=sitk.GetArrayViewFromImage(finer), grid=finer, label=label)
    assert repair_of("opinion.whole", place, ours, (), model) is None, "holes would be left"
    assert repair_of("opinion.whole", place, ours) is None


def test_shapes_between_are_nearer_to_both_sides_by_the_definition() -> None:
    """Distances by brute force, from the definition: a bias would make every repair too small."""
    rng = np.random.default_rng(2)
    first, last = (rng.random((9, 8)) < 0.5 for _ in range(2))
    spacing = (0.7, 1.9)
    places = np.argwhere(np.ones((11, 10), dtype=bool)) * spacing

    def signed(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        flat = np.pad(mask, 1).ravel()
        away = np.linalg.norm(places[:, None] - places[None], axis=2)
        inside, outside = (np.where(side, away, np.inf).min(axis=1) for side in (~flat, flat))
        return np.where(flat, inside, -outside).reshape(11, 10)[1:-1, 1:-1]

    shapes = between(first, last, 3, spacing)
    for number, share in enumerate((0.25, 0.5, 0.75)):
        mixed = (1.0 - share) * signed(first) + share * signed(last)
        sure = np.abs(mixed) > 1e-9
        assert np.array_equal(shapes[number][sure], mixed[sure] > 0)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_contour_that_moves_is_met_half_way(count: int) -> None:
    rows, columns = np.ogrid[:40, :40]

    def disc(column: float, radius: float) -> npt.NDArray[np.bool_]:
        found: npt.NDArray[np.bool_] = (rows - 20) ** 2 + (columns - column) ** 2 <= radius**2
        return found

    shapes = between(disc(17, 10), disc(21, 8), count, (1.0, 1.0))
    for number, shape in enumerate(shapes, 1):
        share = number / (count + 1)
        truth = disc(17 + 4 * share, 10 - 2 * share)
        assert np.count_nonzero(shape ^ truth) <= 0.1 * np.count_nonzero(truth)


def test_no_repair_is_offered_where_none_is_safe() -> None:
    """A button that guesses is worse than none."""
    scan, correct = body()
    where = scan.image.TransformContinuousIndexToPhysicalPoint
    structure = drawn(correct, "Liver")
    middle = np.argwhere(array(correct) == 1).mean(axis=0)
    for rule, corner in itertools.product(
        ("geometry.islands", "geometry.holes", "geometry.gaps", "geometry.spikes", "shape.depth"),
        ((2, 2, 2), middle),
    ):
        point = where([float(n) for n in corner[::-1]])
        far = where([float(n) + 2.0 for n in corner[::-1]])
        assert repair_of(rule, Place(point, (point, far)), structure) is None, rule


def test_an_island_far_from_a_structure_alone_is_found() -> None:
    """The empty slices between would count as slices drawn alike, and small islands as noise."""
    scan, correct = body()
    labels = array(correct)
    island(labels, label_of(correct, "Spleen"))
    alone = np.where(labels == label_of(correct, "Spleen"), labels, 0)
    assert found(scan, changed(correct, alone), "geometry.islands", "Spleen").point
