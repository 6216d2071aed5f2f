"""The Slicer module on the real MRML scene; only Slicer's Python base classes are fakes."""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from MedAssistLib.case import Scan
from MedAssistLib.scene import add_scan, headless_scene
from Testing.conftest import REPOSITORY


class FakeModule:
    """Stands in for ``ScriptedLoadableModule``."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent


class FakeLogic:
    """Stands in for ``ScriptedLoadableModuleLogic``."""


class FakeTest:
    """Stands in for ``ScriptedLoadableModuleTest``, of which it needs one assertion."""

    def assertEqual(self, first: object, second: object) -> None:  # noqa: N802
        assert first == second

    def assertTrue(self, value: object) -> None:  # noqa: N802
        assert value


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Load the module's file as Slicer does, with a scene."""
    import slicer

    base = types.ModuleType("slicer.ScriptedLoadableModule")
    base.ScriptedLoadableModule = FakeModule
    base.ScriptedLoadableModuleLogic = FakeLogic
    base.ScriptedLoadableModuleTest = FakeTest
    i18n = types.ModuleType("slicer.i18n")
    i18n.tr = lambda text: text
    i18n.translate = lambda _context, text: text
    monkeypatch.setitem(sys.modules, base.__name__, base)
    monkeypatch.setitem(sys.modules, i18n.__name__, i18n)
    path = REPOSITORY / "MedAssist" / "MedAssist.py"
    specification = importlib.util.spec_from_file_location("MedAssist", path)
    loaded = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(loaded)
    with headless_scene() as headless:
        monkeypatch.setattr(slicer, "mrmlScene", headless.scene, raising=False)
        yield loaded


def test_slicer_can_list_it(module: Any) -> None:
    parent = types.SimpleNamespace()
    module.MedAssist(parent)
    assert parent.title == "MedAssist"
    assert parent.categories == ["Segmentation"]
    assert parent.hidden


def test_its_file_imports_nothing_heavy() -> None:
    """It runs at every start of Slicer."""
    source = (REPOSITORY / "MedAssist" / "MedAssist.py").read_text("utf-8")
    top = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
    packages = {line.split()[1].split(".")[0] for line in top}
    assert packages == {"sys", "pathlib", "slicer"}


def test_segmenting_puts_the_brain_on_the_volume(module: Any, mni_scan: Scan) -> None:
    import slicer

    volume = add_scan(slicer.mrmlScene, mni_scan)
    logic = module.MedAssistLogic()
    segmentation = logic.segment(volume, "brain")
    assert segmentation.GetSegmentation().GetNthSegment(0).GetName() == "Brain"
    volumes = [m.value for m in logic.measure(segmentation, volume) if m.quantity == "volume"]
    assert volumes == [pytest.approx(1953.1, abs=1.0)]


def test_enhancing_leaves_the_volume_and_follows_its_transform(
    module: Any, small_scan: Scan
) -> None:
    import slicer

    volume = add_scan(slicer.mrmlScene, small_scan)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    volume.SetAndObserveTransformNodeID(transform.GetID())
    before = slicer.util.arrayFromVolume(volume).copy()
    enhanced = module.MedAssistLogic().enhance(volume)
    assert enhanced.GetTransformNodeID() == transform.GetID()
    assert np.array_equal(slicer.util.arrayFromVolume(volume), before)
    assert not np.array_equal(slicer.util.arrayFromVolume(enhanced), before)
