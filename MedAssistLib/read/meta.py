"""What ITK's MetaImage reader lets pass: no spacing, no directions, units other than mm.

Fields as in the format's documentation (itk.org/Wiki/MetaIO/Documentation). ITK's reader trusts the
header so far that a wrong number of dimensions ends the program: everything is counted here first.
"""

from __future__ import annotations

import math
from pathlib import Path

from MedAssistLib.case import Finding
from MedAssistLib.errors import InputError
from MedAssistLib.files import readable
from MedAssistLib.read.nrrd import require_beside
from MedAssistLib.read.stated import Stated, no_origin, no_place, numbers, usable

_MOST_LINES = 1000
_LONGEST = 4096
_MOST_VOXELS = 1 << 40
_SPACINGS = ("ElementSpacing", "ElementSize")
_TURNS = ("TransformMatrix", "Rotation", "Orientation")
_ORIGINS = ("Offset", "Position", "Origin")
_FLAGS = ("BinaryData", "CompressedData", "BinaryDataByteOrderMSB", "ElementByteOrderMSB")
_TYPES = frozenset(
    f"MET_{kind}"
    for kind in (
        *("CHAR", "UCHAR", "SHORT", "USHORT", "INT", "UINT", "LONG", "ULONG"),
        *("LONG_LONG", "ULONG_LONG", "FLOAT", "DOUBLE"),
    )
)
_MOST_CHANNELS = 1000


def meta_stated(path: Path) -> Stated:
    """Return what a MetaImage header states.

    Raises:
        InputError: If it is damaged, its data file is missing, or its spacing or units are not
            usable.
    """
    fields, end = _fields(path)
    try:
        _check(fields)
    except (ValueError, KeyError) as error:
        raise _damaged(path) from error
    data = _data_file(path, fields["ElementDataFile"])
    units = fields.get("DistanceUnits", "mm")
    if units.lower() not in ("mm", "?"):
        what = f"is measured in {units}, not in mm"
        raise InputError(what, where=path, hint="Export it in millimetres")
    spacings = [fields[name] for name in _SPACINGS if name in fields]
    if spacings and not usable(numbers(spacings[0])):
        what = f"has an impossible voxel spacing ({spacings[0]} mm)"
        raise InputError(what, where=path, hint="Correct its header or export it again")
    return Stated(
        spacing=bool(spacings),
        data=data,
        start=end if data == path else 0,
        packed=_says(fields, "CompressedData", "False") or not _says(fields, "BinaryData", "True"),
        findings=_findings(fields),
    )


def _data_file(path: Path, name: str) -> Path | None:
    """Return the file with the voxels; a list or a pattern of files is left to ITK."""
    if name.upper() == "LOCAL":
        return path
    if name.upper().startswith("LIST") or "%" in name:
        return None
    require_beside(path, name)
    return path.parent / name


def _says(fields: dict[str, str], flag: str, otherwise: str) -> bool:
    return fields.get(flag, otherwise).lower() in ("true", "1")


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """Return the header's fields, which end with ElementDataFile, and its length in bytes."""
    fields: dict[str, str] = {}
    with readable(path) as stream:
        for _ in range(_MOST_LINES):
            line = stream.readline(_LONGEST)
            name, mark, value = line.decode("latin-1").partition("=")
            if not mark or not line.endswith(b"\n") or b"\0" in line or name.strip() in fields:
                break
            fields[name.strip()] = value.strip()
            if name.strip() == "ElementDataFile":
                return fields, stream.tell()
    raise _damaged(path)


def _check(fields: dict[str, str]) -> None:
    """Check that each field has as many numbers as it must.

    Raises:
        ValueError: If one has not.
        KeyError: If one is missing.
    """
    dimensions = int(fields["NDims"])
    _require(2 <= dimensions <= 4)
    sizes = [int(part) for part in fields["DimSize"].split()]
    _require(len(sizes) == dimensions and min(sizes) > 0 and math.prod(sizes) < _MOST_VOXELS)
    counts = dict.fromkeys((*_SPACINGS, *_ORIGINS, "CenterOfRotation"), dimensions)
    counts |= dict.fromkeys(_TURNS, dimensions**2)
    for name, count in counts.items():
        _require(name not in fields or len(numbers(fields[name])) == count)
    _require(fields["ElementType"] in _TYPES)
    _require(1 <= int(fields.get("ElementNumberOfChannels", "1")) <= _MOST_CHANNELS)
    _require(int(fields.get("HeaderSize", "0")) >= -1)
    _require(int(fields.get("CompressedDataSize", "0")) >= 0)
    _require(
        all(fields.get(flag, "True").lower() in ("true", "false", "1", "0") for flag in _FLAGS)
    )


def _require(right: bool) -> None:
    if not right:
        raise ValueError


def _damaged(path: Path) -> InputError:
    return InputError("has a damaged header", where=path, hint="Copy or export it again")


def _findings(fields: dict[str, str]) -> tuple[Finding, ...]:
    if not any(name in fields for name in _TURNS):
        text = "Its header has no TransformMatrix; left, posterior, superior was taken."
        return (no_place(text),)
    return () if any(name in fields for name in _ORIGINS) else (no_origin(),)
