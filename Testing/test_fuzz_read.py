"""Damaged files of every kind: read or refused, never a crash or a hang, never a place made up.

Quick by default. ``MEDASSIST_FUZZ_SECONDS=600 pytest Testing/test_fuzz_read.py`` goes on with ever
new damage for that long. The file that was read last stays in pytest's temporary folder, so that
a crash of a native library can be repeated.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gzip
import os
import re
import time
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import nrrd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from pydicom.pixels import apply_modality_lut

from MedAssistLib import geometry
from MedAssistLib.case import Scan, Segment, Segmentation
from MedAssistLib.errors import MedAssistError
from MedAssistLib.export.seg_nrrd import write_seg_nrrd
from MedAssistLib.read import Listing, ReadOptions, list_scans, read_scan, read_segmentation
from Testing.sagittal_series import write_sagittal

SECONDS = float(os.environ.get("MEDASSIST_FUZZ_SECONDS", "0"))
EXAMPLES = 60
HANGS_AFTER_S = 120
DOUBT = {"scan.no-place", "scan.two-places", "scan.no-origin", "scan.minc-places"}
VALUES = np.random.default_rng(6).integers(-50, 900, (5, 6, 7), dtype=np.int16)
SPACING = (0.5, 1.25, 2.0)
# Header bytes matter most: that far into a file damage is tried more often.
HEADER = 600


@dataclass(frozen=True)
class Target:
    """What is damaged: how a good file is made, and who else says where its voxels lie."""

    name: str
    make: Callable[[Path], None]
    corner_and_steps: Callable[[Path], np.ndarray | None] | None = None


def _image() -> sitk.Image:
    image = sitk.GetImageFromArray(VALUES)
    image.SetSpacing(SPACING)
    image.SetOrigin((-20.0, 30.5, 12.25))
    turn = sitk.Euler3DTransform()
    turn.SetRotation(0.2, -0.1, 0.3)
    image.SetDirection(turn.GetMatrix())
    return image


def _with_itk(suffix: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        named = path.with_name(f"made{suffix}")
        sitk.WriteImage(_image(), str(named))
        named.replace(path)

    return make


def _nifti_place(path: Path) -> np.ndarray | None:
    """Return 3×4 from index to LPS mm, as nibabel says."""
    if path.read_bytes()[:2] == b"\x1f\x8b":
        image: nib.Nifti1Image = nib.Nifti1Image.from_bytes(gzip.decompress(path.read_bytes()))
    else:
        image = nib.Nifti1Image.from_bytes(path.read_bytes())
    # The low three bits are the unit of length (nifti1.h, xyzt_units).
    unit = {1: 1000.0, 3: 0.001}.get(int(image.header["xyzt_units"]) & 7, 1.0)
    return np.diag([-1.0, -1.0, 1.0]) @ image.affine[:3] * unit


def _nrrd_place(path: Path) -> np.ndarray | None:
    header = nrrd.read_header(str(path))
    signs = {
        "left-posterior-superior": (1, 1, 1), "lps": (1, 1, 1),
        "right-anterior-superior": (-1, -1, 1), "ras": (-1, -1, 1),
        "left-anterior-superior": (1, -1, 1), "las": (1, -1, 1),
    }.get(header["space"].lower())  # fmt: skip
    if signs is None:
        return None
    axes = np.array(header["space directions"], dtype=np.float64).T
    origin = np.array(header["space origin"], dtype=np.float64)
    return np.diag(signs) @ np.column_stack([axes, origin])


def _meta_place(path: Path) -> np.ndarray | None:
    text = path.read_bytes().split(b"ElementDataFile")[0].decode("latin-1")
    fields = dict(re.findall(r"^(\w+) = (.*?)\r?$", text, re.MULTILINE))
    turn = np.array(fields["TransformMatrix"].split(), dtype=np.float64).reshape(3, 3).T
    spacing = np.array(fields["ElementSpacing"].split(), dtype=np.float64)
    origin = np.array(fields["Offset"].split(), dtype=np.float64)
    return np.column_stack([turn * spacing, origin])


def _dicom_zip(path: Path) -> None:
    folder = path.with_name("zipped")
    write_sagittal(folder, [(float(x), -10.0, 20.0) for x in range(4)], "1.2.3")
    with zipfile.ZipFile(path, "w") as zipped:
        for file in sorted(folder.iterdir()):
            zipped.write(file, file.name)


def _multiframe(path: Path) -> None:
    from pydicom.data import get_testdata_file

    path.write_bytes(Path(str(get_testdata_file("liver_1frame.dcm"))).read_bytes())


def _directory(path: Path) -> None:
    from pydicom.data import get_testdata_file

    path.write_bytes(Path(str(get_testdata_file("DICOMDIR-implicit"))).read_bytes())


def _array(path: Path) -> None:
    with path.open("wb") as stream:
        np.save(stream, VALUES)


def _arrays(path: Path) -> None:
    with path.open("wb") as stream:
        np.savez(stream, a=VALUES, b=VALUES + 1)


def _segments(path: Path) -> None:
    labels = sitk.Cast(_image() > 800, sitk.sitkUInt8)
    parts = (
        Segment(label=1, name="Liver", colour=(221, 130, 101)),
        Segment(label=2, name="Left kidney", colour=(185, 102, 83)),
    )
    write_seg_nrrd(Segmentation(labels=labels, segments=parts), path)


def _analyze(path: Path) -> None:
    pair = path.with_name("pair.img")
    nib.save(nib.AnalyzeImage(VALUES.T.copy(), np.diag([-0.5, 1.0, 2.0, 1.0])), pair)
    path.with_suffix(".img").write_bytes(pair.read_bytes())
    path.write_bytes(pair.with_suffix(".hdr").read_bytes())


TARGETS = (
    Target("x.nii", _with_itk(".nii"), _nifti_place),
    Target("x.nii.gz", _with_itk(".nii.gz"), _nifti_place),
    Target("x.nrrd", _with_itk(".nrrd"), _nrrd_place),
    Target("x.mha", _with_itk(".mha"), _meta_place),
    Target("x.mnc", _with_itk(".mnc")),
    Target("x.hdr", _analyze),
    Target("x.npy", _array),
    Target("x.seg.nrrd", _segments),
    Target("x.npz", _arrays),
    Target("x.zip", _dicom_zip),
    Target("seg.dcm", _multiframe),
    Target("DICOMDIR", _directory),
)

ODD_NUMBERS = ("0", "-1", "nan", "inf", "1e308", "1e-308", "65535", "4294967296", "", "x", "1 1")
PLACES = st.one_of(st.integers(0, HEADER), st.integers(0, 1 << 16))
EDITS = st.one_of(
    st.tuples(st.just("set"), PLACES, st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("cut"), PLACES, st.just(b"")),
    st.tuples(st.just("insert"), PLACES, st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("remove"), PLACES, st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("number"), PLACES, st.sampled_from(ODD_NUMBERS).map(str.encode)),
)
DAMAGE = st.lists(EDITS, min_size=1, max_size=4)


def _damaged(content: bytes, edits: list[tuple[str, int, bytes]]) -> bytes:
    raw = bytearray(content)
    for kind, wish, value in edits:
        place = wish % (len(raw) + 1)
        if kind == "set":
            raw[place : place + len(value)] = value
        elif kind == "cut":
            del raw[place:]
        elif kind == "insert":
            raw[place:place] = value
        elif kind == "remove":
            del raw[place : place + len(value)]
        else:  # The next number of a text header becomes an odd one.
            found = re.search(rb"-?\d[\d.e+-]*", bytes(raw[place:]))
            if found:
                raw[place + found.start() : place + found.end()] = value
    return bytes(raw)


def _place(scan: Scan) -> np.ndarray:
    return geometry.index_to_lps(scan.image)[:3]


def _read(path: Path) -> Scan | None:
    return _listed_and_read(path)[1]


def _listed_and_read(path: Path) -> tuple[Listing | None, Scan | None]:
    """List and read as a user would; anything but a refusal escapes."""
    listing = None
    faulthandler.dump_traceback_later(HANGS_AFTER_S, exit=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            listing = list_scans(path)
            chosen = "1" if len(listing.scans) > 1 else ""
            spacing = SPACING if listing.scans and listing.scans[0].spacing is None else None
            return listing, read_scan(path, ReadOptions(series=chosen, spacing=spacing))
    except MedAssistError:
        return listing, None
    finally:
        faulthandler.cancel_dump_traceback_later()


def _require_sound(scan: Scan) -> None:
    size, spacing = scan.image.GetSize(), scan.image.GetSpacing()
    assert min(size) >= 2
    assert all(0.0 < value < np.inf for value in spacing)
    assert np.isfinite(_place(scan)).all()
    axes = geometry.direction(scan.image)
    assert np.allclose(axes.T @ axes, np.eye(3), atol=2e-3)


def _require_writable(segmentation: Segmentation) -> None:
    for segment in segmentation.segments:
        segment.name.encode()


def _check_file(target: Target, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    scan = _read(path)
    if "seg" in target.name:
        with contextlib.suppress(MedAssistError):
            _require_writable(read_segmentation(path))
    if scan is None:
        return
    _require_sound(scan)
    doubtful = DOUBT & {finding.rule for finding in scan.findings}
    if target.corner_and_steps is None or doubtful:
        return
    try:
        expected = target.corner_and_steps(path)
    except Exception:  # noqa: BLE001  # The other reader refuses the file; nothing to compare.
        return
    if expected is not None and np.isfinite(expected).all() and expected.shape == (3, 4):
        ours = _place(scan)
        scale = max(1.0, float(np.abs(expected).max()))
        assert np.allclose(ours, expected, atol=2e-3 * scale), (ours, expected)


def _for_a_while(check: Callable[[], None], share: float) -> None:
    """Run a property once, or with ever new seeds for its share of the time."""
    end = time.monotonic() + SECONDS * share
    number = 0
    while number == 0 or time.monotonic() < end:
        seed(number)(check)()
        number += 1


def _settings() -> settings:
    return settings(
        max_examples=EXAMPLES if not SECONDS else 500,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_file_is_read_or_refused_and_its_place_is_never_made_up(
    target: Target, tmp_path: Path
) -> None:
    path = tmp_path / target.name
    target.make(path)
    good = path.read_bytes()
    _check_file(target, path, good)

    @_settings()
    @given(DAMAGE)
    def check(edits: list[tuple[str, int, bytes]]) -> None:
        _check_file(target, path, _damaged(good, edits))

    _for_a_while(check, 1.0 / (len(TARGETS) + 2))


KEYWORDS = (
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel",
    "PhotometricInterpretation", "NumberOfFrames", "RescaleSlope", "RescaleIntercept",
    "SeriesInstanceUID", "SOPClassUID", "Modality", "SeriesNumber", "ImageType", "EchoTime",
    "InstanceNumber", "SliceThickness", "SpecificCharacterSet", "PixelData", "AcquisitionTime",
)  # fmt: skip
ODD_FLOATS = st.one_of(
    st.sampled_from(["0", "-1", "1e9", "nan", "inf", "", "x", "1e-9", "3.0000001", "0.5"]),
    st.floats(-100, 100).map(lambda value: f"{value:.6g}"),
)
ODD_VALUES = st.one_of(st.lists(ODD_FLOATS, max_size=7), st.integers(0, 70000), st.none())


def _odd_element(keyword: str, value: object) -> pydicom.DataElement:
    """Make an element with a value that its kind should not have, as broken devices do."""
    if isinstance(value, int):
        return pydicom.DataElement(keyword, "US", value % 65536)
    return pydicom.DataElement(keyword, "LO", value if value is not None else "")


def _require_slices_where_files_say(scan: Scan, folder: Path) -> None:
    """Each slice of a scan that is told to be in order must lie where one of its files says."""
    places = []
    for path in folder.iterdir():
        try:
            dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True)
            place = [float(v) for v in dataset.ImagePositionPatient]
            turn = [float(v) for v in dataset.ImageOrientationPatient]
            row, column = (float(v) for v in dataset.PixelSpacing)
            if len(place) == 3 and len(turn) == 6:
                places.append([*place, *turn, column, row])
        except Exception:  # noqa: BLE001, S112
            continue
    told = np.array(places)
    matrix = _place(scan)
    spacing = scan.image.GetSpacing()
    for k in range(scan.image.GetSize()[2]):
        axes = geometry.direction(scan.image)
        here = [*(matrix @ [0, 0, k, 1]), *axes[:, 0], *axes[:, 1], *spacing[:2]]
        assert np.abs(told - here).max(axis=1).min() < 0.02, (here, told)


def _require_nothing_lost(listing: Listing, folder: Path, untouched: set[Path]) -> None:
    """Each file is in a scan or listed as none; a good one is missing only if a finding says so."""
    used = {path for scan in listing.scans for path in scan.paths}
    told = {aside.path for aside in (*listing.others, *listing.refused)}
    assert set(folder.iterdir()) <= used | told
    if listing.scans and not any(scan.findings for scan in listing.scans):
        assert untouched <= used, (untouched - used, listing)


def _require_pixels(scan: Scan, paths: tuple[Path, ...]) -> None:
    """Each file of a scan of which nothing odd is told has its plane, with pydicom's values."""
    array = sitk.GetArrayViewFromImage(scan.image)
    corners = np.array([_place(scan) @ [0, 0, k, 1] for k in range(len(array))])
    for path in paths:
        dataset = pydicom.dcmread(path, force=True)
        apart = np.abs(corners - np.array(dataset.ImagePositionPatient, dtype=float)).max(axis=1)
        assert apart.min() < 0.02, (path, corners)
        if (dataset.get("BitsStored"), dataset.get("HighBit")) != (16, 15):
            continue  # Bits above those in use are noise, which pydicom leaves in.
        try:
            expected = apply_modality_lut(dataset.pixel_array, dataset)
        except Exception:  # noqa: BLE001, S112  # pydicom refuses them; nothing to compare.
            continue
        assert np.allclose(array[apart.argmin()], expected, rtol=1e-5), path


def _check_series(folder: Path, untouched: set[Path]) -> None:
    listing, scan = _listed_and_read(folder)
    if listing is not None:
        _require_nothing_lost(listing, folder, untouched)
    if listing is None or scan is None:
        return
    _require_sound(scan)
    if not scan.findings:
        _require_slices_where_files_say(scan, folder)
    if {finding.rule for finding in scan.findings} <= {"scan.lost-files"}:
        _require_pixels(scan, listing.scans[0].paths)


@pytest.mark.filterwarnings("ignore")
def test_a_series_with_odd_attributes_is_never_placed_by_guessing(tmp_path: Path) -> None:
    good = tmp_path / "good"
    write_sagittal(good, [(1.5 * x, -10.0, 20.0) for x in range(5)], "1.2.3")
    files = sorted(good.iterdir())
    folder = tmp_path / "odd"
    folder.mkdir()

    @_settings()
    @given(
        st.lists(
            st.tuples(st.integers(0, 4), st.sampled_from(KEYWORDS), ODD_VALUES),
            min_size=1, max_size=4,
        ),
        st.booleans(),
    )  # fmt: skip
    def check(changes: list[tuple[int, str, object]], everywhere: bool) -> None:
        for number, path in enumerate(files):
            dataset = pydicom.dcmread(path)
            for which, keyword, value in changes:
                if which == number or everywhere:
                    dataset[keyword] = _odd_element(keyword, value)
            try:
                dataset.save_as(folder / path.name, enforce_file_format=True)
            except Exception:  # noqa: BLE001  # pydicom cannot write it, so nobody has such a file.
                return
        changed = {which for which, _, _ in changes}
        untouched = {folder / p.name for n, p in enumerate(files) if n not in changed}
        _check_series(folder, set() if everywhere else untouched)

    _for_a_while(check, 1.0 / (len(TARGETS) + 2))


@pytest.mark.filterwarnings("ignore")
def test_a_series_with_damaged_bytes_is_never_placed_by_guessing(tmp_path: Path) -> None:
    folder = tmp_path / "series"
    write_sagittal(folder, [(1.5 * x, -10.0, 20.0) for x in range(4)], "1.2.3")
    files = sorted(folder.iterdir())
    contents = [path.read_bytes() for path in files]

    @_settings()
    @given(st.integers(0, 3), DAMAGE)
    def check(which: int, edits: list[tuple[str, int, bytes]]) -> None:
        files[which].write_bytes(_damaged(contents[which], edits))
        try:
            _check_series(folder, set(files) - {files[which]})
        finally:
            files[which].write_bytes(contents[which])

    _for_a_while(check, 1.0 / (len(TARGETS) + 2))
