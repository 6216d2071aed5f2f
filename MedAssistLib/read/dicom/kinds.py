"""What a DICOM file is, in plain words, when it is not a slice of a scan."""

from __future__ import annotations

from pydicom.uid import UID

from MedAssistLib.read.dicom.frames import DamagedError
from MedAssistLib.read.dicom.headers import Header

SEGMENTATION = "segmentation"
LOCALISER = "localiser"
NO_PLACE = "image without a place in the patient"
SINGLE = "single image"
MOSAIC = "mosaic: slices side by side in one image, which is not read"

# Parts of the names that PS3.6 gives to the storage classes; the first that fits decides.
_KINDS = (
    ("Parametric Map", ""),
    ("Segmentation", SEGMENTATION),
    ("Presentation State", "presentation state"),
    ("Key Object", "list of key images"),
    (" SR ", "report"),
    ("SR Storage", "report"),
    ("Report", "report"),
    ("RT Dose", "radiotherapy dose"),
    ("RT Structure", "radiotherapy structures"),
    ("RT ", "radiotherapy plan or record"),
    ("Encapsulated", "document"),
    ("Waveform", "waveform"),
    ("ECG", "waveform"),
    ("Spectroscopy", "spectroscopy"),
    ("Registration", "registration"),
    ("Fiducials", "fiducials"),
    ("Raw Data", "raw data"),
    ("Media Storage Directory", "directory of a disc"),
    ("Tractography", "tractography"),
    ("Surface", "surface"),
)


def other_kind(header: Header) -> str:
    """Return what a file is if it cannot be a slice of a scan, else an empty text.

    Raises:
        DamagedError: If it says that it is an image and holds none.
    """
    name = UID(header.text("SOPClassUID")).name
    kind = next((kind for part, kind in _KINDS if part in name), "")
    if kind:
        return kind
    empty = header.pixels is None and not header.syntax.is_deflated
    if "Image Storage" in name and (empty or not header.text("Rows")):
        raise DamagedError("has no pixels" if empty else "does not say its size")
    if header.pixels is None and not header.text("Rows"):
        return "file without an image"
    words = header.text("ImageType").upper()
    # Siemens puts all slices of a moment into one picture; its position is that of the picture.
    if "MOSAIC" in words:
        return MOSAIC
    return LOCALISER if "LOCALIZER" in words else ""
