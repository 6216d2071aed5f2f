"""Scans and label images as ``.npy`` files, which two processes can map into memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib.case import Scan, Segmentation
from MedAssistLib.errors import InputError
from MedAssistLib.files import replacing

_ENOUGH_VOXELS = 1_000_000
_DARKEST_AND_BRIGHTEST = (0.1, 99.9)


def describe_scan(scan: Scan, path: Path) -> dict[str, Any]:
    """Write a scan's voxels to ``path`` and return the description that :func:`read_scan` reads.

    Nothing about the patient goes into it.

    Raises:
        ResourceError: If the file cannot be written.
    """
    array = sitk.GetArrayViewFromImage(scan.image)
    return describe_array(
        array, scan.image, path, modality=scan.modality, enhancement=scan.enhancement
    )


def describe_array(
    array: npt.NDArray[Any],
    grid: sitk.Image,
    path: Path,
    *,
    modality: str,
    enhancement: Sequence[str],
) -> dict[str, Any]:
    """Write voxels (axes k, j, i) that lie as those of ``grid`` do; see :func:`describe_scan`.

    The size of ``grid`` does not matter.
    """
    write_array(array, path)
    facts = {"array": str(path), "modality": modality, "enhancement": list(enhancement)}
    return {**facts, **grid_fields(grid)}


def grid_fields(image: sitk.Image) -> dict[str, tuple[float, ...]]:
    """Return where the voxels of an image lie, as descriptions and results say it."""
    return {
        "spacing": image.GetSpacing(),
        "origin": image.GetOrigin(),
        "direction": image.GetDirection(),
    }


def read_scan(description: Mapping[str, Any]) -> Scan:
    """Return the scan of a description.

    Raises:
        InputError: If the file is missing or the description is not one of a volume.
    """
    try:
        path = description["array"]
        image = sitk.GetImageFromArray(np.load(path, mmap_mode="r", allow_pickle=False))
        image.SetSpacing(description["spacing"])
        image.SetOrigin(description["origin"])
        image.SetDirection(description["direction"])
    except (KeyError, TypeError, ValueError, OSError, RuntimeError) as error:
        raise InputError(f"the scan that was handed over cannot be read ({error})") from error
    return Scan(
        image=image,
        modality=str(description.get("modality", "")),
        enhancement=tuple(map(str, description.get("enhancement", ()))),
    )


def window_of(values: npt.NDArray[np.generic]) -> tuple[float, float]:
    """Return the lowest and the highest value to be told apart, as Slicer would choose them."""
    some = values.reshape(-1)[:: max(1, values.size // _ENOUGH_VOXELS)].astype(np.float64)
    finite = some[np.isfinite(some)]
    low, high = np.percentile(finite, _DARKEST_AND_BRIGHTEST) if finite.size else (0.0, 1.0)
    return float(low), float(high if high > low else low + 1.0)


def write_array(array: npt.NDArray[Any], path: Path) -> None:
    """Write an array as ``.npy``.

    Raises:
        ResourceError: If the file cannot be written.
    """
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)


def write_surfaces(segmentation: Segmentation, path: Path) -> None:
    """Write the surfaces of the structures that have voxels as ``.npz``.

    For each label ``N``: ``points_N`` and ``normals_N`` (n, 3), float32, LPS mm, and
    ``triangles_N`` (m, 3), int64, anticlockwise from outside.

    Raises:
        ResourceError: If the file cannot be written.
    """
    from MedAssistLib.export.surface_volume import point_normals
    from MedAssistLib.export.surfaces import make_surfaces

    arrays: dict[str, Any] = {}
    for surface in make_surfaces(segmentation):
        label = surface.segment.label
        arrays[f"points_{label}"] = surface.points.astype(np.float32)
        normals = point_normals(surface.points, surface.triangles)
        arrays[f"normals_{label}"] = normals.astype(np.float32)
        arrays[f"triangles_{label}"] = surface.triangles.astype(np.int64)
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)
