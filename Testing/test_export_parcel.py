"""What leaves together: all of its files or none, on the series that Slicer loaded, nameless."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Code, Scan, Segment, Segmentation
from MedAssistLib.cli import main
from MedAssistLib.errors import CancelledError, InputError, MedAssistError, UsageError
from MedAssistLib.export.deidentify.face_cut import cut_of, face_of
from MedAssistLib.export.deidentify.faces import MARGIN_MM
from MedAssistLib.export.parcel import CHOICES, Parcel, file_name
from MedAssistLib.export.seg_nrrd import write_seg_nrrd
from MedAssistLib.progress import Cancellation, Progress, ProgressEvent
from MedAssistLib.read import ReadOptions, read_scan, read_segmentation
from MedAssistLib.worker.arrays import describe_array, describe_scan
from MedAssistLib.worker.cache import ModelCache
from MedAssistLib.worker.export_jobs import export
from Testing.dicom_exports import assert_same_voxels
from Testing.dicom_series import up, write_series

QUICK = {"segmentation": ".seg.nrrd", "surfaces": ".obj", "measurements": ".csv", "scan": ".nrrd"}
BRAIN = Code("12738006", "SCT", "Brain")


def handed(scan: Scan, drawn: Segmentation | None, folder: Path) -> dict[str, Any]:
    """Write what the panel hands over."""
    (folder / "exchange").mkdir(exist_ok=True)
    given: dict[str, Any] = {"scan": describe_scan(scan, folder / "exchange" / "scan.npy")}
    if drawn is not None:
        array = sitk.GetArrayViewFromImage(drawn.labels)
        described = describe_array(
            array, drawn.labels, folder / "exchange" / "labels.npy", modality="", enhancement=()
        )
        segments = [asdict(segment) for segment in drawn.segments]
        given["labels"] = {**described, "segments": segments, "made_by": drawn.made_by}
    return given


def write(given: dict[str, Any], folder: Path, progress: Progress | None = None, **wanted: Any):
    """Run the worker's job; return its answer."""
    more = {key: wanted.pop(key) for key in ("series", "age", "sex") if key in wanted}
    request = {
        **given,
        **more,
        "parcel": {"name": "case", **wanted},
        "folder": str(folder),
        "staging": ".medassist-x",
    }
    return export(request, ModelCache(), progress or Progress())


@pytest.fixture
def small(small_scan: Scan, small_segmentation: Segmentation, tmp_path: Path) -> dict[str, Any]:
    return handed(small_scan, small_segmentation, tmp_path)


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("suffix", CHOICES["surfaces"])
def test_the_names_that_are_asked_about_are_those_that_are_written(
    small: dict[str, Any],
    small_segmentation: Segmentation,
    tmp_path: Path,
    suffix: str,
    separate: bool,
) -> None:
    """A file that the question forgets is replaced without one."""
    kinds = {"segmentation": ".nii.gz", "surfaces": suffix, "measurements": ".json"}
    wanted = {"kinds": {**kinds, "scan": ".nii.gz"}, "separate": separate, "provenance": True}
    answer = write(small, tmp_path / "out", **wanted)
    names = {Path(path).name for path, _size in answer["files"]}
    assert names == set(Parcel(name="case", **wanted).names(small_segmentation.segments))
    assert names == {path.name for path in (tmp_path / "out").iterdir()}


@pytest.mark.parametrize("step", [0.1, 0.35, 0.5, 0.7])
def test_a_stop_at_any_time_leaves_what_was_there(
    small: dict[str, Any], tmp_path: Path, step: float
) -> None:
    """New surfaces beside old measurements contradict each other, and nobody knows."""
    out = tmp_path / "out"
    out.mkdir()
    old = {name: out / f"case{name}" for name in (".seg.nrrd", ".obj", "-measurements.csv")}
    for path in old.values():
        path.write_text("old")
    cancellation = Cancellation()

    def stop(event: ProgressEvent) -> None:
        if event.fraction >= step:
            cancellation.cancel()

    with pytest.raises(CancelledError):
        write(small, out, Progress(stop, cancellation), kinds=QUICK)
    assert sorted(out.iterdir()) == sorted(old.values())
    assert {path.read_text() for path in old.values()} == {"old"}


_ON_A_FULL_DISK = """
import json, resource, signal, sys
from MedAssistLib.errors import ResourceError
from MedAssistLib.progress import Progress
from MedAssistLib.worker.cache import ModelCache
from MedAssistLib.worker.export_jobs import export
import vtkmodules.vtkFiltersCore, MedAssistLib.export.meshes, MedAssistLib.export.images
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    export(json.loads(sys.argv[1]), ModelCache(), Progress())
except ResourceError as error:
    print(error)
    sys.exit(error.exit_status)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a file's size")
def test_a_full_disk_leaves_what_was_there(small: dict[str, Any], tmp_path: Path) -> None:
    """The first files fit, a later one does not."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "case.seg.nrrd").write_text("old")
    request = {"parcel": {"name": "case", "kinds": QUICK}, "folder": str(out), "staging": ".x"}
    run = subprocess.run(
        [sys.executable, "-c", _ON_A_FULL_DISK, json.dumps({**small, **request})],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 5, run.stderr
    assert "space" in run.stdout or "whole" in run.stdout
    assert [path.read_text() for path in out.iterdir()] == ["old"]


def test_a_folder_in_the_place_of_a_file_is_told_before_anything_is_replaced(
    small: dict[str, Any], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / "case-measurements.csv").mkdir(parents=True)
    (out / "case.seg.nrrd").write_text("old")
    with pytest.raises(MedAssistError, match="is a folder"):
        write(small, out, kinds=QUICK)
    assert (out / "case.seg.nrrd").read_text() == "old"
    assert len(list(out.iterdir())) == 2


def test_twice_the_same_is_the_same(small: dict[str, Any], tmp_path: Path) -> None:
    first, second = (
        {path.name: path.read_bytes() for path in sorted((tmp_path / "out").iterdir())}
        for _time in (1, 2)
        if write(small, tmp_path / "out", kinds=QUICK, provenance=True)
    )
    assert first == second


@pytest.mark.parametrize(
    "wanted",
    [
        {"kinds": {}},
        {"kinds": {"segmentation": ".stl"}},
        {"kinds": {"thoughts": ".txt"}},
        {"kinds": QUICK, "name": "../up"},
        {"kinds": QUICK, "name": ""},
        {"kinds": {"scan": ".dcm"}},
        {"kinds": QUICK, "deface": True},
    ],
)
def test_what_makes_no_sense_is_refused(wanted: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Parcel(**{"name": "case", **wanted})


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("4: Abdomen 1.5", "4 Abdomen 1.5"),
        ("../../etc/passwd", "etc passwd"),
        ("a\nb\x00c", "a b c"),
        ("Größe 肝", "Größe 肝"),
        (" .. ", ""),
        ("x" * 300, "x" * 80),
    ],
)
def test_names_of_volumes_become_names_of_files(text: str, name: str) -> None:
    assert file_name(text) == name
    assert file_name(name) == name


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """A CT series of six slices of an abdomen."""
    values = np.random.default_rng(3).integers(-900, 900, (6, 9, 8), dtype=np.int16)

    def change(_number: int, data: pydicom.Dataset) -> None:
        data.BodyPartExamined = "ABDOMEN"

    write_series(tmp_path / "series", values, up([2.0 * n for n in range(6)]), change=change)
    return tmp_path / "series"


def box_on(image: sitk.Image, made_by: str = "model organs (1)") -> Segmentation:
    """Draw a box that is nowhere symmetrical."""
    labels = np.zeros(image.GetSize()[::-1], np.uint8)
    labels[1:3, 2:6, 1:4] = 1
    liver = Segment(label=1, name="Liver", colour=(221, 130, 101))
    return Segmentation(
        labels=geometry.from_array(labels, image), segments=(liver,), made_by=made_by
    )


@pytest.mark.parametrize("order", ["LPS", "RAS", "ASL"])
@pytest.mark.parametrize("off", [0.0, 0.03])
def test_a_volume_as_another_reader_has_it_lies_on_its_series(
    series: Path, tmp_path: Path, order: str, off: float
) -> None:
    """Slicer rounds spacings and may store axes otherwise: each frame still has its slice."""
    read = read_scan(series)
    image = sitk.DICOMOrient(read.image, order)
    image.SetOrigin(np.add(image.GetOrigin(), (off, -off, off)).tolist())
    drawn = box_on(image)
    given = handed(Scan(image=image, modality="CT"), drawn, tmp_path)
    files = [str(path) for path in series.iterdir()]
    write(given, tmp_path / "out", kinds={"segmentation": ".seg.dcm"}, series={"files": files})
    seg = pydicom.dcmread(tmp_path / "out" / "case.seg.dcm")
    straight = sitk.Image(drawn.labels)
    straight.SetOrigin(np.add(image.GetOrigin(), (-off, off, -off)).tolist())
    again = read_segmentation(tmp_path / "out" / "case.seg.dcm", read)
    assert_same_voxels(straight, again.labels)
    assert all(frame.DerivationImageSequence for frame in seg.PerFrameFunctionalGroupsSequence)


@pytest.mark.parametrize("how", ["moved", "cropped", "stretched"])
def test_a_volume_that_lies_elsewhere_is_refused(series: Path, tmp_path: Path, how: str) -> None:
    """Slicer straightens a tilted series: what is drawn on that would be displaced."""
    image = read_scan(series).image
    if how == "moved":
        image.SetOrigin(np.add(image.GetOrigin(), (0.5, 0.0, 0.0)).tolist())
    elif how == "stretched":
        image.SetSpacing((1.25, 1.5, 2.1))
    else:
        image = image[:, :, 1:]
    given = handed(Scan(image=image, modality="CT"), box_on(image), tmp_path)
    with pytest.raises(InputError, match="whose voxels lie where those of the volume do"):
        write(
            given,
            tmp_path / "out",
            kinds={"segmentation": ".seg.dcm"},
            series={"folder": str(series)},
        )
    assert not (tmp_path / "out").exists()


def test_of_two_series_with_the_same_places_none_is_guessed(series: Path, tmp_path: Path) -> None:
    """The segmentation of one phase must not refer to the other."""
    image = read_scan(series).image

    def change(_number: int, data: pydicom.Dataset) -> None:
        data.SeriesInstanceUID = "1.2.9"

    places = up([2.0 * n for n in range(6)])
    write_series(series / "second", np.zeros((6, 9, 8), np.int16), places, change=change)
    given = handed(Scan(image=image, modality="CT"), box_on(image), tmp_path)
    kinds = {"segmentation": ".seg.dcm"}
    with pytest.raises(InputError, match="holds 2 DICOM series with the voxels"):
        write(given, tmp_path / "out", kinds=kinds, series={"folder": str(series)})
    files = [str(path) for path in series.glob("*") if path.is_file()]
    write(given, tmp_path / "out", kinds=kinds, series={"files": files})
    with pytest.raises(InputError, match="was not read from DICOM"):
        write(given, tmp_path / "out", kinds=kinds)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no DICOM series"):
        write(given, tmp_path / "out", kinds=kinds, series={"folder": str(tmp_path / "empty")})


def test_one_file_of_a_multi_frame_series_is_the_volume_that_slicer_made_of_it(
    shared_data: Path, tmp_path: Path
) -> None:
    """Four files hold the same places at four times; the database knows which one it was."""
    folder = shared_data / "dicom" / "mr_enhanced_siemens"
    scan = read_scan(folder, ReadOptions(series="3"))
    given = handed(scan, box_on(scan.image), tmp_path)
    kinds = {"segmentation": ".seg.dcm"}
    with pytest.raises(InputError, match="DICOM series with the voxels of the volume"):
        write(given, tmp_path / "out", kinds=kinds, series={"folder": str(folder)})
    one = next(
        path
        for path in sorted(folder.rglob("*.dcm"))
        if pydicom.dcmread(path, stop_before_pixels=True).SeriesInstanceUID == scan.series_uid
    )
    write(given, tmp_path / "out", kinds=kinds, series={"files": [str(one)]})
    seg = pydicom.dcmread(tmp_path / "out" / "case.seg.dcm")
    (named,) = seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert named.ReferencedSOPInstanceUID == pydicom.dcmread(one).SOPInstanceUID


def test_a_face_goes_by_the_brain_that_was_drawn(mni_scan: Scan, tmp_path: Path) -> None:
    """The model knows MR only; who has drawn the brain of a CT can give that away, too."""
    head = sitk.Cast(sitk.Shrink(mni_scan.image, [6, 6, 6]), sitk.sitkInt16)
    middle = np.array(head.GetSize()[::-1]) // 2
    values = np.zeros(head.GetSize()[::-1], np.uint8)
    k, j, i = np.indices(values.shape)
    values[(k - middle[0]) ** 2 + (j - middle[1]) ** 2 + (i - middle[2]) ** 2 < 100] = 4
    brain = Segment(label=4, name="Brain", colour=(250, 250, 225), type=BRAIN)
    drawn = Segmentation(
        labels=geometry.from_array(values, head), segments=(brain,), made_by="file Doe.nii"
    )
    given = handed(Scan(image=head, modality="CT"), drawn, tmp_path)
    kinds = {"scan": ".nii.gz", "segmentation": ".seg.nrrd"}
    write(given, tmp_path / "out", kinds=kinds, without_names=True, deface=True)
    after = sitk.GetArrayFromImage(read_scan(tmp_path / "out" / "case.nii.gz").image)
    before = sitk.GetArrayFromImage(head)
    assert np.array_equal(after[values > 0], before[values > 0])
    face = face_of(head, cut_of(drawn.labels > 0, MARGIN_MM))
    assert np.array_equal(after[~face], before[~face])
    assert (after[face] == before.min()).all()
    assert face.any()
    assert b"Doe" not in (tmp_path / "out" / "case.seg.nrrd").read_bytes()


def test_a_series_with_text_in_its_pictures_does_not_leave(series: Path, tmp_path: Path) -> None:
    """No attribute is wrong in it, and the name stands in every picture."""
    for path in series.iterdir():
        data = pydicom.dcmread(path)
        data.BurnedInAnnotation = "YES"
        data.save_as(path)
    image = read_scan(series).image
    given = handed(Scan(image=image, modality="CT"), box_on(image), tmp_path)
    with pytest.raises(InputError, match="text is drawn into its picture") as caught:
        write(
            given,
            tmp_path / "out",
            kinds={"scan": ".dcm", "segmentation": ".seg.dcm"},
            without_names=True,
            series={"folder": str(series)},
        )
    assert "On the command line medassist deidentify" in caught.value.hint
    assert list((tmp_path / "out").iterdir()) == []


def test_the_command_writes_several_files_to_a_folder(
    series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One reading and one measuring for all; what cannot be written with the rest is said first."""
    drawn = box_on(read_scan(series).image)
    write_seg_nrrd(drawn, tmp_path / "in.seg.nrrd")
    out = tmp_path / "out"
    command = ["export", str(series), "--segmentation", str(tmp_path / "in.seg.nrrd"), "-o"]

    def run(*more: str, to: Path = out) -> tuple[int, str]:
        status = main([*command, str(to), *more])
        return status, capsys.readouterr().err

    assert run()[0] == 2
    assert run("--formats", "stl,ply")[1].count("both of the surfaces")
    assert run("--formats", "csv,xyz")[1].count('no format "xyz"')
    assert run("--formats", "csv", "--separate")[1].count("are for meshes")
    assert run("--formats", "csv", to=tmp_path / "x.csv")[1].count("--formats is for a folder")
    assert not out.exists()
    assert run("--formats", "sr.dcm, .STL,csv", "--separate")[0] == 0
    assert sorted(path.suffix for path in out.iterdir()) == [".csv", ".dcm", ".dcm", ".stl"]
    (seg,) = out.glob("*.seg.dcm")
    assert_same_voxels(drawn.labels, read_segmentation(seg, read_scan(series)).labels)
    (tmp_path / "in.seg.nrrd").rename(out / "CT abdomen.seg.nrrd")
    again = [
        "export",
        str(series),
        "--segmentation",
        str(out / "CT abdomen.seg.nrrd"),
        "-o",
        str(out),
    ]
    assert main([*again, "--formats", "seg.nrrd"]) == 2
    assert "is an input and would be replaced" in capsys.readouterr().err
