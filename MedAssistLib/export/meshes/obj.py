"""Wavefront OBJ with its MTL: text, an object and a material for each structure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy.typing as npt

from MedAssistLib.export.meshes.mesh import Mesh

_AT_ONCE = 50_000


def encode(meshes: Sequence[Mesh], space: str, name: str) -> dict[str, Iterable[bytes]]:
    """Return the content of an OBJ file called ``name`` and of its MTL, by their suffixes."""
    return {".obj": _parts(meshes, space, name), ".mtl": [_materials(meshes).encode("utf-8")]}


def _parts(meshes: Sequence[Mesh], space: str, name: str) -> Iterator[bytes]:
    yield f"# MedAssist. SPACE={space}. Millimetres.\nmtllib {name}.mtl\n".encode()
    before = 1
    for mesh in meshes:
        yield f"o {mesh.name}\nusemtl {mesh.id}\n".encode()
        yield from _lines("v %.4f %.4f %.4f\n", mesh.points)
        yield from _lines("vn %.3f %.3f %.3f\n", mesh.normals)
        corners = (mesh.triangles + before).repeat(2, axis=1)
        yield from _lines("f %d//%d %d//%d %d//%d\n", corners)
        before += len(mesh.points)


def _lines(form: str, rows: npt.NDArray[Any]) -> Iterator[bytes]:
    """Yield one line a row; one formatting of many rows is quicker than many of one."""
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        yield (form * len(some) % tuple(some.ravel().tolist())).encode("ascii")


def _materials(meshes: Sequence[Mesh]) -> str:
    return "\n".join(
        f"newmtl {mesh.id}\n"
        f"Kd {' '.join(f'{value / 255:.4f}' for value in mesh.colour)}\n"
        f"Ks 0.1500 0.1500 0.1500\nNs 25\nd {mesh.opacity:g}\nillum 2\n"
        for mesh in meshes
    )
