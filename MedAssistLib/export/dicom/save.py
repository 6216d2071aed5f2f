"""What every DICOM file of MedAssist says of its maker, and how it is written."""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pydicom import Dataset

from MedAssistLib import __version__
from MedAssistLib.files import replacing

MAKER: dict[str, Any] = {
    "manufacturer": "MedAssist",
    "manufacturer_model_name": "MedAssist",
    "software_versions": __version__,
    "device_serial_number": "1",
}
"""What highdicom is told of the maker."""

SEGMENTATIONS_FROM, REPORTS_FROM = 1000, 2000
"""What is added to the Series Number of the source."""


def save(*files: tuple[Dataset, Path]) -> list[Path]:
    """Write DICOM files (PS3.10), their texts in UTF-8: all of them or none.

    Returns:
        Their paths.

    Raises:
        ResourceError: If one cannot be written; earlier files are as they were.
    """
    with ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Names that are too long in the source stay whole.
        for data, path in files:
            data.SpecificCharacterSet = "ISO_IR 192"
            data.save_as(stack.enter_context(replacing(path)), enforce_file_format=True)
    return [path for _, path in files]
