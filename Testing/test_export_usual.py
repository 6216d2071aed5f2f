"""Reference ranges of volumes in reports: whose they are, and where none is drawn."""

from __future__ import annotations

import html
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from MedAssistLib import geometry
from MedAssistLib.case import Case
from MedAssistLib.cli import main
from MedAssistLib.errors import UsageError
from MedAssistLib.export import report_findings, report_pictures
from MedAssistLib.export.images import write_scan
from MedAssistLib.export.seg_nrrd import write_seg_nrrd
from MedAssistLib.worker.usual import usual_volumes
from Testing.check_cases import body


@pytest.fixture(scope="module")
def case() -> Case:
    scan, drawn = body()
    return Case(scan=scan, segmentations=(drawn,))


@pytest.fixture
def files(case: Case, tmp_path: Path) -> tuple[Path, Path]:
    write_scan(case.scan, tmp_path / "ct.nrrd")
    write_seg_nrrd(case.segmentations[0], tmp_path / "ct.seg.nrrd")
    return tmp_path / "ct.nrrd", tmp_path / "ct.seg.nrrd"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blank pictures, for tests that are about the text."""
    for module, name in (
        *((report_pictures, name) for name in ("draw_slices", "draw_render")),
        (report_findings, "draw_close_up"),
    ):
        monkeypatch.setattr(module, name, lambda *_given: Image.new("RGB", (4, 3)))


def test_a_range_is_that_of_the_person_and_the_side(case: Case) -> None:
    """A man's right kidney beside a woman's left one would be called small."""
    man = {entry.structure: entry for entry in usual_volumes(case, 45.0, "M")}
    woman = {entry.structure: entry for entry in usual_volumes(case, 45.0, "F")}
    assert man.keys() == {"Liver", "Spleen", "Left kidney", "Right kidney"}
    for entry in (*man.values(), *woman.values()):
        assert entry.low < entry.high
        assert (entry.quantity, entry.unit) == ("volume", "mL")
        assert len(entry.source) > 20, "who was measured, and where that is published"
    assert man["Right kidney"].high > woman["Right kidney"].high
    assert 90.0 < woman["Left kidney"].low < woman["Left kidney"].high < 260.0


def test_of_a_person_of_whom_nothing_is_known_nothing_is_drawn(case: Case) -> None:
    """A child's liver against that of adults looks ill."""
    assert usual_volumes(case, None, "") == ()
    assert usual_volumes(Case(scan=case.scan), 40.0, "F") == ()
    assert "Liver" not in {entry.structure for entry in usual_volumes(case, 5.0, "")}
    with pytest.raises(UsageError):
        usual_volumes(case, 200.0, "")


def test_what_the_scan_cuts_off_is_not_compared(case: Case) -> None:
    """Half a liver is not a small one."""
    drawn = case.segmentations[0]
    labels = sitk.GetArrayFromImage(drawn.labels)
    labels[0, :5, :5] = 1
    cut = replace(drawn, labels=geometry.from_array(labels, drawn.labels))
    found = {e.structure for e in usual_volumes(replace(case, segmentations=(cut,)), 45.0, "M")}
    assert "Liver" not in found
    assert "Spleen" in found


def test_ones_own_ranges_come_first(case: Case, tmp_path: Path) -> None:
    own = {"structure": "Liver", "quantity": "volume", "unit": "mL", "source": "our own clinic"}
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"ranges": [{**own, "mean": 200.0, "sd": 20.0}]}))
    alone = usual_volumes(case, None, "", path)
    assert [entry.structure for entry in alone] == ["Liver"]
    assert "our own clinic" in alone[0].source
    assert np.isclose((alone[0].low * alone[0].high) ** 0.5, 200.0, rtol=0.02)
    found = {entry.structure: entry for entry in usual_volumes(case, 45.0, "M", path)}
    assert found["Liver"] == alone[0]
    assert "our own clinic" not in found["Spleen"].source


@pytest.mark.parametrize("verb", ["export", "check"])
def test_the_command_draws_them_and_says_whose_they_are(
    files: tuple[Path, Path], case: Case, quick: None, verb: str
) -> None:
    scan, drawn = files
    page = scan.with_name("report.html")
    command = [verb, str(scan), "--segmentation", str(drawn), "-o", str(page), "--modality", "CT"]
    sources = {entry.source for entry in usual_volumes(case, 45.0, "M")}
    assert main(command) == 0
    plain = html.unescape(page.read_text("utf-8"))
    assert main([*command, "--age", "45", "--sex", "M"]) == 0
    told = html.unescape(page.read_text("utf-8"))
    assert "Usual volume" in told
    for source in sources:
        assert source in told
        assert verb == "check" or source not in plain  # The findings of a check name some.


def test_they_are_refused_for_what_is_no_report(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Better than a table without the ranges that somebody asked for."""
    scan, drawn = files
    output = str(scan.with_name("x.csv"))
    assert (
        main(["export", str(scan), "--segmentation", str(drawn), "-o", output, "--age", "4"]) == 2
    )
    assert "are for reports" in capsys.readouterr().err
