"""Which function writes which kind of file: one file of this package a kind, listed here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from MedAssistLib.errors import UsageError

# suffix → module:function, called with what is written and the path.
SCAN_FORMATS = dict.fromkeys((".nii.gz", ".nii", ".nrrd", ".mha"), "images:write_scan")
SEGMENTATION_FORMATS = {
    ".seg.nrrd": "seg_nrrd:write_seg_nrrd",
    **dict.fromkeys((".nii.gz", ".nii", ".nrrd", ".mha"), "images:write_labels"),
}
MEASUREMENT_FORMATS = {".csv": "table:write_csv", ".json": "table:write_json"}
REPORT_FORMATS = {".html": "report:write_report", ".pdf": "report_pdf:write_pdf"}
MESH_FORMATS = dict.fromkeys((".stl", ".obj", ".ply", ".glb"), "meshes:write_meshes")
DICOM_FORMATS = {
    ".seg.dcm": "dicom.seg:write_seg",
    ".labelmap.dcm": "dicom.seg:write_label_map",
    ".sr.dcm": "dicom.sr:write_sr",
}


def writer(formats: dict[str, str], path: str | os.PathLike[str]) -> Callable[..., Any]:
    """Return the function that writes a file of the kind that the name of ``path`` asks for.

    Raises:
        UsageError: If no format has that suffix; it names those that there are.
    """
    module, function = formats[suffix_of(path, formats)].split(":")
    write: Callable[..., Any] = getattr(import_module(f"{__package__}.{module}"), function)
    return write


def suffix_of(path: str | os.PathLike[str], suffixes: Iterable[str]) -> str:
    """Return the longest of the suffixes that ``path`` ends with.

    Raises:
        UsageError: If it ends with none of them.
    """
    name = Path(path).name.lower()
    matching = [suffix for suffix in suffixes if name.endswith(suffix) and name != suffix]
    if not matching:
        hint = f"Give a name that ends with {', '.join(suffixes)}"
        raise UsageError("has a suffix that no format has", where=path, hint=hint)
    return max(matching, key=len)
