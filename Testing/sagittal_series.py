"""Small sagittal MR series of known content, as broken as a test wants them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pydicom


def write_sagittal(
    folder: Path,
    positions: Sequence[tuple[float, float, float]],
    uid: str,
    change: Callable[[int, pydicom.Dataset], None] = lambda _number, _dataset: None,
) -> None:
    """Write one file for each position: slices of 5 rows and 4 columns."""
    folder.mkdir(exist_ok=True)
    for number, position in enumerate(positions):
        dataset = pydicom.Dataset()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        dataset.SOPClassUID = pydicom.uid.MRImageStorage
        dataset.SOPInstanceUID = pydicom.uid.generate_uid()
        dataset.SeriesInstanceUID = uid
        dataset.Modality, dataset.PatientName = "MR", "Doe^Jane"
        dataset.Rows, dataset.Columns, dataset.PixelSpacing = 5, 4, [1.5, 1.25]
        dataset.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
        dataset.ImagePositionPatient = list(position)
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
        dataset.PixelRepresentation = 0
        dataset.PixelData = (np.arange(20, dtype=np.uint16) + 100 * number).tobytes()
        change(number, dataset)
        dataset.save_as(folder / f"{uid}-{7 - number}.dcm", enforce_file_format=True)
