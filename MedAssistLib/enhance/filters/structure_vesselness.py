"""Vesselness: how much each voxel looks like a part of a tube."""

from __future__ import annotations

from MedAssistLib.enhance.tubes import structure_kind

FILTER = structure_kind(
    name="structure.vesselness",
    help="Shows tubes, from 0 to 1: use it on enhanced vessels or, with side=dark, airways.",
    dimension=1,
)
