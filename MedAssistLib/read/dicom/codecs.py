"""Decoding compressed frames: pydicom's decoders first, then GDCM, which comes with SimpleITK."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pydicom
import SimpleITK as sitk
from pydicom import uid
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.decoders.base import Decoder, get_decoder

from MedAssistLib.errors import InputError
from MedAssistLib.read.dicom.headers import PARSE_ERRORS

# The codecs' libraries raise these on top of what parsing does.
DECODE_ERRORS = (*PARSE_ERRORS, RuntimeError, SyntaxError, AssertionError)

_PIXEL_KEYWORDS = (
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)


def frames(path: Path, data: pydicom.Dataset, indices: Sequence[int]) -> Iterator[npt.NDArray[Any]]:
    """Yield decoded frames, axes (j, i) or, of colours, (j, i, RGB).

    Args:
        path: The file, for messages.
        data: Its whole dataset.
        indices: Numbers of the frames, rising.

    Raises:
        InputError: If nothing here knows the transfer syntax.
        DECODE_ERRORS: Whatever the decoders raise on damaged files.
    """
    decoder, done = _decoder(data), 0
    encapsulated = data.file_meta.TransferSyntaxUID.is_encapsulated
    try:
        if decoder is not None:
            for values, _ in decoder.iter_array(data, indices=list(indices)):
                yield values
                done += 1
            return
    except DECODE_ERRORS:
        if not encapsulated:
            raise
    if not encapsulated:
        raise undecodable(path, data.file_meta.TransferSyntaxUID)
    wanted = set(indices[done:])
    count = int(data.get("NumberOfFrames", None) or 1)
    for index, code in enumerate(generate_frames(data.PixelData, number_of_frames=count)):
        if index in wanted:
            yield _by_gdcm(data, code)


def undecodable(path: Path, syntax: uid.UID) -> InputError:
    """Return the error for a file whose pixels nothing here can decode."""
    if not syntax.is_encapsulated:
        return InputError("has damaged pixels", where=path, hint="Copy or export it again")
    name = syntax.name if syntax.is_transfer_syntax else f"an unknown compression ({syntax})"
    hint = "It may be damaged; or have the archive send it uncompressed"
    return InputError(f"cannot be decoded ({name})", where=path, hint=hint)


def _decoder(data: pydicom.Dataset) -> Decoder | None:
    """Return pydicom's decoder for a dataset, if one is there that can do its kind of pixels."""
    syntax = data.file_meta.TransferSyntaxUID
    if syntax == uid.JPEGExtended12Bit and data.BitsStored > 8:
        return None
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        return None
    return decoder if decoder.is_available else None


def _by_gdcm(data: pydicom.Dataset, code: bytes) -> npt.NDArray[Any]:
    """Decode one frame through a file that holds nothing else, so that no value is rescaled."""
    single = pydicom.Dataset()
    for keyword in _PIXEL_KEYWORDS:
        if keyword in data:
            single[keyword] = data[keyword]
    single.SOPClassUID = uid.SecondaryCaptureImageStorage
    single.SOPInstanceUID = uid.generate_uid()
    single.file_meta = pydicom.dataset.FileMetaDataset()
    single.file_meta.TransferSyntaxUID = data.file_meta.TransferSyntaxUID
    single.PixelData = encapsulate([code])
    single["PixelData"].is_undefined_length = True
    with tempfile.TemporaryDirectory(prefix="medassist-") as folder:
        name = Path(folder) / "frame.dcm"
        single.save_as(name, enforce_file_format=True)
        sitk.ProcessObject.SetGlobalWarningDisplay(False)
        values: npt.NDArray[Any] = sitk.GetArrayFromImage(sitk.ReadImage(str(name)))
    frame: npt.NDArray[Any] = values[0]
    return frame
