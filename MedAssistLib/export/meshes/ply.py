"""PLY, binary: corners with normals and colours; comments name the space as 3D Slicer reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from MedAssistLib.export.meshes.mesh import Mesh

_CORNER = np.dtype([("place", "<f4", 3), ("normal", "<f4", 3), ("colour", "u1", 3)])
_TRIANGLE = np.dtype([("count", "u1"), ("corners", "<i4", 3)])


def encode(meshes: Sequence[Mesh], space: str, name: str) -> dict[str, Iterable[bytes]]:
    """Return the content of a PLY file, by its suffix."""
    del name
    return {".ply": _parts(meshes, space)}


def _parts(meshes: Sequence[Mesh], space: str) -> Iterator[bytes]:
    yield _header(meshes, space).encode("utf-8")
    for mesh in meshes:
        corners = np.empty(len(mesh.points), dtype=_CORNER)
        corners["place"], corners["normal"] = mesh.points, mesh.normals
        corners["colour"] = mesh.colour
        yield corners.tobytes()
    before = 0
    for mesh in meshes:
        triangles = np.empty(len(mesh.triangles), dtype=_TRIANGLE)
        triangles["count"], triangles["corners"] = 3, mesh.triangles + before
        yield triangles.tobytes()
        before += len(mesh.points)


def _header(meshes: Sequence[Mesh], space: str) -> str:
    lines = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment MedAssist. SPACE={space}. Millimetres.",
        *(f"comment {mesh.name}: colour {' '.join(map(str, mesh.colour))}" for mesh in meshes),
        f"element vertex {sum(len(mesh.points) for mesh in meshes)}",
        *(f"property float {name}" for name in ("x", "y", "z", "nx", "ny", "nz")),
        *(f"property uchar {name}" for name in ("red", "green", "blue")),
        f"element face {sum(len(mesh.triangles) for mesh in meshes)}",
        "property list uchar int vertex_indices",
        "end_header",
    ]
    return "\n".join(lines) + "\n"
