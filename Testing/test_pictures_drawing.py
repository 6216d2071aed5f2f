"""Pictures: outlines where structures end, a readable grey window, a whole legend, safe writing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from MedAssistLib import geometry
from MedAssistLib.case import Scan, Segment, Segmentation
from MedAssistLib.errors import InputError, ResourceError
from MedAssistLib.export import lettering, outline, slices
from MedAssistLib.export.legend import Legend, draw_legend
from MedAssistLib.export.render3d import draw_render
from MedAssistLib.export.slices import draw_slices, write_slices
from MedAssistLib.export.window import choose_window
from Testing.picture_cases import (
    cube,
    panels,
)


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


def test_a_label_without_a_name_is_not_drawn(small_pictures: None) -> None:
    scan, made = cube()
    unnamed = Segmentation(
        labels=made.labels, segments=(Segment(label=3, name="Other", colour=(0, 255, 0)),)
    )
    for got, plain in zip(
        panels(draw_slices(scan, unnamed)), panels(draw_slices(scan, None)), strict=True
    ):
        assert np.array_equal(got, plain)


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
