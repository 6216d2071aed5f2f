"""Provenance: what went in and out, by hashes; the same again when it is run again; no patient."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pydicom
import pydicom.data
import pytest
import SimpleITK as sitk

import MedAssistLib
from MedAssistLib.case import Case, Scan, Segmentation
from MedAssistLib.cli import main
from MedAssistLib.errors import InputError, ResourceError
from MedAssistLib.export.images import write_scan
from MedAssistLib.export.provenance import (
    Source,
    source_of_scan,
    source_of_segmentation,
    to_data,
    trace,
    write_provenance,
)
from MedAssistLib.export.seg_nrrd import write_seg_nrrd
from MedAssistLib.models import find
from MedAssistLib.progress import Progress


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def in_a_process(*arguments: object) -> int:
    command = [sys.executable, "-m", "MedAssistLib", *map(str, arguments)]
    return subprocess.run(command, check=False).returncode


def medassist(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture
def files(small_scan: Scan, small_segmentation: Segmentation, tmp_path: Path) -> tuple[Path, Path]:
    """Scan and segmentation, in a folder and with names that tell who the patient is."""
    folder = tmp_path / "Doe^Jane"
    folder.mkdir()
    write_scan(small_scan, folder / "DoeJane.nrrd")
    write_seg_nrrd(small_segmentation, folder / "DoeJane.seg.nrrd")
    return folder / "DoeJane.nrrd", folder / "DoeJane.seg.nrrd"


@pytest.mark.parametrize("suffix", ["glb", "seg.nrrd", "csv"])
def test_running_it_again_gives_the_same(
    files: tuple[Path, Path], tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reviewer who has the inputs and the record can make the output again, byte by byte."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    scan, segmentation = files
    records = []
    for run in (medassist, in_a_process):
        folder = tmp_path / run.__name__
        folder.mkdir()
        output, record = folder / f"out.{suffix}", folder / "made.json"
        options = ("--provenance", record, "--model", "brain")
        assert run("export", scan, "--segmentation", segmentation, "-o", output, *options) == 0
        made = json.loads(record.read_text("utf-8"))
        assert made["inputs"] == [
            {"role": "scan", "sha256": [sha256(scan)]},
            {"role": "segmentation", "sha256": [sha256(segmentation)]},
        ]
        assert made["outputs"] == [{"name": output.name, "sha256": sha256(output)}]
        assert made["model"]["licence"] == "MIT"
        assert made["model"]["weights"] == {
            role: entry.sha256 for role, entry in find("brain").weights.items()
        }
        assert made["options"] == {"format": f".{suffix}"}
        assert made["versions"]["MedAssist"] == MedAssistLib.__version__
        assert made["versions"]["SimpleITK"].startswith(sitk.Version_VersionString())
        records.append(record.read_bytes())
    assert records[0] == records[1]
    for secret in (b"Doe", b"Jane", str(tmp_path).encode()):
        assert secret not in records[0]


def test_another_input_or_option_is_told(files: tuple[Path, Path], tmp_path: Path) -> None:
    scan, segmentation = files
    texts = []
    for number, options in enumerate(([], ["--space", "RAS"], ["--separate"])):
        record = tmp_path / f"{number}.json"
        arguments = (scan, "--segmentation", segmentation, "--provenance", record, *options)
        assert medassist("export", *arguments, "-o", tmp_path / "x.stl") == 0
        texts.append(json.loads(record.read_text("utf-8")))
    plain, turned, separate = texts
    assert turned["options"] == plain["options"] | {"space": "RAS"}
    assert turned["outputs"] != plain["outputs"]
    assert [entry["name"] for entry in separate["outputs"]] == ["x-liver.stl", "x-left_kidney.stl"]


def test_the_filters_and_the_model_of_a_case_are_told(
    small_scan: Scan, small_segmentation: Segmentation
) -> None:
    """And whether a person changed its work; not the names of people and files."""
    secret = replace(
        small_scan,
        name="Doe",
        series_uid="1.2.3.4",
        source=Path("/Doe/x.nrrd"),
        attributes=MappingProxyType({"PatientName": "Doe^Jane"}),
    )
    chain = ("bias.n4:levels=4", "denoise.median:radius=1")
    by_model = replace(small_segmentation, made_by="model brain (1), edited or reviewed by hand")
    case = Case(
        scan=secret,
        enhanced=(replace(secret, enhancement=chain),),
        segmentations=(replace(small_segmentation, made_by="file Doe"), by_model),
    )
    made = to_data(trace(case, [Source(role="scan", sha256=("a" * 64,))]), [])
    assert made["filters"] == [list(chain)]
    assert made["segmented_by"] == ["model brain (1), edited or reviewed by hand"]
    assert made["model"] is None
    assert not {"Doe", "1.2.3.4"} & set(json.dumps(made).split('"'))
    assert "Doe" not in json.dumps(made)


def test_every_slice_of_a_series_counts_and_nothing_beside_it(
    shared_data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "disc"
    shutil.copytree(shared_data / "dicom" / "ct_abdomen_20slices", folder)
    (folder / "README.txt").write_text("nothing to see")
    slices = [path for path in folder.iterdir() if path.suffix != ".txt"]
    found = source_of_scan(folder, "", Progress())
    assert found.sha256 == tuple(sorted(map(sha256, slices)))
    before = found.combined
    slices[3].rename(slices[3].with_name("renamed"))
    assert source_of_scan(folder, "", Progress()).combined == before
    with (folder / "renamed").open("ab") as stream:
        stream.write(b"\0\0")
    assert source_of_scan(folder, "", Progress()).combined != before


def test_both_files_of_an_image_in_two_parts_count(small_scan: Scan, tmp_path: Path) -> None:
    """The header of a .mhd says nothing about the voxels."""
    sitk.WriteImage(small_scan.image, str(tmp_path / "x.mhd"))
    both = tuple(sorted((sha256(tmp_path / "x.mhd"), sha256(tmp_path / "x.raw"))))
    assert source_of_scan(tmp_path / "x.mhd", "", Progress()).sha256 == both
    assert source_of_segmentation(tmp_path / "x.mhd").sha256 == both


def test_of_a_zip_and_a_folder_all_counts(tmp_path: Path) -> None:
    ct = Path(pydicom.data.get_testdata_file("CT_small.dcm"))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(ct, "a.dcm")
    packed = (sha256(tmp_path / "x.zip"),)
    assert source_of_scan(tmp_path / "x.zip", "", Progress()).sha256 == packed
    assert source_of_segmentation(tmp_path / "x.zip").sha256 == packed
    (tmp_path / "folder" / "in").mkdir(parents=True)
    shutil.copy(ct, tmp_path / "folder" / "in")
    assert source_of_segmentation(tmp_path / "folder").sha256 == (sha256(ct),)


def test_a_model_without_hashes_in_its_card_gets_those_of_its_files(
    small_scan: Scan, tmp_path: Path
) -> None:
    card = find("brain")
    (tmp_path / "w.pt").write_bytes(np.arange(9).tobytes())
    bare = {"net": replace(card.weights["mask"], path="w.pt", sha256="")}
    made = trace(
        Case(scan=small_scan), [], replace(card, package="", folder=tmp_path, weights=bare)
    )
    assert made.weights == {"net": sha256(tmp_path / "w.pt")}


def test_it_never_replaces_an_input_or_the_output(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan, segmentation = files
    for record in (scan, segmentation, tmp_path / "x.stl"):
        arguments = (scan, "--segmentation", segmentation, "--provenance", record)
        assert medassist("export", *arguments, "-o", tmp_path / "x.stl") == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "x.stl").exists()


def test_a_record_that_cannot_be_written_is_an_error_before_the_work(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    scan, segmentation = files
    record = tmp_path / "nowhere" / "x.json"
    arguments = (scan, "--segmentation", segmentation, "--provenance", record)
    assert medassist("export", *arguments, "-o", tmp_path / "x.stl") == 5
    assert not (tmp_path / "x.stl").exists()


def test_a_failed_write_leaves_the_old_record(
    small_scan: Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "made.json"
    path.write_text("old")
    made = trace(Case(scan=small_scan), [])
    with pytest.raises(InputError, match="cannot be read"):
        write_provenance(made, [tmp_path / "missing.stl"], path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ResourceError, match="space"):
        write_provenance(made, [], path)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["made.json"]


@pytest.mark.parametrize("option", [["--space", "RAS"], ["--separate"]])
def test_options_of_meshes_are_refused_for_other_formats(
    files: tuple[Path, Path],
    tmp_path: Path,
    option: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Better than a label image that is not turned though that was asked for."""
    scan, segmentation = files
    out = tmp_path / "x.nii.gz"
    assert medassist("export", scan, "--segmentation", segmentation, "-o", out, *option) == 2
    assert "meshes" in capsys.readouterr().err
    assert not out.exists()
