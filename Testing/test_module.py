"""The Slicer module in the test host: as Slicer lists, opens, reloads and tests it."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from MedAssistLib.case import Scan
from MedAssistLib.scene import add_scan
from Testing.conftest import REPOSITORY

pytest_plugins = ("Testing.panel_bench",)

MODULE = REPOSITORY / "MedAssist" / "MedAssist.py"


def test_slicer_can_list_it(host: Any) -> None:
    """The module would be missing in the menus, or have no help."""
    host.load(MODULE)
    import slicer

    parent = slicer.modules.MedAssistInstance.parent
    assert parent.title == "MedAssist"
    assert list(parent.categories) == ["Segmentation"]
    assert parent.contributors
    assert "Not a medical device" in parent.helpText
    assert "deepbet" in parent.acknowledgementText
    assert not parent.hidden


def test_its_file_imports_nothing_heavy() -> None:
    """It runs at every start of Slicer."""
    tree = ast.parse(MODULE.read_text("utf-8"))
    names = set()
    for node in tree.body:
        for part in [node, *(node.body if isinstance(node, ast.Try) else [])]:
            if isinstance(part, ast.Import):
                names |= {alias.name for alias in part.names}
            elif isinstance(part, ast.ImportFrom):
                names.add(part.module)
    packages = {name.split(".")[0] for name in names}
    assert packages == {"os", "sys", "time", "pathlib", "slicer", "MedAssistLib"}


_OPEN = """
import sys, time
from Testing.host.boot import boot
host = boot()
began = time.process_time()  # of the processor: other tests may run at the same time
host.load({module!r})
host.process()
took = time.process_time() - began
heavy = {{"torch", "scipy", "highdicom", "pandas", "openvino"}} & set(sys.modules)
host.process(0.5)
print("TOOK", took, sorted(heavy | ({{"torch"}} & set(sys.modules))))
host.close()
"""


@pytest.mark.alone
def test_it_opens_quickly_and_loads_nothing_heavy(own_folders: Path) -> None:
    """Opening the module would take seconds, as it does with the rivals."""
    code = _OPEN.format(module=str(MODULE))
    runs = []
    for _try in range(3):
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
        )
        line = next(text for text in run.stdout.splitlines() if text.startswith("TOOK"))
        runs.append(line.split(" ", 2)[1:])
        if float(runs[-1][0]) < 0.5:
            break
    assert min(float(seconds) for seconds, _heavy in runs) < 0.5, runs
    assert all(heavy == "[]" for _seconds, heavy in runs)


def test_its_own_test_passes(host: Any) -> None:
    """It would fail in Slicer, where the same test runs."""
    host.load(MODULE)
    import slicer

    began = time.perf_counter()
    slicer.modules.MedAssistInstance.runTest()
    assert time.perf_counter() - began < 60


def test_sample_data_is_offered_once_slicer_has_started(host: Any) -> None:
    from Testing.host import extensions

    host.load(MODULE)
    host.start_up()
    assert len(extensions.SAMPLES) == 2
    for sample in extensions.SAMPLES:
        assert str(sample["checksums"]).startswith("SHA256:")


def test_reloading_takes_the_new_library_and_leaves_nothing(host: Any) -> None:
    """A developer would see old code; timers and observers of the old panel would go on."""
    import slicer

    widget = host.load(MODULE)
    library = sys.modules["MedAssistLib.panel.panel"]
    kept = {name: part for name, part in sys.modules.items() if name.startswith("MedAssistLib")}
    try:
        widget.onReload()
        assert sys.modules["MedAssistLib.panel.panel"] is not library
        assert widget.panel is None
        assert slicer.modules.MedAssistWidget.panel is not None
        host.app.moduleManager().unload("MedAssist")
    finally:
        for name in [n for n in sys.modules if n.startswith("MedAssistLib")]:
            del sys.modules[name]
        sys.modules.update(kept)


def test_scripts_segment_and_measure(host: Any, mni_scan: Scan) -> None:
    """Scripts use the logic without the panel."""
    import slicer

    host.load(MODULE)
    import MedAssist

    volume = add_scan(slicer.mrmlScene, mni_scan)
    logic = MedAssist.MedAssistLogic()
    segmentation = logic.segment(volume, "brain")
    assert segmentation.GetSegmentation().GetNthSegment(0).GetName() == "Brain"
    volumes = [m.value for m in logic.measure(segmentation, volume) if m.quantity == "volume"]
    assert volumes == [pytest.approx(1953.1, abs=1.0)]


def test_scripts_enhance_and_leave_the_volume(host: Any, small_scan: Scan) -> None:
    import slicer

    host.load(MODULE)
    import MedAssist

    volume = add_scan(slicer.mrmlScene, small_scan)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    volume.SetAndObserveTransformNodeID(transform.GetID())
    before = slicer.util.arrayFromVolume(volume).copy()
    enhanced = MedAssist.MedAssistLogic().enhance(volume)
    assert enhanced.GetTransformNodeID() == transform.GetID()
    assert np.array_equal(slicer.util.arrayFromVolume(volume), before)
    assert not np.array_equal(slicer.util.arrayFromVolume(enhanced), before)
