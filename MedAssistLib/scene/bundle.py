"""Cases as scene files of Slicer (``.mrb``).

Surfaces take most of the time (about 0.2 s for each organ of a large CT), compressing the voxels
the rest: a 256×256×200 head with a brain mask is written in about a second.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from MedAssistLib.case import Case, Measurement
from MedAssistLib.errors import ResourceError
from MedAssistLib.files import replacing
from MedAssistLib.progress import Progress
from MedAssistLib.scene.display import show
from MedAssistLib.scene.grid import right_handed
from MedAssistLib.scene.headless import HeadlessScene, headless_scene
from MedAssistLib.scene.segmentations import add_segmentation
from MedAssistLib.scene.views import add_views
from MedAssistLib.scene.volumes import add_scan

if TYPE_CHECKING:
    from slicer import vtkMRMLScene

# Slicer warns of a scene that names another program, and slicer-core would write its own name.
_WRITTEN_FOR = "Slicer 5.12.0 0"
_FOLDER = "MedAssist"


def write_mrb(
    case: Case, path: str | os.PathLike[str], *, progress: Progress | None = None
) -> None:
    """Write a case as a scene that Slicer opens with the scan in its slice views and 3D shown.

    The file holds the scan, its enhanced versions, the segmentations with surfaces, and a table of
    the measurements; nothing about the patient and no path. A scan with left-handed axes gets its
    slices in reverse order, as Slicer itself reads it: every value stays in its place.

    Args:
        case: The case; its segmentations lie on its scan's grid.
        path: The ``.mrb`` file; replaced in one step.
        progress: Told how far the writing is.

    Raises:
        ResourceError: If slicer-core is missing or the file cannot be written.
        InputError: If a scene cannot hold the case, as when a label of the image has no segment.
    """
    progress = progress or Progress()
    with headless_scene() as headless, replacing(path) as temporary:
        _fill(headless, case, progress.part("building the scene", 0.0, 0.7))
        progress.part("writing the scene", 0.7, 1.0).update(0.0)
        with tempfile.TemporaryDirectory(
            dir=temporary.parent, ignore_cleanup_errors=True
        ) as staging:
            folder = Path(staging).absolute() / _FOLDER
            folder.mkdir()
            _save(headless.scene, folder, Path(path))
            _zip(folder, temporary)
    progress.update(1.0)


def _fill(headless: HeadlessScene, case: Case, progress: Progress) -> None:
    """Put a case into an empty scene."""
    scene = headless.scene
    scans = [replace(scan, image=right_handed(scan.image)) for scan in (case.scan, *case.enhanced)]
    volume, *_ = [add_scan(scene, scan) for scan in scans]
    add_views(headless, volume)
    for done, segmentation in enumerate(case.segmentations):
        progress.update(done / len(case.segmentations))
        turned = replace(segmentation, labels=right_handed(segmentation.labels))
        show(scene, add_segmentation(scene, turned, volume), volume)
    if case.measurements:
        _add_table(scene, case.measurements)


def _add_table(scene: vtkMRMLScene, measurements: Sequence[Measurement]) -> None:
    """Add the measurements as a table: one row each, one column for each of their fields."""
    from vtkmodules.vtkCommonCore import vtkDoubleArray, vtkStringArray

    table = scene.AddNewNodeByClass("vtkMRMLTableNode", "Measurements")
    for field in fields(Measurement):
        column: Any = vtkDoubleArray() if field.name == "value" else vtkStringArray()
        column.SetName(field.name)
        for measurement in measurements:
            value = getattr(measurement, field.name)
            column.InsertNextValue(_cell(value) if isinstance(value, str) else value)
        table.AddColumn(column)
    table.SetUseColumnTitleAsColumnHeader(True)


def _cell(text: str) -> str:
    """Return a text without what VTK's table files cannot hold: quotes, tabs and line breaks."""
    return " ".join(text.replace('"', "'").split())


def _save(scene: vtkMRMLScene, folder: Path, path: Path) -> None:
    """Write a scene and its data to an empty folder.

    Raises:
        ResourceError: If anything could not be written.
    """
    import slicer

    # Slicer makes the tree by itself, with an item for each segment, where a scene has none.
    scene.GetSubjectHierarchyNode().SetSaveWithScene(False)
    scene.SetVersion(_WRITTEN_FOR)
    messages = slicer.vtkMRMLMessageCollection()
    saved = scene.SaveSceneToSlicerDataBundleDirectory(folder.as_posix(), None, messages)
    description = folder / f"{_FOLDER}.mrml"
    # The scene does not notice when the last of its files, the description, is cut short.
    if not saved or not description.read_bytes().rstrip().endswith(b"</MRML>"):
        hint = "Check that there is space for it; any earlier file is as it was"
        raise ResourceError("the scene could not be written", where=path, hint=hint)


def _zip(folder: Path, target: Path) -> None:
    """Pack a folder, with its name, as it is: its large files are compressed already."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder.parent))
