"""STL, binary: triangles and nothing else; the header names the space as 3D Slicer reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from MedAssistLib.export.meshes.mesh import Mesh

_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def encode(meshes: Sequence[Mesh], space: str, name: str) -> dict[str, Iterable[bytes]]:
    """Return the content of an STL file, by its suffix."""
    del name
    return {".stl": _parts(meshes, space)}


def _parts(meshes: Sequence[Mesh], space: str) -> Iterator[bytes]:
    # Not "solid" at first, by which readers know the form that is text.
    yield f"MedAssist. SPACE={space}. Millimetres.".encode("ascii").ljust(80)
    yield np.uint32(sum(len(mesh.triangles) for mesh in meshes)).astype("<u4").tobytes()
    for mesh in meshes:
        records = np.zeros(len(mesh.triangles), dtype=_TRIANGLE)
        corners = mesh.points[mesh.triangles]
        records["corners"] = corners
        across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        length = np.linalg.norm(across, axis=1, keepdims=True)
        records["normal"] = across / np.where(length > 0.0, length, 1.0)
        yield records.tobytes()
