"""A working MRML scene without the Slicer application."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from MedAssistLib.errors import ResourceError

if TYPE_CHECKING:
    from slicer import vtkMRMLAbstractLogic, vtkMRMLScene, vtkSlicerApplicationLogic


@dataclass(frozen=True, eq=False)
class HeadlessScene:
    """What a scene needs around it to work; no part may outlive :func:`headless_scene`.

    Attributes:
        scene: The scene; it can read and write ``.mrb`` files.
        application: Its application logic, which finds the logics by name but does not own them.
        logics: The logics of the modules, by module name.
    """

    scene: vtkMRMLScene
    application: vtkSlicerApplicationLogic
    logics: Mapping[str, vtkMRMLAbstractLogic]


@contextmanager
def headless_scene() -> Iterator[HeadlessScene]:
    """Give an empty scene with the logics of colours, volumes, segmentations and hierarchy.

    Raises:
        ResourceError: If slicer-core is not installed.

    Example:
        >>> with headless_scene() as headless:
        ...     node = headless.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "scan")
    """
    slicer = _import_slicer()
    with tempfile.TemporaryDirectory(prefix="medassist-", ignore_cleanup_errors=True) as cache:
        headless = _boot(slicer)
        _let_read_bundles(slicer, headless.scene, cache)
        try:
            yield headless
        finally:
            headless.scene.Clear(True)  # singletons too: nodes observe each other and would stay
            headless.application.SetMRMLScene(None)


def _import_slicer() -> Any:
    """Import the ``slicer`` of Slicer or slicer-core; PyPI has another package of that name."""
    try:
        import slicer
    except ImportError as error:
        raise _no_slicer() from error
    if not hasattr(slicer, "vtkMRMLScene"):
        raise _no_slicer()
    return slicer


def _no_slicer() -> ResourceError:
    hint = 'Install it with: pip install "medassist[scene]"'
    return ResourceError("the package slicer-core, which holds the scene, is missing", hint=hint)


def _boot(slicer: Any) -> HeadlessScene:
    scene = slicer.vtkMRMLScene()
    application = slicer.vtkSlicerApplicationLogic()
    application.SetMRMLScene(scene)
    logics = {
        # Volumes look up their colours in the logic of this name; the application has it already.
        "Colors": application.GetColorLogic(),
        "SubjectHierarchy": slicer.vtkSlicerSubjectHierarchyModuleLogic(),
        "Volumes": slicer.vtkSlicerVolumesLogic(),
        "Segmentations": slicer.vtkSlicerSegmentationsModuleLogic(),
    }
    for name, logic in logics.items():
        logic.SetMRMLApplicationLogic(application)
        logic.SetMRMLScene(scene)
        application.SetModuleLogic(name, logic)
    logics["Colors"].AddDefaultColorNodes()
    return HeadlessScene(scene, application, logics)


def _let_read_bundles(slicer: Any, scene: vtkMRMLScene, cache: str) -> None:
    """Give the scene the managers that unpack an ``.mrb`` file below the folder ``cache``."""
    cache_manager = slicer.vtkCacheManager()
    cache_manager.SetRemoteCacheDirectory(cache)
    data_manager = slicer.vtkDataIOManager()
    data_manager.SetCacheManager(cache_manager)
    scene.SetCacheManager(cache_manager)
    scene.SetDataIOManager(data_manager)
