"""However values are stored: transfer syntaxes, byte orders and codecs."""

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

from MedAssistLib.errors import InputError
from Testing.dicom_series import (
    STORED,
    ZS,
    found_in,
    loaded,
    pixels,
    pydicom_file,
    rules,
    write,
    write_series,
)

RNG = np.random.default_rng(11)

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
