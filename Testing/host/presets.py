"""Presets of volume rendering under Slicer's names: simple curves, for slicer-core brings none."""

from __future__ import annotations

from pathlib import Path

# Opacity and colour at two values: below the first nothing is seen.
_CT = (
    (-3024.0, 0.0, (0.0, 0.0, 0.0)),
    (150.0, 0.0, (0.7, 0.3, 0.2)),
    (400.0, 0.8, (1.0, 0.95, 0.9)),
)
_MR = ((0.0, 0.0, (0.0, 0.0, 0.0)), (60.0, 0.0, (0.4, 0.3, 0.3)), (200.0, 0.4, (1.0, 1.0, 1.0)))
_PRESETS = {
    "CT-AAA": _CT,
    "CT-Bone": _CT,
    "CT-Bones": _CT,
    "CT-Chest-Contrast-Enhanced": _CT,
    "CT-Lung": _CT,
    "CT-Muscle": _CT,
    "MR-Default": _MR,
    "MR-T2-Brain": _MR,
}


def write(folder: Path) -> None:
    """Write the file that the logic of volume rendering looks for in its folder."""
    nodes = []
    for number, (name, points) in enumerate(_PRESETS.items(), 1):
        opacity = " ".join(f"{value:g} {alpha:g}" for value, alpha, _ in points)
        colour = " ".join(f"{value:g} {r:g} {g:g} {b:g}" for value, _, (r, g, b) in points)
        nodes.append(
            f'<VolumeProperty id="vtkMRMLVolumePropertyNode{number}" name="{name}" shade="1" '
            f'scalarOpacity="{2 * len(points)} {opacity}" gradientOpacity="4 0 1 255 1" '
            f'colorTransfer="{4 * len(points)} {colour}" interpolation="1"/>'
        )
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<MRML>", *nodes, "</MRML>", ""]
    (folder / "presets.xml").write_text("\n".join(lines), encoding="utf-8")
