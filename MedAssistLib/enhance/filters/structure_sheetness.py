"""Sheetness: how much each voxel looks like a part of a thin plate."""

from __future__ import annotations

from MedAssistLib.enhance.tubes import structure_kind

FILTER = structure_kind(
    name="structure.sheetness",
    help="Shows thin plates, from 0 to 1: use it on cortical bone, fissures of the lung or the "
    "skull's vault.",
    dimension=2,
)
