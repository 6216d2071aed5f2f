"""A made-up body in the scene, with a drawing that has as many errors as a test needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from MedAssistLib.scene import add_scan, add_segmentation
from Testing.check_cases import array, body, changed

if TYPE_CHECKING:
    from MedAssistLib.case import Scan, Segmentation
    from Testing.panel_bench import Bench

ISLANDS = 10
# Voxel (k, j, i) of the first voxel of each island, far from everything that is drawn.
_CORNERS = [(2 + 4 * n, 62, 4 + 9 * n) for n in range(ISLANDS)]


def add_body(bench: Bench, islands: int = ISLANDS) -> tuple[Any, Any]:
    """Put the body and its drawing into the scene, the first structures with an island each."""
    scan, correct = body()
    labels = array(correct)
    for number, (k, j, i) in enumerate(_CORNERS[:islands]):
        labels[k : k + 3, j : j + 4, i : i + 4] = number + 1
    return add_drawing(bench, scan, changed(correct, labels))


def add_drawing(bench: Bench, scan: Scan, made: Segmentation) -> tuple[Any, Any]:
    """Put a scan and what is drawn on it into the scene, ready to be checked."""
    scene = bench.host.scene
    volume = add_scan(scene, scan)
    drawn = add_segmentation(scene, made, volume)
    bench.panel.input.ui.volume.setCurrentNode(volume)
    bench.panel.ui.checkSection.collapsed = False
    bench.host.wait(lambda: bench.panel.check.segmentation is drawn, 5, "the drawing's choice")
    return volume, drawn


def run_check(bench: Bench) -> Any:
    """Press "Check" and wait for its end; return the job."""
    bench.panel.check.ui.check.setFocus()  # as a click of the mouse does
    bench.panel.check.ui.check.click()
    job = bench.jobs[-1]
    assert bench.until_over(job) == "done", job.problem
    bench.host.process(0.1)
    return job


def centre(number: int) -> np.ndarray:
    """Return the middle of an island, LPS mm."""
    k, j, i = _CORNERS[number]
    index = np.array([i + 1.5, j + 1.5, k + 1.0])
    image = body()[0].image
    return np.array(image.TransformContinuousIndexToPhysicalPoint(index.tolist()))


def press(bench: Bench, *keys: str) -> None:
    """Press keys as a person does, wherever the focus is: "N", "Return"."""
    from PySide6 import QtCore, QtTest

    for key in keys:
        code = getattr(QtCore.Qt.Key, f"Key_{key}")
        QtTest.QTest.keyClick(bench.host.window.windowHandle(), code)
        bench.host.process(0.01)


def island(bench: Bench, number: int) -> dict[str, Any]:
    """Return the finding about an island."""
    found = [
        entry
        for entry in bench.panel.check.review.entries
        if entry["rule"] == "geometry.islands"
        and np.linalg.norm(entry["point_lps"] - centre(number)) < 4.0
    ]
    assert len(found) == 1, f"island {number}: {len(found)} findings"
    return found[0]


def choose(bench: Bench, entry: dict[str, Any]) -> None:
    """Click the row of a finding."""
    check = bench.panel.check
    place = next(n for n, other in enumerate(check.review.entries) if other is entry)
    check.ui.findings.selectRow(check.review._review.rows().index(place))
