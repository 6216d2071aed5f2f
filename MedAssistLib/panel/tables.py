"""Measurements as a table of Slicer: one row a structure, one column a quantity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from MedAssistLib.case import Measurement

if TYPE_CHECKING:
    from slicer import vtkMRMLScene, vtkMRMLTableNode


def add_measurements(
    scene: vtkMRMLScene, measurements: Sequence[Measurement], name: str
) -> vtkMRMLTableNode:
    """Add measurements to a scene; an absent value is left empty in the table."""
    from vtkmodules.vtkCommonCore import vtkDoubleArray, vtkStringArray

    structures = list(dict.fromkeys(entry.structure for entry in measurements))
    quantities = list(dict.fromkeys((entry.quantity, entry.unit) for entry in measurements))
    values = {(m.structure, m.quantity, m.unit): m.value for m in measurements}
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", scene.GenerateUniqueName(name))
    column: Any = vtkStringArray()
    column.SetName("structure")
    for structure in structures:
        column.InsertNextValue(_cell(structure))
    table.AddColumn(column)
    for quantity, unit in quantities:
        column = vtkDoubleArray()
        column.SetName(f"{quantity} [{unit}]")
        for structure in structures:
            column.InsertNextValue(values.get((structure, quantity, unit), float("nan")))
        table.AddColumn(column)
    table.SetUseColumnTitleAsColumnHeader(True)
    table.SetLocked(True)
    return table


def _cell(text: str) -> str:
    """Return a text without what VTK's table files cannot hold: quotes, tabs and line breaks."""
    return " ".join(text.replace('"', "'").split())
