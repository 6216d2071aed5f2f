"""MetaImage files without their free text: only fields that are known to name nobody stay.

Fields as in the format's documentation (itk.org/Wiki/MetaIO/Documentation).
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import BinaryIO

from MedAssistLib.errors import InputError
from MedAssistLib.export.deidentify.tally import KEPT, Deeds
from MedAssistLib.files import readable
from MedAssistLib.read.nrrd import require_beside

_REMOVED = "removed"
_MOST_LINES = 1000
_LONGEST = 1 << 16
_LAST = "ElementDataFile"
_NUMBERS = r"[-+0-9.eE\s]*(nan)?"
_FLAG = r"(?i:true|false|[01])"
_FIELDS = {
    "ObjectType": "Image",
    **dict.fromkeys(("NDims", "DimSize", "CompressedDataSize", "HeaderSize"), _NUMBERS),
    **dict.fromkeys(("ElementSpacing", "ElementSize", "ElementNumberOfChannels"), _NUMBERS),
    **dict.fromkeys(("TransformMatrix", "Rotation", "Orientation"), _NUMBERS),
    **dict.fromkeys(("Offset", "Position", "Origin", "CenterOfRotation"), _NUMBERS),
    **dict.fromkeys(("ElementMin", "ElementMax"), _NUMBERS),
    **dict.fromkeys(
        ("ElementToIntensityFunctionSlope", "ElementToIntensityFunctionOffset"), _NUMBERS
    ),
    **dict.fromkeys(("BinaryData", "CompressedData"), _FLAG),
    **dict.fromkeys(("BinaryDataByteOrderMSB", "ElementByteOrderMSB"), _FLAG),
    "AnatomicalOrientation": r"[RLAPSI?]{2,4}",
    "DistanceUnits": r"mm|\?",
    "ElementType": r"MET_[A-Z_]+",
    "Modality": r"MET_MOD_[A-Z]+",
    "modality": r"[A-Za-z]{2,7}",
}


def clean_meta(source: Path, target: Path) -> Deeds:
    """Write a MetaImage without comments and free text, its voxels as they are.

    Args:
        source: A ``.mha`` or, with its data file, ``.mhd`` file.
        target: Where to, as one file.

    Returns:
        What was done.

    Raises:
        InputError: If it is damaged, or its voxels are spread over several files.
    """
    deeds: Deeds = {("MetaImage geometry", KEPT)}
    with readable(source) as stream:
        lines, data = _header(source, stream, deeds)
        with target.open("wb") as out:
            out.write("\n".join([*lines, f"{_LAST} = LOCAL", ""]).encode("ascii"))
            if data is None:
                shutil.copyfileobj(stream, out)
            else:
                with readable(data) as voxels:
                    shutil.copyfileobj(voxels, out)
    return deeds


def meta_data_file(source: Path) -> Path | None:
    """Return the data file of a MetaImage header; ``None`` if the voxels follow it.

    Raises:
        InputError: As :func:`clean_meta`.
    """
    with readable(source) as stream:
        return _header(source, stream, set())[1]


def _header(source: Path, stream: BinaryIO, deeds: Deeds) -> tuple[list[str], Path | None]:
    """Return the lines to keep and the data file, if there is one."""
    lines: list[str] = []
    for _ in range(_MOST_LINES):
        line = stream.readline(_LONGEST).decode("latin-1")
        name, mark, value = (part.strip() for part in line.partition("="))
        if not mark:
            break
        if name == _LAST:
            return lines, _data_file(source, value)
        if name == "HeaderSize" and value not in ("0", ""):
            raise _spread(source)
        if name in _FIELDS and re.fullmatch(_FIELDS[name], value):
            lines.append(f"{name} = {value}")
        elif name in _FIELDS and name.lower() != "modality":
            raise _damaged(source)
        else:
            deeds.add(("MetaImage comments and other fields", _REMOVED))
    raise _damaged(source)


def _data_file(source: Path, name: str) -> Path | None:
    if name.upper() == "LOCAL":
        return None
    if name.upper().startswith("LIST") or "%" in name:
        raise _spread(source)
    require_beside(source, name)
    return source.parent / name


def _damaged(path: Path) -> InputError:
    return InputError("has a damaged header", where=path, hint="Copy or export it again")


def _spread(path: Path) -> InputError:
    hint = "Make one file of it: medassist read FILE -o NEW.mha"
    return InputError("has its voxels in several files or places", where=path, hint=hint)
