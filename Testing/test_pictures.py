"""Pictures: the right side on the right side, outlines where the structures end, 3-D that is there.

A picture that swaps left and right looks as good as a correct one, so sides are tested with a body
of which every direction is known.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk
from PIL import Image
from scipy import ndimage

from MedAssistLib import geometry
from MedAssistLib.case import Scan, Segment, Segmentation
from MedAssistLib.errors import InputError, ResourceError
from MedAssistLib.export import (
    lettering,
    outline,
    planes,
    render3d,
    slices,
)
from MedAssistLib.export.legend import Legend, draw_legend
from MedAssistLib.export.palette import PAGE
from MedAssistLib.export.render3d import draw_render
from MedAssistLib.export.slices import draw_slices, write_slices
from MedAssistLib.export.window import choose_window
from Testing import orientations

REPOSITORY = Path(__file__).resolve().parents[1]
MIDDLE, LEFT, FRONT, TOP = 1, 2, 3, 4
COLOURS = {MIDDLE: (230, 220, 60), LEFT: (230, 60, 60), FRONT: (60, 220, 60), TOP: (80, 90, 240)}
# The body: boxes in LPS mm, all cut by the planes through their common centre.
BOXES = {
    MIDDLE: ((-10, -10, -10), (10, 10, 10)),
    LEFT: ((14, -4, -4), (30, 4, 4)),
    FRONT: ((-4, -34, -4), (4, -14, 4)),
    TOP: ((-4, -4, 14), (4, 4, 26)),
}
LOW, HIGH = np.array([-36.0, -40.0, -24.0]), np.array([36.0, 32.0, 30.0])

Pixels = npt.NDArray[np.uint8]


def body(grid: sitk.Image) -> tuple[Scan, Segmentation]:
    """The body on any grid: each voxel holds what lies at its centre."""
    index = np.stack(np.meshgrid(*map(np.arange, grid.GetSize()), indexing="ij"), axis=-1)
    matrix = geometry.index_to_lps(grid)
    place = index @ matrix[:3, :3].T + matrix[:3, 3]
    labels = np.zeros(grid.GetSize(), dtype=np.uint8)
    for label, (low, high) in BOXES.items():
        labels[((place > low) & (place < high)).all(axis=-1)] = label
    grey = 40.0 + 3.0 * (place[..., 0] - LOW[0]) + 20.0 * labels
    scan = geometry.from_array(np.ascontiguousarray(grey.T.astype(np.float32)), grid)
    image = geometry.from_array(np.ascontiguousarray(labels.T), grid)
    names = {MIDDLE: "Middle", LEFT: "Left", FRONT: "Front", TOP: "Top"}
    segments = tuple(Segment(label=n, name=names[n], colour=COLOURS[n]) for n in BOXES)
    return Scan(image=scan, modality="MR", name="body"), Segmentation(
        labels=image, segments=segments
    )


def upright(spacing: tuple[float, float, float] = (2.0, 2.0, 3.0)) -> sitk.Image:
    size = np.rint((HIGH - LOW) / spacing).astype(int)
    grid = sitk.Image(size.tolist(), sitk.sitkUInt8)
    grid.SetSpacing(spacing)
    grid.SetOrigin((LOW + np.array(spacing) / 2.0).tolist())
    return grid


def oblique() -> sitk.Image:
    turn = sitk.Euler3DTransform()
    turn.SetRotation(0.3, -0.2, 0.45)
    matrix = np.array(turn.GetMatrix()).reshape(3, 3)
    grid = sitk.Image(70, 66, 50, sitk.sitkUInt8)
    grid.SetSpacing((1.4, 1.5, 1.9))
    grid.SetDirection(matrix.ravel().tolist())
    middle = matrix @ (np.array([69, 65, 49]) / 2.0 * np.array([1.4, 1.5, 1.9]))
    grid.SetOrigin((-middle + np.array([0.0, -4.0, 3.0])).tolist())
    return grid


@pytest.fixture
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sixth of the size, for tests that draw many; every other step is the same."""
    monkeypatch.setattr(slices, "_LONGEST_PX", 110)
    monkeypatch.setattr(slices, "_SECOND_LONGEST_PX", 70)


def panels(picture: Image.Image) -> tuple[Pixels, Pixels, Pixels]:
    """The axial, coronal and sagittal plane: the three largest areas that are not page."""
    pixels = np.asarray(picture)
    areas, _ = ndimage.label((pixels != PAGE).any(axis=-1))
    boxes = ndimage.find_objects(areas)
    largest = sorted(boxes, key=lambda box: np.prod([s.stop - s.start for s in box]))[-3:]
    axial, *below = sorted(largest, key=lambda box: box[0].start)
    coronal, sagittal = sorted(below, key=lambda box: box[1].start)
    return pixels[axial], pixels[coronal], pixels[sagittal]


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


def cube() -> tuple[Scan, Segmentation]:
    """A cube of 40 mm in the middle of 100 mm of grey 100, whose corners stretch the window."""
    grey = np.full((50, 50, 50), 100.0, dtype=np.float32)
    grey[0], grey[-1] = 0.0, 400.0
    labels = np.zeros((50, 50, 50), dtype=np.uint8)
    labels[15:35, 15:35, 15:35] = 9
    images = [sitk.GetImageFromArray(values) for values in (grey, labels)]
    for image in images:
        image.SetSpacing((2.0, 2.0, 2.0))
    segments = (Segment(label=9, name="Cube", colour=(250, 60, 30)),)
    return Scan(image=images[0], modality="MR"), Segmentation(labels=images[1], segments=segments)


def test_the_line_runs_along_the_structures_end_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A line that is off by a voxel makes a good segmentation look bad, and the reverse."""
    monkeypatch.setattr(slices, "_LONGEST_PX", 400)
    scan, made = cube()
    with_it, without = panels(draw_slices(scan, made))[0], panels(draw_slices(scan, None))[0]
    side = with_it.shape[0]
    low, high = side * 0.3, side * 0.7
    rows, columns = np.mgrid[:side, :side] + 0.5
    # How far inside the square (outside when negative), in pixels.
    within = np.minimum.reduce([rows - low, high - rows, columns - low, high - columns])
    line = np.abs(with_it.astype(int) - (250, 60, 30)).max(axis=-1) < 40
    assert within[line].min() > -0.5
    # Two pixels wide, a little more where it turns.
    assert within[line].max() < 4.5
    assert within[line & (np.abs(rows - side / 2) < side / 8)].max() < 2.0
    assert line[(within > 0.0) & (within < 1.0)].mean() > 0.9
    # The shadow is a pixel wide.
    assert np.array_equal(with_it[within < -1.5], without[within < -1.5])
    deep = within > 4.5
    assert np.abs(with_it[deep].astype(int) - without[deep]).max() < 30


def test_structures_that_touch_both_keep_their_line() -> None:
    """Between neighbours each line runs on its own side, so that neither hides the other."""
    parts = np.repeat([[1] * 60 + [2] * 60], 90, axis=0)
    colours = np.array([(0, 0, 0), (255, 0, 0), (0, 0, 255)])
    drawn = outline.draw_structures(np.zeros((30, 40), dtype=np.float32), parts, colours)
    assert drawn[15, 19].tolist() == [255, 0, 0]
    assert drawn[15, 20].tolist() == [0, 0, 255]


def test_labels_are_never_mixed_into_others() -> None:
    """Between label 2 and label 6 there is no 4."""
    labels = np.zeros((4, 6, 6), dtype=np.uint16)
    labels[:, :, :3], labels[:, :, 3:] = 2, 60000
    image = sitk.GetImageFromArray(labels)
    box = geometry.box_lps(image, (0, 0, 0), image.GetSize())
    grid = planes.plane_grid(planes.AXIAL, box, (2.5, 2.5, 1.5), 0.1)
    assert np.unique(planes.cut_labels(image, grid)).tolist() == [2, 60000]


def test_a_label_without_a_name_is_not_drawn(small_pictures: None) -> None:
    scan, made = cube()
    unnamed = Segmentation(
        labels=made.labels, segments=(Segment(label=3, name="Other", colour=(0, 255, 0)),)
    )
    for got, plain in zip(
        panels(draw_slices(scan, unnamed)), panels(draw_slices(scan, None)), strict=True
    ):
        assert np.array_equal(got, plain)


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


class Pen:
    """Keeps what is drawn in place of drawing it."""

    def __init__(self) -> None:
        self.lines: list[list[tuple[float, float]]] = []
        self.texts: dict[str, tuple[float, float]] = {}

    def line(self, points: list[tuple[float, float]], **_: object) -> None:
        self.lines.append(points)

    def text(self, place: tuple[float, float], text: str, **_: object) -> None:
        self.texts[text] = place


def test_the_scale_bar_is_as_long_as_it_says() -> None:
    for pixel in (0.05, 0.31, 0.9, 2.7):
        pen = Pen()
        slices._draw_scale(pen, (10, 10), 400, pixel)
        (start, _), (end, _) = pen.lines[0]
        length = (end - start) * pixel
        assert [length] == pytest.approx([float(text.removesuffix(" mm")) for text in pen.texts])
        assert 400 * pixel / 8 < length <= 400 * pixel / 3


SIDES = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "S": (0, 0, 1)}
SIDES["I"] = (0, 0, -1)


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


def test_a_very_long_scan_makes_no_giant_picture(small_scan: Scan) -> None:
    image = sitk.Image(4, 4, 60, sitk.sitkInt16)
    image.SetSpacing((10.0, 10.0, 40.0))
    assert max(draw_slices(Scan(image=image), None).size) < 2500


def test_ct_is_shown_for_what_is_segmented() -> None:
    """Bone in a soft-tissue window is a white patch."""
    scan, made = cube()
    for inside, expected in ((40, 400), (700, 1800), (-800, 1500)):
        values = np.full((50, 50, 50), -1000, dtype=np.int16)
        values[10:40, 10:40, 10:40] = inside
        ct = Scan(image=geometry.from_array(values, scan.image), modality="CT")
        assert choose_window(ct, made).width == expected
        assert choose_window(ct, None).width == 400


def test_odd_intensities_still_make_a_picture(small_pictures: None) -> None:
    """A constant scan, and one with NaN and infinity in it, are no reason to fail."""
    flat = sitk.Image(6, 6, 6, sitk.sitkInt16)
    values = np.linspace(0, 100, 216, dtype=np.float32).reshape(6, 6, 6)
    values[0, 0, 0], values[3, 3, 3] = np.nan, np.inf
    hollow = np.full((6, 6, 6), np.nan, dtype=np.float32)
    for image in (flat, sitk.GetImageFromArray(values), sitk.GetImageFromArray(hollow)):
        scan = Scan(image=image, modality="PT")
        draw_slices(scan, None)
        window = choose_window(scan, None)
        assert np.isfinite(window).all()
        assert window.width > 0


def test_the_legend_has_every_structure() -> None:
    """Of 117 structures each has its swatch, those that the planes miss a hollow one."""
    segments = tuple(
        Segment(label=n + 1, name=f"structure {n}", colour=(n, 255 - n, 100)) for n in range(117)
    )
    drawn = draw_legend(Legend("Scan", (), segments[:60], segments[60:]), 300, 300)
    there = {colour for _, colour in drawn.getcolors(maxcolors=drawn.width * drawn.height) or ()}
    assert all(segment.colour in there for segment in segments)


def test_names_in_any_script_are_written_or_spelt_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no font has the letters, plain ones stand in; the picture is made all the same."""
    monkeypatch.setattr(lettering, "_SYSTEM_FONTS", ())
    assert lettering.lettering("Größe épaule", 12)[0] == "Gro?e epaule"
    kept, font = lettering.shorten("a very long name of a structure", 15, 90)
    assert kept.endswith("...")
    assert font.getlength(kept) <= 90


def test_a_segmentation_of_another_scan_is_refused(small_scan: Scan) -> None:
    _, made = cube()
    with pytest.raises(InputError, match="grid"):
        draw_slices(small_scan, made)
    with pytest.raises(InputError, match="grid"):
        draw_render(small_scan, made)


def test_a_failed_write_leaves_the_old_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_pictures: None
) -> None:
    path = tmp_path / "slices.png"
    write_slices(*cube(), path)
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(ResourceError, match="space"):
        write_slices(*cube(), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["slices.png"]
