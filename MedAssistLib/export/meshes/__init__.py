"""Structures as surface meshes for planning, printing and the web: STL, OBJ, PLY and glTF.

One file a kind of mesh file, each with ``encode(meshes, space, name)``.
"""

from __future__ import annotations

from MedAssistLib.export.meshes.write import SPACES, MeshOptions, write_meshes

__all__ = ["SPACES", "MeshOptions", "write_meshes"]
