"""A picture of structures in three dimensions, seen from the patient's front, left and above."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from MedAssistLib.case import Point, Scan, Segmentation
from MedAssistLib.errors import InputError
from MedAssistLib.export.lettering import built_in_font
from MedAssistLib.export.palette import BRIGHT, DIM, PAGE
from MedAssistLib.export.rendering import offscreen_window
from MedAssistLib.export.surfaces import GLASS_OPACITY, Surface, make_surfaces, poly_data
from MedAssistLib.files import replacing
from MedAssistLib.geometry import same_grid

if TYPE_CHECKING:
    from vtkmodules.vtkRenderingCore import vtkActor, vtkRenderer, vtkRenderWindow

Floats = npt.NDArray[np.float64]

_SIZE_PX = 900
_FINER = 2
_FILLED = 0.86
# From the patient's left, front and above; LPS.
_VIEWED_FROM = np.array([1.0, -1.0, 0.6])
_UP = np.array([0.0, 0.0, 1.0])
_MARK_RADIUS, _MARK_TEXT = 14, 16
_COMPASS_CENTRE, _COMPASS_RADIUS, _COMPASS_TEXT = 84, 46, 20
_COMPASS = {
    "L": (1.0, 0.0, 0.0),
    "R": (-1.0, 0.0, 0.0),
    "P": (0.0, 1.0, 0.0),
    "A": (0.0, -1.0, 0.0),
    "S": (0.0, 0.0, 1.0),
    "I": (0.0, 0.0, -1.0),
}


def write_render(scan: Scan, segmentation: Segmentation, path: str | os.PathLike[str]) -> None:
    """Write a PNG with the lit surfaces of the structures.

    Raises:
        InputError: If no structure has a voxel, or the segmentation is not on the scan's grid.
        ResourceError: If there is nothing to render with, or the file cannot be written.
    """
    picture = draw_render(scan, segmentation)
    with replacing(path) as temporary:
        picture.save(temporary, format="PNG")


def draw_render(
    scan: Scan, segmentation: Segmentation, marks: Mapping[str, Point] | None = None
) -> Image.Image:
    """Return the picture that :func:`write_render` writes.

    A structure that hides one within it is drawn as glass.

    Args:
        scan: The scan.
        segmentation: The structures, on the scan's grid.
        marks: Places, LPS mm, by the short text that is written there, in front of everything.
    """
    if not same_grid(scan.image, segmentation.labels):
        raise InputError("the segmentation does not lie on the scan's grid", where=scan.name)
    # Asked for first: without it nothing of the rest is worth the time.
    window = offscreen_window()
    surfaces = make_surfaces(segmentation)
    if not surfaces:
        hint = "Segment something first"
        raise InputError("the segmentation has no voxels to show", where=scan.name, hint=hint)
    view = _View(np.concatenate([surface.points for surface in surfaces]))
    renderer = _make_renderer(view)
    for surface in surfaces:
        renderer.AddActor(_make_actor(surface))
    renderer.ResetCameraClippingRange()
    window.SetSize(_SIZE_PX * _FINER, _SIZE_PX * _FINER)
    # Drawn larger and averaged, which every OpenGL can do, instead of multi-sampled.
    window.SetMultiSamples(0)
    window.AddRenderer(renderer)
    picture = _photograph(window)
    pen = ImageDraw.Draw(picture)
    _draw_compass(pen, view)
    _draw_marks(pen, view, marks or {})
    return picture.resize((_SIZE_PX, _SIZE_PX), Image.Resampling.LANCZOS)


class _View:
    """Where the camera stands so that all points fit into the picture.

    Attributes:
        towards: Unit vector from the structures to the camera, LPS.
        right: Unit vector to the viewer's right.
        up: Unit vector to the top of the picture.
        middle: What the picture is centred on, LPS mm.
        half: Half the side of the picture, mm.
        reach: How far the structures extend, mm.
    """

    def __init__(self, points: Floats) -> None:
        self.towards = _VIEWED_FROM / np.linalg.norm(_VIEWED_FROM)
        self.right = np.cross(_UP, self.towards)
        self.right /= np.linalg.norm(self.right)
        self.up = np.cross(self.towards, self.right)
        axes = np.stack([self.right, self.up, self.towards])
        seen = points @ axes.T
        low, high = seen.min(axis=0), seen.max(axis=0)
        self.middle = (low + high) / 2.0 @ axes
        self.half = float((high - low)[:2].max()) / 2.0 / _FILLED
        self.reach = float(np.linalg.norm(high - low))


def _make_renderer(view: _View) -> vtkRenderer:
    """Return a renderer with camera, lights and soft shadows in the hollows."""
    from vtkmodules.vtkRenderingCore import vtkLightKit, vtkRenderer

    renderer = vtkRenderer()
    renderer.SetBackground(*(value / 255.0 for value in PAGE))
    camera = renderer.GetActiveCamera()
    camera.ParallelProjectionOn()
    camera.SetParallelScale(view.half)
    camera.SetFocalPoint(*view.middle)
    camera.SetPosition(*(view.middle + view.towards * 2.0 * view.reach))
    camera.SetViewUp(*view.up)
    lights = vtkLightKit()
    lights.SetKeyLightIntensity(0.9)
    lights.SetKeyLightAngle(40.0, -25.0)
    lights.SetKeyToFillRatio(2.6)
    lights.SetKeyToHeadRatio(4.0)
    lights.SetKeyToBackRatio(3.0)
    for set_warmth in (
        lights.SetKeyLightWarmth,
        lights.SetFillLightWarmth,
        lights.SetHeadLightWarmth,
        lights.SetBackLightWarmth,
    ):
        set_warmth(0.5)  # neutral, so that colours stay those of the legend
    lights.AddLightsToRenderer(renderer)
    renderer.UseSSAOOn()
    renderer.SetSSAORadius(0.06 * view.reach)
    renderer.SetSSAOBias(0.003 * view.reach)
    renderer.SSAOBlurOn()
    renderer.UseDepthPeelingOn()
    return renderer


def _make_actor(surface: Surface) -> vtkActor:
    from vtkmodules.vtkFiltersCore import vtkPolyDataNormals
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

    normals = vtkPolyDataNormals()
    normals.SetInputData(poly_data(surface.points, surface.triangles))
    normals.SplittingOff()
    normals.ConsistencyOff()
    mapper = vtkPolyDataMapper()
    mapper.SetInputConnection(normals.GetOutputPort())
    actor = vtkActor()
    actor.SetMapper(mapper)
    look = actor.GetProperty()
    look.SetColor(*(value / 255.0 for value in surface.segment.colour))
    look.SetOpacity(GLASS_OPACITY if surface.covers else 1.0)
    look.SetAmbient(0.12)
    look.SetDiffuse(0.85)
    look.SetSpecular(0.15)
    look.SetSpecularPower(25.0)
    # Where structures touch two walls meet; only the one that is looked at is drawn.
    look.BackfaceCullingOn()
    return actor


def _photograph(window: vtkRenderWindow) -> Image.Image:
    """Render, and return what the window holds."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkRenderingCore import vtkWindowToImageFilter

    window.Render()
    camera = vtkWindowToImageFilter()
    camera.SetInput(window)
    camera.ReadFrontBufferOff()
    camera.Update()
    shot = camera.GetOutput()
    columns, rows, _ = shot.GetDimensions()
    values = vtk_to_numpy(shot.GetPointData().GetScalars()).reshape(rows, columns, 3)
    picture = Image.fromarray(np.ascontiguousarray(values[::-1]))
    window.Finalize()
    return picture


def _draw_marks(pen: ImageDraw.ImageDraw, view: _View, marks: Mapping[str, Point]) -> None:
    """Write each text in a ring at its place; the first ones stay on top."""
    font = built_in_font(_MARK_TEXT * _FINER)
    centre, scale = _SIZE_PX * _FINER / 2.0, _SIZE_PX * _FINER / 2.0 / view.half
    for text, place in reversed(list(marks.items())):
        away = np.array(place) - view.middle
        across, down = centre + view.right @ away * scale, centre - view.up @ away * scale
        radius = _MARK_RADIUS * _FINER
        ring = (across - radius, down - radius, across + radius, down + radius)
        pen.ellipse(ring, fill=PAGE, outline=BRIGHT, width=2 * _FINER)
        pen.text((across, down), text, fill=BRIGHT, font=font, anchor="mm")


def _draw_compass(pen: ImageDraw.ImageDraw, view: _View) -> None:
    """Draw the six directions in the lower left corner, those that point away first and dimmer."""
    centre = np.array([_COMPASS_CENTRE, _SIZE_PX - _COMPASS_CENTRE]) * _FINER
    font = built_in_font(_COMPASS_TEXT * _FINER)
    for letter, axis in sorted(_COMPASS.items(), key=lambda item: np.dot(item[1], view.towards)):
        flat = np.array([np.dot(axis, view.right), -np.dot(axis, view.up)]) * _FINER
        tip = centre + flat * _COMPASS_RADIUS
        colour = BRIGHT if np.dot(axis, view.towards) > 0 else DIM
        pen.line([tuple(centre), tuple(tip)], fill=colour, width=2 * _FINER)
        beyond = tip + flat / np.linalg.norm(flat) * 13 * _FINER
        pen.text(tuple(beyond), letter, fill=colour, font=font, anchor="mm")
