"""Pictures: the right side on the right side, and planes that cut where they say.

A picture that swaps left and right looks as good as a correct one, so sides are tested with a body
of which every direction is known.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk
from PIL import Image
from scipy import ndimage

from MedAssistLib import geometry
from MedAssistLib.case import Scan, Segment, Segmentation
from MedAssistLib.export import planes, render3d, slices
from MedAssistLib.export.slices import draw_slices
from Testing import orientations
from Testing.picture_cases import (
    COLOURS,
    FRONT,
    LEFT,
    MIDDLE,
    SIDES,
    TOP,
    Pen,
    Pixels,
    body,
    oblique,
    panels,
    upright,
)


def where(panel: Pixels, label: int) -> npt.NDArray[np.float64]:
    """Mean (row, column) of the pixels in the colour of a structure's line."""
    found = np.argwhere(np.abs(panel.astype(int) - COLOURS[label]).max(axis=-1) < 30)
    assert len(found), f"structure {label} is not drawn"
    return found.mean(axis=0)


def assert_sides(picture: Image.Image) -> None:
    """Left on the viewer's right, front up or on the left, top up, and nowhere else."""
    axial, coronal, sagittal = panels(picture)
    for panel, label, row, column in (
        (axial, LEFT, 0, 1),
        (axial, FRONT, -1, 0),
        (coronal, LEFT, 0, 1),
        (coronal, TOP, -1, 0),
        (sagittal, FRONT, 0, -1),
        (sagittal, TOP, -1, 0),
    ):
        away = (where(panel, label) - where(panel, MIDDLE)) / np.array(panel.shape[:2])
        assert np.array_equal(np.sign(np.where(np.abs(away) < 0.08, 0, away)), [row, column])


def test_every_side_is_where_a_radiologist_expects_it(small_pictures: None) -> None:
    """Otherwise the wrong kidney is operated on."""
    assert_sides(draw_slices(*body(upright())))


def test_the_picture_is_the_same_however_the_scan_is_stored(small_pictures: None) -> None:
    """All 48 axis orders and directions of one scan show one picture."""
    scan, made = body(upright())
    expected = panels(draw_slices(scan, made))
    for order, flips in orientations.ALL:
        image = orientations.stored(scan.image, order, flips)
        labels = orientations.stored(made.labels, order, flips)
        turned = draw_slices(
            Scan(image=image, modality="MR", name="body"),
            Segmentation(labels=labels, segments=made.segments),
        )
        for got, wanted in zip(panels(turned), expected, strict=True):
            assert got.shape == wanted.shape
            different = np.abs(got.astype(int) - wanted).max(axis=-1) > 2
            assert different.mean() < 0.001, (order, flips)


def test_an_oblique_scan_is_cut_along_the_body(small_pictures: None) -> None:
    """Sides stay sides when the scanner's axes are not the patient's."""
    assert_sides(draw_slices(*body(oblique())))


def test_an_oblique_scan_shows_the_same_plane_as_an_upright_one() -> None:
    """Same place, same pixel size: intensities and structures agree wherever the scan is stored."""
    fine, tilted = body(upright((1.0, 1.0, 1.0))), body(oblique())
    box = ((-28.0, -30.0, -20.0), (28.0, 24.0, 24.0))
    for view in (planes.AXIAL, planes.CORONAL, planes.SAGITTAL):
        grid = planes.plane_grid(view, box, (0.3, 0.2, 0.1), 0.5)
        first, second = (planes.cut_labels(made.labels, grid) for _, made in (fine, tilted))
        assert np.mean(first == second) > 0.97
        inside = ndimage.binary_erosion((first == second) & (first == 0), iterations=6)
        greys = [planes.cut_scan(scan.image, grid)[inside] for scan, _ in (fine, tilted)]
        assert np.abs(greys[0] - greys[1]).max() < 0.1


def test_nothing_of_the_scan_is_cut_off(small_pictures: None) -> None:
    """The bright corners of the volume are the bright corners of the planes."""
    values = np.zeros((6, 10, 8), dtype=np.float32)
    values[3], values[:, 5], values[:, :, 4] = 50, 50, 50
    for edge in (0, -1):
        values[edge], values[:, edge], values[:, :, edge] = 200, 200, 200
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((3.0, 2.0, 4.0))
    for panel in panels(draw_slices(Scan(image=image), None)):
        assert panel[[0, 0, -1, -1], [0, -1, 0, -1]].min() > 190
        assert panel[2:-2, panel.shape[1] // 2].min() < 100


def test_planes_pass_through_the_structures() -> None:
    """Lesions far apart: the planes show the nearest in mm, not the healthy tissue between them."""
    labels = np.zeros((20, 20, 20), dtype=np.uint8)
    labels[2:4, 8:11, 8:11], labels[15:17, 8:11, 8:11], labels[9, 16, 9] = 1, 1, 1
    image = sitk.GetImageFromArray(labels)
    made = Segmentation(labels=image, segments=(Segment(label=1, name="L", colour=(255, 0, 0)),))
    for thick, expected in ((1.0, {3, 15}), (3.0, {9})):
        image.SetSpacing((1.0, 1.0, thick))
        index = image.TransformPhysicalPointToIndex(planes.centre(image, made))
        assert image[index] == 1
        assert index[2] in expected


def test_without_structures_the_planes_pass_through_the_middle(small_scan: Scan) -> None:
    middle = [(n - 1) / 2 for n in small_scan.image.GetSize()]
    expected = small_scan.image.TransformContinuousIndexToPhysicalPoint(middle)
    assert np.allclose(planes.centre(small_scan.image, None), expected)


def test_labels_are_never_mixed_into_others() -> None:
    """Between label 2 and label 6 there is no 4."""
    labels = np.zeros((4, 6, 6), dtype=np.uint16)
    labels[:, :, :3], labels[:, :, 3:] = 2, 60000
    image = sitk.GetImageFromArray(labels)
    box = geometry.box_lps(image, (0, 0, 0), image.GetSize())
    grid = planes.plane_grid(planes.AXIAL, box, (2.5, 2.5, 1.5), 0.1)
    assert np.unique(planes.cut_labels(image, grid)).tolist() == [2, 60000]


def test_position_says_which_side() -> None:
    point = (12.34, -5.0, -0.01)
    assert [planes.position(point, axis) for axis in range(3)] == [
        "L 12.3 mm",
        "A 5.0 mm",
        "S 0.0 mm",
    ]


def test_each_plane_says_where_it_stands(
    monkeypatch: pytest.MonkeyPatch, small_pictures: None
) -> None:
    """Axial planes are told apart by S, coronal ones by P, sagittal ones by L."""
    asked = []
    monkeypatch.setattr(slices, "position", lambda point, axis: asked.append((point, axis)) or "")
    scan, made = body(oblique())
    draw_slices(scan, made)
    assert asked == [(planes.centre(scan.image, made), axis) for axis in (2, 1, 0)]


def test_the_scale_bar_is_as_long_as_it_says() -> None:
    for pixel in (0.05, 0.31, 0.9, 2.7):
        pen = Pen()
        slices._draw_scale(pen, (10, 10), 400, pixel)
        (start, _), (end, _) = pen.lines[0]
        length = (end - start) * pixel
        assert [length] == pytest.approx([float(text.removesuffix(" mm")) for text in pen.texts])
        assert 400 * pixel / 8 < length <= 400 * pixel / 3


@pytest.mark.parametrize("view", [planes.AXIAL, planes.CORONAL, planes.SAGITTAL])
def test_letters_stand_where_their_side_is(view: planes.View) -> None:
    """A letter on the wrong edge is worse than none."""
    grid = planes.plane_grid(view, ((-9, -9, -9), (9, 9, 9)), (0, 0, 0), 1.0)
    right, down, _ = geometry.direction(grid).T
    pen = Pen()
    slices._draw_letters(pen, view.letters, (0, 0, 100, 100))
    for letter, place in pen.texts.items():
        across, below = np.sign(np.round(np.array(place) - 50))
        assert np.array_equal(across * right + below * down, SIDES[letter])


def test_the_compass_points_as_the_structures_are_seen() -> None:
    corners = np.array([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])
    view, pen = render3d._View(corners), Pen()
    render3d._draw_compass(pen, view)
    middle = np.mean([pen.texts["L"], pen.texts["R"]], axis=0)
    for letter, side in SIDES.items():
        across, down = pen.texts[letter] - middle
        seen = np.array([np.dot(side, view.right), -np.dot(side, view.up)])
        assert np.dot([across, down], seen) / np.hypot(across, down) / np.hypot(*seen) > 0.99
    # The viewer sees the face, the left side and the top of the head, upright.
    assert all(np.dot(SIDES[letter], view.towards) > 0 for letter in "LAS")
    assert np.dot(SIDES["S"], view.up) > 0.8
    assert np.dot(SIDES["L"], view.right) > 0.5
    assert np.allclose(np.cross(view.right, view.up), view.towards)
