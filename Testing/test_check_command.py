"""``medassist check``: from files to findings, and what it says when something is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.cli import main
from MedAssistLib.cli.label_names import label_names
from MedAssistLib.errors import InputError, UsageError
from MedAssistLib.export.seg_nrrd import write_seg_nrrd
from Testing.check_cases import array, body, changed, segment_of
from Testing.check_errors import inject


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan, its correct segmentation, and one with an island."""
    home = tmp_path_factory.mktemp("check")
    scan, correct = body()
    error = inject("island", correct, segment_of(correct, "Liver"), 5.0, np.random.default_rng(0))
    assert error is not None
    sitk.WriteImage(scan.image, home / "scan.nii.gz")
    write_seg_nrrd(correct, home / "correct.seg.nrrd")
    write_seg_nrrd(error.segmentation, home / "island.seg.nrrd")
    sitk.WriteImage(error.segmentation.labels, home / "island.nii.gz")
    return home


def _findings(path: Path, rule: str = "geometry.") -> list[dict]:
    data = json.loads(path.read_text("utf-8"))
    return [finding for finding in data["findings"] if finding["rule"].startswith(rule)]


def _check(folder: Path, *more: str) -> int:
    return main(["check", str(folder / "scan.nii.gz"), "--modality", "CT", *more])


def test_findings_are_a_table_and_a_file(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "findings.json"
    made = str(folder / "island.seg.nrrd")
    assert _check(folder, "--segmentation", made, "-o", str(out)) == 0
    shown = capsys.readouterr().out
    assert "Liver has an island" in shown
    assert shown.splitlines()[0].split() == ["severity", "structure", "what", "LPS", "mm"]
    (finding,) = _findings(out)
    assert finding["structure"] == "Liver"


def test_a_table_for_a_spreadsheet(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "findings.csv"
    made = str(folder / "island.seg.nrrd")
    assert _check(folder, "--segmentation", made, "-o", str(out)) == 0
    assert "geometry.islands" in out.read_text("utf-8")


def test_a_report_to_read_and_print(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "findings.html"
    made = str(folder / "island.seg.nrrd")
    assert _check(folder, "--segmentation", made, "-o", str(out)) == 0
    assert "Liver has an island" in out.read_text("utf-8")


def test_answers_of_an_earlier_run_are_kept(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "findings.json"
    asked = ("--segmentation", str(folder / "island.seg.nrrd"), "-o", str(out))
    assert _check(folder, *asked) == 0
    data = json.loads(out.read_text("utf-8"))
    for finding in data["findings"]:
        finding.update(state="dismissed", comment="a vessel")
    out.write_text(json.dumps(data), encoding="utf-8")
    assert _check(folder, *asked, "--answers", str(out)) == 0
    assert {finding["comment"] for finding in _findings(out, "")} == {"a vessel"}


def test_a_plain_label_image_is_named(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "findings.json"
    names = tmp_path / "dataset.json"
    labels = {"background": 0, **{s.name: s.label for s in body()[1].segments}}
    names.write_text(json.dumps({"labels": labels}), encoding="utf-8")
    made = str(folder / "island.nii.gz")
    assert _check(folder, "--segmentation", made, "--names", str(names), "-o", str(out)) == 0
    (finding,) = _findings(out)
    assert finding["structure"] == "Liver"


def test_a_segmentation_on_another_grid_is_checked_with_a_note(
    folder: Path, tmp_path: Path
) -> None:
    fine = sitk.Expand(sitk.ReadImage(folder / "island.nii.gz"), [1, 1, 2])
    sitk.WriteImage(fine, tmp_path / "fine.nii.gz")
    out = tmp_path / "findings.json"
    assert _check(folder, "--segmentation", str(tmp_path / "fine.nii.gz"), "-o", str(out)) == 0
    assert len(_findings(out, "check.grid")) == 1


def test_layers_are_compared(folder: Path, tmp_path: Path) -> None:
    _, correct = body()
    cyst = np.zeros_like(array(correct))
    cyst[20:26, 20:28, 20:28] = 1
    layer = replace(changed(correct, cyst), segments=correct.segments[:1])
    layer = replace(layer, segments=(replace(layer.segments[0], label=1, name="Cyst"),))
    write_seg_nrrd(layer, tmp_path / "cyst.seg.nrrd")
    out = tmp_path / "findings.json"
    made = ("--segmentation", str(folder / "correct.seg.nrrd"))
    assert _check(folder, *made, "--layer", str(tmp_path / "cyst.seg.nrrd"), "-o", str(out)) == 0
    assert [f["rule"] for f in _findings(out, "geometry.overlap")] == ["geometry.overlap"]


def test_rules_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["check", "--rules-help"])
    assert stopped.value.code == 0
    assert "geometry.islands\n  Small parts" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        (("-o", "x.pdf"), 2, ".json, .csv"),
        (("--age", "300"), 2, "years from 0 to 130"),
        (("--names", "1=liver,two"), 2, "is not understood"),
        (("--names", "missing.json"), 3, "cannot be read"),
        (("--answers", "missing.json"), 3, "cannot be read"),
        (("--layer", "x.nii.gz"), 2, "--layer needs --segmentation"),
        (("--model", "no-such-model"), 4, "no-such-model"),
    ],
)
def test_a_wrong_wish_is_one_line(
    folder: Path,
    more: tuple[str, ...],
    status: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _check(folder, *more) == status
    error = capsys.readouterr().err
    assert words in error
    assert len(error.strip().splitlines()) == 1


def test_names_of_values_are_read_as_people_and_data_sets_write_them(tmp_path: Path) -> None:
    assert label_names("") == {}
    assert label_names("1=liver, 2 = left kidney") == {1: "liver", 2: "left kidney"}
    path = tmp_path / "dataset.json"
    path.write_text('{"labels": {"0": "background", "1": "Anterior", "2": "Posterior"}}')
    assert label_names(str(path)) == {1: "Anterior", 2: "Posterior"}
    for text in ("0=liver", "1=", "=liver", "1=a,,2=b"):
        with pytest.raises(UsageError):
            label_names(text)
    for content in ("{}", "[1]", '{"labels": {"liver": [1, 2]}}', '{"labels": {}}', "x"):
        path.write_text(content)
        with pytest.raises(InputError):
            label_names(str(path))
