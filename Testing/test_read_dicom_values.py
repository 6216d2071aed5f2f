"""What values mean: bit layouts, compressions, rescales, tables, colours and PET uptake."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as Items

from MedAssistLib.errors import InputError
from MedAssistLib.progress import Progress
from MedAssistLib.read.dicom import load_volume
from Testing.dicom_series import (
    found_in,
    loaded,
    loading_errors,
    pixels,
    pydicom_file,
    rules,
    slice_of,
    up,
    write,
    write_series,
)

RNG = np.random.default_rng(11)
STORED = RNG.integers(-1000, 3000, (4, 12, 16)).astype(np.int16)
ZS = up([0, 2, 4, 6])

# The 12×16 ramp of `_ramp` as a high-throughput JPEG 2000 code stream, written by OpenJPH 0.26.3.
HTJ2K_RAMP = base64.b64decode(
    "/0//UQApQAAAAAAQAAAADAAAAAAAAAAAAAAAEAAAAAwAAAAAAAAAAAABjwEB/1AACAACAAAACv9SAAwAAgABAAUEBEAB"
    "/1wAEyCIkJCQkJCQkJCQkJCQiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAH4AAf+TwAAloQGHdAAA"
    "wAATQAATAKL+Agd0AAj6Awd0AMAAE0AAEwBQUAGCdADT6QAiNADAABUwAAVYJBLpoEIxAnYAoooqqqjAQgG+tgDAACsg"
    "ABaYCIIgCPLninpwgncAKlVUVFRUVFT++gxge/Yxgey6AP/Z"
)


def _ramp() -> np.ndarray:
    j, i = np.mgrid[:12, :16]
    return (-1000 + (j * 150 + i * 37) % 4000).astype(np.int16)


def _encapsulated(data: Dataset, code: bytes, syntax: str) -> None:
    data.PixelData = encapsulate([code])
    data["PixelData"].VR = "OB"
    data["PixelData"].is_undefined_length = True
    data.file_meta.TransferSyntaxUID = syntax


def _compressed(syntax: str) -> Callable[[int, Dataset], None]:
    return lambda _number, data: data.compress(syntax, generate_instance_uid=False)


def _stored_as(syntax: str) -> Callable[[int, Dataset], None]:
    return lambda _number, data: setattr(data.file_meta, "TransferSyntaxUID", syntax)


def _big_endian(_number: int, data: Dataset) -> None:
    data.file_meta.TransferSyntaxUID = uid.ExplicitVRBigEndian
    data.PixelData = np.frombuffer(data.PixelData, "<i2").astype(">i2").tobytes()


@pytest.mark.parametrize(
    "change",
    [
        _compressed(uid.RLELossless),
        _compressed(uid.JPEGLSLossless),
        _stored_as(uid.ImplicitVRLittleEndian),
        _stored_as(uid.DeflatedExplicitVRLittleEndian),
        _big_endian,
    ],
    ids=["RLE", "JPEG-LS", "implicit", "deflated", "big endian"],
)
def test_however_values_are_stored_they_come_out_the_same(
    tmp_path: Path, change: Callable[[int, Dataset], None]
) -> None:
    scan = loaded(write_series(tmp_path, STORED, ZS, change=change))
    assert scan.image.GetPixelID() == sitk.sitkInt16
    assert np.array_equal(pixels(scan.image), STORED)
    assert scan.findings == ()


@pytest.mark.parametrize(
    ("true", "stated"),
    [
        (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian),
        (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian),
    ],
)
def test_a_transfer_syntax_that_lies_does_not_shift_the_pixels(
    tmp_path: Path, true: uid.UID, stated: uid.UID
) -> None:
    """Two voxels to the side, with four bytes of header as values."""

    def padded(_number: int, data: Dataset) -> None:
        data.file_meta.TransferSyntaxUID = true
        data.DataSetTrailingPadding = bytes(64)

    folder = write_series(tmp_path, STORED, ZS, change=padded)
    for path in folder.iterdir():
        content = path.read_bytes()
        at = content.index(b"\x02\x00\x10\x00UI") + 6
        value = stated.encode() + b"\0" * (len(stated) % 2)
        end = at + 2 + int.from_bytes(content[at : at + 2], "little")
        length = len(value).to_bytes(2, "little")
        path.write_bytes(content[:at] + length + value + content[end:])
    assert np.array_equal(pixels(loaded(folder).image), STORED)


def test_compressed_pixels_said_to_be_plain_are_refused(tmp_path: Path) -> None:
    """Otherwise the heads of the fragments become voxels."""

    def change(_number: int, data: Dataset) -> None:
        data.compress(uid.RLELossless, generate_instance_uid=False)

    folder = write_series(tmp_path, STORED, ZS, change=change)
    for path in folder.iterdir():
        content = path.read_bytes()
        stated = uid.ExplicitVRLittleEndian.encode() + b"\0"
        path.write_bytes(content.replace(b"1.2.840.10008.1.2.5\0", stated, 1))
    found = found_in(folder)
    assert not found.volumes
    assert {refused.reason for refused in found.refused} == {
        "says that its compressed pixels are not"
    }


@pytest.mark.parametrize("vr", ["OB", "OW"])
def test_big_endian_bytes_keep_their_order(tmp_path: Path, vr: str) -> None:
    """As words, the two values of each pair lie swapped."""
    values = RNG.integers(0, 256, (4, 12, 16)).astype(np.uint8)

    def change(number: int, data: Dataset) -> None:
        data.file_meta.TransferSyntaxUID = uid.ExplicitVRBigEndian
        plain = values[number].tobytes()
        data.PixelData = plain if vr == "OB" else np.frombuffer(plain, "<u2").byteswap().tobytes()
        data["PixelData"].VR = vr

    scan = loaded(write_series(tmp_path, values, ZS, change=change))
    assert np.array_equal(pixels(scan.image), values)


@pytest.mark.parametrize("sign", [None, 2])
def test_values_of_unknown_sign_are_refused(tmp_path: Path, sign: int | None) -> None:
    """Air at -1000 would become 64536."""

    def change(_number: int, data: Dataset) -> None:
        del data.PixelRepresentation
        if sign is not None:
            data.PixelRepresentation = sign

    found = found_in(write_series(tmp_path, STORED, ZS, change=change))
    assert not found.volumes
    assert {refused.reason for refused in found.refused} == {
        "does not say whether its values have a sign (Pixel Representation)"
    }


def test_jpeg_2000_and_its_high_throughput_form_are_read(tmp_path: Path) -> None:
    values = np.stack([_ramp() + 1000, _ramp() + 1000]).astype(np.uint16)

    def jpeg_2000(number: int, data: Dataset) -> None:
        code = io.BytesIO()
        picture = Image.fromarray(values[number])
        picture.save(code, "JPEG2000", no_jp2=True, irreversible=False, num_resolutions=3)
        _encapsulated(data, code.getvalue(), uid.JPEG2000Lossless)

    scan = loaded(write_series(tmp_path / "a", values, ZS[:2], change=jpeg_2000))
    assert np.array_equal(pixels(scan.image), values)

    def high_throughput(_number: int, data: Dataset) -> None:
        _encapsulated(data, HTJ2K_RAMP, uid.HTJ2KLossless)

    ramps = np.stack([_ramp(), _ramp()])
    scan = loaded(write_series(tmp_path / "b", ramps, ZS[:2], change=high_throughput))
    assert np.array_equal(pixels(scan.image), ramps)


def _as_series(folder: Path, name: str) -> Path:
    """Write a picture of pydicom's two times, with a place in the patient."""
    data = pydicom.dcmread(pydicom_file(name))
    if "BitsStored" not in data or int(data.get("NumberOfFrames", None) or 1) > 1:
        pytest.skip(f"{name} is not a single picture")
    data.SOPClassUID = uid.SecondaryCaptureImageStorage
    data.Modality, data.SeriesInstanceUID = "OT", "1.2.3"
    data.ImageOrientationPatient, data.PixelSpacing = [1, 0, 0, 0, 1, 0], [1, 1]
    for number in range(2):
        data.ImagePositionPatient, data.InstanceNumber = [0, 0, 2 * number], number + 1
        data.SOPInstanceUID = f"1.2.3.{number}"
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        write(data, folder / f"{number}.dcm")
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "JPEG-lossy.dcm",  # 12-bit JPEG, which only GDCM decodes
        "JPGExtended.dcm",
        "JPEGLSNearLossless_08.dcm",
        "JPEGLSNearLossless_16.dcm",
        "JPEG2000.dcm",
        "J2K_pixelrep_mismatch.dcm",
        "693_J2KI.dcm",
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "MR_small_padded.dcm",
        "examples_overlay.dcm",
        "image_dfl.dcm",
    ],
)
def test_real_compressed_files_equal_simpleitks_reading(tmp_path: Path, name: str) -> None:
    scan = loaded(_as_series(tmp_path, name))
    expected = pixels(sitk.ReadImage(str(pydicom_file(name))))[0]
    assert np.array_equal(pixels(scan.image)[0], expected)
    assert np.array_equal(pixels(scan.image)[1], expected)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("SC_rgb_jpeg_gdcm.dcm", 1),  # JPEG lossless, which only GDCM decodes
        ("SC_rgb_rle.dcm", 1),
        ("SC_rgb_jpeg_dcmtk.dcm", 3),  # lossy: the conversions of two decoders differ
        ("examples_palette.dcm", 1),
    ],
)
def test_colours_become_brightness_and_that_is_said(
    tmp_path: Path, name: str, tolerance: int
) -> None:
    scan = loaded(_as_series(tmp_path, name))
    assert "scan.colour" in rules(scan)
    colours = pixels(sitk.ReadImage(str(pydicom_file(name))))[0].astype(float)
    expected = colours[..., :3] @ (0.299, 0.587, 0.114)
    values = pixels(scan.image)[0].astype(float)
    if name == "examples_palette.dcm":  # 16-bit palette; GDCM gives its upper 8 bits
        values /= 257.0
    assert np.abs(values - expected).max() <= tolerance


def test_a_file_that_nothing_can_decode_is_one_clear_error(tmp_path: Path) -> None:
    def mpeg(_number: int, data: Dataset) -> None:
        _encapsulated(data, bytes(64), uid.MPEG2MPML)

    def garbage(_number: int, data: Dataset) -> None:
        _encapsulated(data, bytes(64), uid.JPEGLSLossless)

    with pytest.raises(InputError, match=r"cannot be decoded \(MPEG2") as caught:
        loaded(write_series(tmp_path / "a", STORED, ZS, change=mpeg))
    assert "uncompressed" in caught.value.hint
    with pytest.raises(InputError, match=r"cannot be decoded \(JPEG-LS"):
        loaded(write_series(tmp_path / "b", STORED, ZS, change=garbage))


@pytest.mark.parametrize(
    ("slope", "intercept", "kind"),
    [
        (1, 0, np.int16),
        (1, -1024, np.int16),
        (2, 5, np.int16),
        (100, 0, np.int32),
        (0.5, 0, np.float32),
        (1, 0.25, np.float32),
        (-1, 0, np.int16),
    ],
)
def test_values_are_whole_numbers_where_that_is_exact(
    tmp_path: Path, slope: float, intercept: float, kind: type
) -> None:
    def change(_number: int, data: Dataset) -> None:
        data.RescaleSlope, data.RescaleIntercept = slope, intercept

    scan = loaded(write_series(tmp_path, STORED, ZS, change=change))
    assert pixels(scan.image).dtype == kind
    assert np.array_equal(pixels(scan.image), STORED * float(slope) + intercept)


def test_each_slice_keeps_its_own_rescale(tmp_path: Path) -> None:
    """PET and Philips MR scale each slice by itself."""

    def change(number: int, data: Dataset) -> None:
        data.RescaleSlope, data.RescaleIntercept = 0.25 * (number + 1), number

    scan = loaded(write_series(tmp_path, STORED, ZS, change=change))
    numbers = np.arange(4)[:, None, None]
    assert np.array_equal(pixels(scan.image), STORED * 0.25 * (numbers + 1) + numbers)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(("stored", "high"), [(12, 11), (12, 15), (10, 12), (16, 15)])
def test_odd_bit_depths_ignore_what_lies_in_the_other_bits(
    tmp_path: Path, stored: int, high: int, signed: bool
) -> None:
    """Old files keep overlays in the upper bits: lines of false density."""
    low, top = (-(1 << stored - 1), (1 << stored - 1) - 1) if signed else (0, (1 << stored) - 1)
    truth = RNG.integers(low, top + 1, (4, 12, 16))
    mask = ((1 << stored) - 1) << (high + 1 - stored)
    junk = RNG.integers(0, 1 << 16, truth.shape) & ~mask
    raw = ((truth << (high + 1 - stored)) & mask | junk).astype(np.uint16)

    def change(_number: int, data: Dataset) -> None:
        data.BitsStored, data.HighBit, data.PixelRepresentation = stored, high, int(signed)

    scan = loaded(write_series(tmp_path, raw, ZS, change=change))
    assert pixels(scan.image).dtype == (np.int16 if signed else np.uint16)
    assert np.array_equal(pixels(scan.image), truth)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.uint32, np.int32])
def test_every_whole_number_type_is_kept(tmp_path: Path, kind: type) -> None:
    limits = np.iinfo(kind)
    values = RNG.integers(limits.min, limits.max, (4, 12, 16), kind, endpoint=True)
    scan = loaded(write_series(tmp_path, values, ZS))
    assert pixels(scan.image).dtype == kind
    assert np.array_equal(pixels(scan.image), values)


def test_a_modality_table_gives_the_values(tmp_path: Path) -> None:
    stored = RNG.integers(0, 200, (4, 12, 16)).astype(np.uint16)
    table = RNG.integers(0, 60000, 128).astype(np.uint16)

    def change(_number: int, data: Dataset) -> None:
        item = Dataset()
        item.LUTDescriptor, item.ModalityLUTType = [128, 10, 16], "HU"
        item.add_new("LUTData", "OW", table.tobytes())
        item["LUTDescriptor"].VR = "US"
        data.ModalityLUTSequence = Items([item])

    scan = loaded(write_series(tmp_path, stored, ZS, change=change))
    expected = table[np.clip(stored.astype(int) - 10, 0, 127)]
    assert np.array_equal(pixels(scan.image), expected)


@pytest.mark.parametrize(("modality", "inverted"), [("DX", True), ("CT", False)])
def test_low_is_white_is_turned_only_where_values_have_no_meaning(
    tmp_path: Path, modality: str, inverted: bool
) -> None:
    """Inverting CT would turn bone into air; not inverting X-ray shows a negative."""
    stored = RNG.integers(0, 4096, (4, 12, 16)).astype(np.uint16)

    def change(_number: int, data: Dataset) -> None:
        data.PhotometricInterpretation, data.Modality = "MONOCHROME1", modality
        data.BitsStored, data.HighBit = 12, 11

    scan = loaded(write_series(tmp_path, stored, ZS, change=change))
    assert np.array_equal(pixels(scan.image), 4095 - stored if inverted else stored)
    assert rules(scan) == (["scan.inverted"] if inverted else [])


def test_float_pixels_are_read(tmp_path: Path) -> None:
    values = RNG.normal(size=(4, 12, 16)).astype(np.float32)

    def change(number: int, data: Dataset) -> None:
        del data.PixelData
        data.BitsStored = data.BitsAllocated = 32
        data.HighBit = 31
        data.add_new("FloatPixelData", "OF", values[number].tobytes())

    scan = loaded(write_series(tmp_path, STORED, ZS, change=change))
    assert np.array_equal(pixels(scan.image), values)


def _pet(number: int, data: Dataset) -> None:
    data.Modality, data.SOPClassUID = "PT", uid.PositronEmissionTomographyImageStorage
    data.RescaleSlope, data.RescaleIntercept = 2.0 + number, 0
    data.Units, data.DecayCorrection, data.CorrectedImage = "BQML", "START", ["ATTN", "DECY"]
    data.SeriesDate = data.AcquisitionDate = "20260102"
    data.SeriesTime, data.AcquisitionTime = "101000.0", f"10{10 + number}00.0"
    data.PatientWeight = "70"
    item = Dataset()
    item.RadiopharmaceuticalStartTime = "091000"
    item.RadionuclideTotalDose, item.RadionuclideHalfLife = "370000000", "6588"
    data.RadiopharmaceuticalInformationSequence = Items([item])


def test_pet_becomes_suv_by_body_weight(tmp_path: Path) -> None:
    stored = RNG.integers(0, 30000, (4, 12, 16)).astype(np.int16)
    scan = loaded(write_series(tmp_path, stored, ZS, change=_pet))
    assert rules(scan) == ["scan.suv"]
    activity = stored * (2.0 + np.arange(4)[:, None, None])
    expected = activity * 70000.0 / (370e6 * 2.0 ** (-3600.0 / 6588.0))
    assert np.allclose(pixels(scan.image), expected, rtol=1e-6)
    assert scan.attributes["Unit"] == "g/ml"


def _without(keyword: str) -> Callable[[int, Dataset], None]:
    def change(number: int, data: Dataset) -> None:
        _pet(number, data)
        delattr(data, keyword)

    return change


def _dose_in_megabecquerel(number: int, data: Dataset) -> None:
    _pet(number, data)
    data.RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose = "370"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_without("PatientWeight"), "the patient's weight is missing"),
        (_without("RadiopharmaceuticalInformationSequence"), "the injection is not described"),
        (_without("DecayCorrection"), "the time to which decay was corrected"),
        (_without("CorrectedImage"), "not corrected for attenuation"),
        (_without("SeriesTime"), "the time of the scan is missing"),
        (_dose_in_megabecquerel, "the injected dose"),
    ],
)
def test_pet_without_all_inputs_stays_activity_and_says_why(
    tmp_path: Path, change: Callable[[int, Dataset], None], reason: str
) -> None:
    """A guessed weight or dose would make a tumour out of nothing."""
    stored = np.abs(STORED)
    scan = loaded(write_series(tmp_path, stored, ZS, change=change))
    assert rules(scan) == ["scan.no-suv"]
    assert reason in scan.findings[0].title
    assert scan.attributes["Unit"] == "Bq/ml"
    assert np.array_equal(pixels(scan.image), stored * (2.0 + np.arange(4)[:, None, None]))


def test_a_cut_off_slice_is_refused_and_its_gap_named(tmp_path: Path) -> None:
    folder = write_series(tmp_path, STORED, ZS)
    for path in folder.iterdir():
        if pydicom.dcmread(path).InstanceNumber == 2:
            path.write_bytes(path.read_bytes()[:-100])
    found = found_in(folder)
    (refused,) = found.refused
    assert refused.reason == "is cut off: 284 bytes of 384"
    assert rules(load_volume(found.volumes[0], Progress())) == ["scan.missing-slices"]


def test_a_file_that_shrinks_after_it_was_found_is_an_error(tmp_path: Path) -> None:
    folder = write_series(tmp_path, STORED, ZS)
    (volume,) = found_in(folder).volumes
    volume.paths[1].write_bytes(volume.paths[1].read_bytes()[:-100])
    with pytest.raises(InputError, match="cut off"):
        load_volume(volume, Progress())
    volume.paths[2].unlink()
    with pytest.raises(InputError, match=r"cannot be read|cut off"):
        load_volume(volume, Progress())


@pytest.mark.parametrize("seed", range(300))
def test_damaged_headers_are_read_or_refused_never_a_crash(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    content = bytearray(write(slice_of(STORED[0], (0, 0, 0)), tmp_path / "0.dcm").read_bytes())
    write(slice_of(STORED[1], (0, 0, 2)), tmp_path / "1.dcm")
    for place in rng.integers(132, len(content) - STORED[0].nbytes, 3):
        content[place] = rng.integers(0, 256)
    (tmp_path / "0.dcm").write_bytes(content)
    found = found_in(tmp_path)
    assert "\n" not in loading_errors(found)
    assert "\n" not in "".join(refused.reason for refused in found.refused)
