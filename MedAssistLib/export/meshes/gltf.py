"""glTF 2.0, binary (.glb): a node and a material for each structure, under one that places them.

glTF is in metres with y up and z towards the viewer. The corners stay in millimetres, in LPS or RAS
as asked; the matrix of the node "MedAssist" makes superior +y, anterior +z and the patient's left
+x of them, so that the patient stands upright and looks at the viewer. Its extras say so.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from MedAssistLib import __version__
from MedAssistLib.export.meshes.mesh import Mesh

# Column by column, as glTF has it; LPS (left, posterior, superior) in mm to (x, y, z) in m.
_MATRIX = {
    "LPS": [0.001, 0, 0, 0, 0, 0, -0.001, 0, 0, 0.001, 0, 0, 0, 0, 0, 1],
    "RAS": [-0.001, 0, 0, 0, 0, 0, 0.001, 0, 0, 0.001, 0, 0, 0, 0, 0, 1],
}
_FLOAT, _UNSIGNED_INT = 5126, 5125
_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963
_MAGIC, _JSON, _BINARY = 0x46546C67, 0x4E4F534A, 0x004E4942
_ROUGHNESS = 0.6


def encode(meshes: Sequence[Mesh], space: str, name: str) -> dict[str, Iterable[bytes]]:
    """Return the content of a GLB file, by its suffix."""
    del name
    arrays: list[npt.NDArray[Any]] = []
    document = _document(meshes, space)
    for mesh in meshes:
        arrays += [mesh.points, mesh.normals, mesh.triangles.astype(np.uint32)]
    document["bufferViews"], length = _views(arrays)
    document["accessors"] = [_accessor(number, array) for number, array in enumerate(arrays)]
    document["buffers"] = [{"byteLength": length}]
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 4)
    # All numbers have four bytes, so that the arrays need no filling in between.
    head = struct.pack("<5I", _MAGIC, 2, 28 + len(text) + length, len(text), _JSON)
    parts = [head, text, struct.pack("<2I", length, _BINARY)]
    return {
        ".glb": [
            *parts,
            *(array.astype(array.dtype.newbyteorder("<")).tobytes() for array in arrays),
        ]
    }


def _document(meshes: Sequence[Mesh], space: str) -> dict[str, Any]:
    numbers = range(len(meshes))
    root = {
        "name": "MedAssist",
        "matrix": _MATRIX[space],
        "children": [number + 1 for number in numbers],
        "extras": {
            "space": space,
            "unit": "mm",
            "transform": f"The matrix takes {space} millimetres to metres: +x patient's left, "
            "+y superior, +z anterior",
        },
    }
    nodes = [{"name": mesh.name, "mesh": number} for number, mesh in enumerate(meshes)]
    return {
        "asset": {"version": "2.0", "generator": f"MedAssist {__version__}"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [root, *nodes],
        "meshes": [
            {
                "name": mesh.name,
                "primitives": [
                    {
                        "attributes": {"POSITION": 3 * number, "NORMAL": 3 * number + 1},
                        "indices": 3 * number + 2,
                        "material": number,
                    }
                ],
            }
            for number, mesh in enumerate(meshes)
        ],
        "materials": [_material(mesh) for mesh in meshes],
    }


def _material(mesh: Mesh) -> dict[str, Any]:
    colour = [round(_linear(value / 255.0), 6) for value in mesh.colour]
    look = {
        "baseColorFactor": [*colour, mesh.opacity],
        "metallicFactor": 0.0,
        "roughnessFactor": _ROUGHNESS,
    }
    mode = {} if mesh.opacity == 1.0 else {"alphaMode": "BLEND"}
    return {"name": mesh.name, "pbrMetallicRoughness": look, **mode}


def _linear(value: float) -> float:
    """Return the linear light of an sRGB value, both in [0, 1] (IEC 61966-2-1)."""
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _views(arrays: Sequence[npt.NDArray[Any]]) -> tuple[list[dict[str, int]], int]:
    """Return where each array lies in the buffer, and how long that is."""
    views, start = [], 0
    for array in arrays:
        target = _ARRAY_BUFFER if array.dtype == np.float32 else _ELEMENT_ARRAY_BUFFER
        view = {"buffer": 0, "byteOffset": start, "byteLength": array.nbytes, "target": target}
        views.append(view)
        start += array.nbytes
    return views, start


def _accessor(number: int, array: npt.NDArray[Any]) -> dict[str, Any]:
    if array.dtype != np.float32:
        kind = {"componentType": _UNSIGNED_INT, "count": array.size, "type": "SCALAR"}
        return {"bufferView": number, **kind}
    kind = {"componentType": _FLOAT, "count": len(array), "type": "VEC3"}
    low, high = array.min(axis=0).tolist(), array.max(axis=0).tolist()
    return {"bufferView": number, **kind, "min": low, "max": high}
