"""Surfaces in 3-D: true to the structures, and an error where there is nothing to draw with."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from MedAssistLib import geometry
from MedAssistLib.case import Scan, Segment, Segmentation
from MedAssistLib.errors import InputError, ResourceError
from MedAssistLib.export import (
    rendering,
    surfaces,
)
from MedAssistLib.export.palette import PAGE
from MedAssistLib.export.render3d import draw_render, write_render
from Testing import orientations
from Testing.conftest import REPOSITORY
from Testing.picture_cases import BOXES, FRONT, TOP, body, cube, oblique, upright


def volume_of(surface: surfaces.Surface) -> float:
    """Enclosed volume, mm³; negative when the surface is inside out."""
    a, b, c = (surface.points[surface.triangles[:, corner]] for corner in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def test_a_vessel_two_voxels_thick_stays_a_vessel() -> None:
    """Smoothing that suits a liver makes a thread of a vessel and a dot of a small lesion."""
    labels = np.zeros((20, 20, 30), dtype=np.uint8)
    labels[4:6, 4:6, 4:26] = 1
    z, y, x = np.indices(labels.shape)
    labels[(z - 13) ** 2 + (y - 13) ** 2 + (x - 13) ** 2 < 5] = 2
    made = Segmentation(
        labels=sitk.GetImageFromArray(labels),
        segments=tuple(Segment(label=n, name=str(n), colour=(9, 9, 9)) for n in (1, 2)),
    )
    for surface in surfaces.make_surfaces(made):
        assert volume_of(surface) > 0.85 * (labels == surface.segment.label).sum()


def test_surfaces_are_closed_and_lie_where_the_structures_are() -> None:
    """For every way to store the scan, and an oblique one: same place, same volume, outside out."""
    _, made = body(upright())
    grids = [orientations.stored(made.labels, *how) for how in orientations.ALL]
    tilted = body(oblique())[1].labels
    for labels in (*grids, tilted):
        found = surfaces.make_surfaces(Segmentation(labels=labels, segments=made.segments))
        assert [surface.segment.label for surface in found] == list(BOXES)
        for surface in found:
            low, high = np.array(BOXES[surface.segment.label], dtype=float)
            middle = (surface.points.min(axis=0) + surface.points.max(axis=0)) / 2
            assert np.abs(middle - (low + high) / 2).max() < 2.0
            voxels = sitk.GetArrayViewFromImage(labels) == surface.segment.label
            expected = voxels.sum() * geometry.voxel_volume(labels)
            assert volume_of(surface) == pytest.approx(expected, rel=0.12)


def test_surfaces_have_no_holes_at_the_end_of_the_scan() -> None:
    """An organ that the scan cuts off is closed there: each edge has a triangle on either side."""
    labels = np.zeros((8, 8, 8), dtype=np.int16)
    labels[:5, :5, :5], labels[5:, 5:, 5:] = 7, 300
    made = Segmentation(
        labels=sitk.GetImageFromArray(labels),
        segments=tuple(Segment(label=n, name=str(n), colour=(n % 256, 9, 9)) for n in (300, 7)),
    )
    for surface in surfaces.make_surfaces(made):
        edges = surface.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
        there = {tuple(edge) for edge in edges.tolist()}
        assert all((b, a) in there for a, b in there)


def test_the_render_shows_the_structures_whole() -> None:
    """Not blank, nothing cut by the frame, each in its colour, left of the body on the right."""
    picture = np.asarray(draw_render(*body(upright()))).astype(int)
    assert picture.shape == (900, 900, 3)
    drawn = np.abs(picture - PAGE).max(axis=-1) > 12
    for border in (drawn[:30], drawn[-8:], drawn[:, :8], drawn[:, -30:]):
        assert not border.any()
    parts, _ = ndimage.label(drawn)
    body_rows, body_columns = np.nonzero(np.isin(parts, np.argsort(np.bincount(parts.flat))[-5:-1]))
    assert max(np.ptp(body_rows), np.ptp(body_columns)) > 650
    bright = picture.max(axis=-1) > 90
    spots = {
        label: np.argwhere(bright & (picture.argmax(-1) == channel) & (picture.min(-1) < 90)).mean(
            0
        )
        for label, channel in ((FRONT, 1), (TOP, 2))
    }
    assert spots[TOP][0] < 300
    assert spots[FRONT][1] < 400


def test_a_structure_inside_another_is_seen() -> None:
    """A tumour within a brain is what the picture is for."""
    z, y, x = np.indices((30, 30, 30))
    far = np.sqrt((z - 15) ** 2 + (y - 15) ** 2 + (x - 15) ** 2)
    labels = np.where(far < 5, 2, np.where(far < 12, 1, 0)).astype(np.uint8)
    segments = (
        Segment(label=1, name="Brain", colour=(200, 200, 200)),
        Segment(label=2, name="Tumour", colour=(255, 0, 0)),
    )
    made = Segmentation(labels=sitk.GetImageFromArray(labels), segments=segments)
    found = surfaces.make_surfaces(made)
    assert [surface.covers for surface in found] == [True, False]
    assert [volume_of(surface) for surface in found] == pytest.approx(
        [(labels == 1).sum(), (labels == 2).sum()], rel=0.05
    )
    scan = Scan(image=sitk.Cast(made.labels, sitk.sitkInt16))
    picture = np.asarray(draw_render(scan, made)).astype(int)
    assert (picture[..., 0] - picture[..., 1])[420:480, 420:480].min() > 60


def test_nothing_to_render_is_an_error(tmp_path: Path) -> None:
    scan, made = cube()
    empty = Segmentation(labels=made.labels * 0, segments=made.segments)
    with pytest.raises(InputError, match="no voxels"):
        write_render(scan, empty, tmp_path / "render.png")
    assert not list(tmp_path.iterdir())


_RENDER = """
import SimpleITK as sitk
from MedAssistLib.case import Scan, Segment, Segmentation
from MedAssistLib.errors import MedAssistError
from MedAssistLib.export.render3d import write_render
labels = sitk.Image(6, 6, 6, sitk.sitkUInt8)
labels[2:4, 2:4, 2:4] = 1
made = Segmentation(labels=labels, segments=(Segment(label=1, name="A", colour=(9, 9, 200)),))
try:
    write_render(Scan(image=labels), made, "render.png")
except MedAssistError as error:
    print(error)
    raise SystemExit(error.exit_status)
"""


def _render_in_a_process(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in {"DISPLAY", "VTK_DEFAULT_OPENGL_WINDOW"}
    }
    return subprocess.run(
        [sys.executable, "-c", _RENDER],
        cwd=folder,
        env={**inherited, "PYTHONPATH": str(REPOSITORY), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_rendering_without_a_display_says_nothing_on_stderr(tmp_path: Path) -> None:
    """No warning about an X server that nobody asked for."""
    done = _render_in_a_process(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "render.png").stat().st_size > 1000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux renders through EGL")
@pytest.mark.parametrize("missing", ["__EGL_VENDOR_LIBRARY_DIRS", "LIBGL_DRIVERS_PATH"])
def test_no_driver_is_an_error_and_not_a_crash(tmp_path: Path, missing: str) -> None:
    """VTK ends the whole process with a segmentation fault where there is no OpenGL driver."""
    done = _render_in_a_process(tmp_path, **{missing: "/nowhere"})
    if missing == "LIBGL_DRIVERS_PATH" and done.returncode == 0:
        # Mesa 24 and newer look for no drivers in a folder: there is one, and it draws.
        assert [path.suffix for path in tmp_path.iterdir()] == [".png"]
        return
    assert done.returncode == ResourceError.exit_status, done.stderr
    assert "apt-get install libegl1 libgl1-mesa-dri" in done.stdout
    assert not list(tmp_path.iterdir())


def test_no_egl_library_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering.sys, "platform", "linux")
    monkeypatch.setattr(rendering, "_library", lambda name: None)
    with pytest.raises(ResourceError, match="OpenGL") as caught:
        rendering.offscreen_window()
    assert "apt-get install libegl1 libgl1-mesa-dri" in caught.value.hint


def test_a_display_that_does_not_answer_is_no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    """A DISPLAY left over from a closed connection must not lead VTK to it."""
    monkeypatch.setattr(rendering.sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", ":987")
    assert rendering._is_headless()
    monkeypatch.setattr(rendering.sys, "platform", "darwin")
    assert not rendering._is_headless()


def test_missing_vtk_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vtkmodules.vtkRenderingCore", None)
    with pytest.raises(ResourceError) as caught:
        rendering.offscreen_window()
    assert 'pip install "medassist[scene]"' in caught.value.hint
