"""The command line as scripts meet it: exit status, one-line errors, results, nothing half done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import SimpleITK as sitk

from MedAssistLib.case import Scan, Segmentation
from MedAssistLib.export.images import write_scan
from MedAssistLib.export.seg_nrrd import write_seg_nrrd
from MedAssistLib.read import read_scan
from Testing.test_read import HOSTILE


def medassist(*arguments: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "MedAssistLib", *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=folder, encoding="utf-8",
    )  # fmt: skip


@pytest.fixture
def scan_file(small_scan: Scan, tmp_path: Path) -> Path:
    write_scan(small_scan, tmp_path / "scan.nrrd")
    return tmp_path / "scan.nrrd"


@pytest.fixture
def segmentation_file(small_segmentation: Segmentation, tmp_path: Path) -> Path:
    write_seg_nrrd(small_segmentation, tmp_path / "drawn.seg.nrrd")
    return tmp_path / "drawn.seg.nrrd"


@pytest.mark.parametrize("kind", HOSTILE)
def test_bad_input_ends_with_status_3_one_line_and_no_output(tmp_path: Path, kind: str) -> None:
    path = HOSTILE[kind](tmp_path)
    before = set(tmp_path.rglob("*"))
    run = medassist("segment", path, "--model", "brain", "-o", tmp_path / "out.seg.nrrd")
    assert run.returncode == 3, run.stderr
    assert len(run.stderr.strip().splitlines()) == 1
    assert run.stdout == ""
    assert set(tmp_path.rglob("*")) == before


def test_an_unknown_model_ends_with_status_4_and_names_the_known(scan_file: Path) -> None:
    run = medassist("segment", scan_file, "--model", "liver", "-o", scan_file.parent / "o.nii.gz")
    assert run.returncode == 4
    assert "brain" in run.stderr
    assert len(run.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["segment"],
        ["frobnicate"],
        ["enhance", "scan.nrrd", "-o", "out.nrrd", "--filter", "denois.curvature"],
        ["enhance", "scan.nrrd", "-o", "out.doc"],
        ["models", "show"],
        [],
    ],
)
def test_wrong_use_ends_with_status_2_and_one_line(scan_file: Path, arguments: list[str]) -> None:
    run = medassist(*arguments, folder=scan_file.parent)
    assert run.returncode == 2
    assert len(run.stderr.splitlines()) == 1


@pytest.mark.alone
def test_an_output_that_cannot_be_written_is_refused_before_the_work(scan_file: Path) -> None:
    began = time.monotonic()
    run = medassist("enhance", scan_file, "-o", "nowhere/out.nrrd", "--filter", "denoise.curvature")
    assert run.returncode == 5
    assert len(run.stderr.splitlines()) == 1
    assert time.monotonic() - began < 20


def test_an_output_never_replaces_an_input(scan_file: Path, segmentation_file: Path) -> None:
    before = scan_file.read_bytes()
    for command in (
        ["enhance", scan_file, "-o", scan_file],
        ["read", scan_file, "-o", scan_file],
        ["export", scan_file, "--segmentation", segmentation_file, "-o", segmentation_file],
    ):
        run = medassist(*command)
        assert run.returncode == 2, command
        assert "is an input" in run.stderr
    assert scan_file.read_bytes() == before


@pytest.mark.parametrize("option", [["--max-memory", "nan"], ["--roi=-inf,inf,-inf,inf,0,80"]])
def test_numbers_that_are_none_are_refused(scan_file: Path, option: list[str]) -> None:
    out = scan_file.parent / "out.nii.gz"
    run = medassist("segment", scan_file, "--model", "brain", "-o", out, *option)
    assert run.returncode == 2
    assert len(run.stderr.splitlines()) == 1


def test_read_tells_what_a_scan_is_without_naming_the_patient(scan_file: Path) -> None:
    run = medassist("read", scan_file, "--json")
    facts = json.loads(run.stdout)
    assert facts["modality"] == "MR"
    assert facts["size"] == [20, 18, 14]
    assert facts["spacing_mm"] == [0.9, 1.1, 2.5]
    assert facts["oblique_degrees"] > 10
    assert run.stderr == ""


def test_the_verbs_chain_through_files(
    scan_file: Path, segmentation_file: Path, tmp_path: Path
) -> None:
    enhanced = tmp_path / "enhanced.nrrd"
    run = medassist(
        "enhance", scan_file, "-o", enhanced, "--filter", "denoise.curvature:iterations=2"
    )
    assert run.returncode == 0, run.stderr
    assert read_scan(enhanced).modality == "MR"
    table = tmp_path / "table.csv"
    pair = (enhanced, "--segmentation", segmentation_file)
    run = medassist("measure", *pair, "-o", table, "--json")
    assert run.returncode == 0, run.stderr
    measured = json.loads(run.stdout)["measurements"]
    assert {entry["structure"] for entry in measured} == {"Liver", "Left kidney"}
    assert table.read_text("utf-8").startswith("structure,quantity,value,unit,method\n")
    for name in ("case.mrb", "case.html", "labels.nii.gz", "table.json"):
        run = medassist("export", *pair, "-o", tmp_path / name)
        assert run.returncode == 0, run.stderr
        assert (tmp_path / name).stat().st_size > 100
    for view in ("slices", "3d"):
        picture = tmp_path / f"{view}.png"
        run = medassist("render", *pair, "--view", view, "-o", picture)
        assert run.returncode == 0, run.stderr
        assert sitk.ReadImage(str(picture)).GetSize()[0] > 300


def test_a_segmentation_of_another_scan_is_refused(
    scan_file: Path, segmentation_file: Path, tmp_path: Path
) -> None:
    image = sitk.ReadImage(str(scan_file))
    image.SetOrigin((0.0, 0.0, 0.0))
    sitk.WriteImage(image, str(scan_file))
    out = tmp_path / "out.mrb"
    run = medassist("export", scan_file, "--segmentation", segmentation_file, "-o", out)
    assert run.returncode == 3
    assert "not on the scan's grid" in run.stderr
    assert not out.exists()


def test_models_are_listed_and_shown() -> None:
    listed = json.loads(medassist("models", "list", "--json").stdout)["models"]
    assert listed[0]["name"] == "brain"
    assert listed[0]["state"] == "installed"
    shown = medassist("models", "show", "brain").stdout
    assert "MIT" in shown
    assert "12738006" in shown


def test_every_command_has_help() -> None:
    for command in ("read", "enhance", "segment", "measure", "export", "render", "models", "demo"):
        run = medassist(command, "--help")
        assert run.returncode == 0
        assert "usage: medassist" in run.stdout
    assert "denoise.curvature" in medassist("enhance", "--filters-help").stdout


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
@pytest.mark.parametrize("words", [["check", "--rules-help"], ["models", "list", "--catalogue"]])
def test_a_reader_may_have_enough(words: list[str]) -> None:
    """``medassist … | head`` would end with a fault of MedAssist."""
    command = [sys.executable, "-m", "MedAssistLib", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.close()
        assert run.stderr.read() == b""
    assert run.returncode == 0


@pytest.mark.alone
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")
def test_ctrl_c_ends_with_status_130_and_no_output(mni: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out.nrrd"
    step = "denoise.curvature:iterations=100"
    command = [sys.executable, "-m", "MedAssistLib", "enhance", str(mni["t1"]), "-o", str(out)]
    with subprocess.Popen(
        [*command, "--filter", step], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        time.sleep(4.0)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "medassist: cancelled\n"
    assert time.monotonic() - began < 5
    assert list(tmp_path.iterdir()) == []
