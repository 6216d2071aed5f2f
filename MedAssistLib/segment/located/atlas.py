"""The heads that come with the library: brains of known anatomy, to be found in a scan."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import SimpleITK as sitk

from MedAssistLib.errors import ModelError

_FOLDER = Path(__file__).parent / "atlases"


def path_of(name: str) -> Path:
    """Return the file of an atlas; ``atlases/LICENSE.txt`` says whose it is."""
    return _FOLDER / f"{name}.nii.gz"


@cache
def read_atlas(name: str) -> sitk.Image:
    """Return a T1-weighted brain, float32 along the LPS axes, 0 outside the brain.

    Raises:
        ModelError: If there is none of that name.
    """
    path = path_of(name)
    if not path.is_file():
        known = ", ".join(sorted(p.name.removesuffix(".nii.gz") for p in _FOLDER.glob("*.nii.gz")))
        raise ModelError(f'there is no atlas "{name}"', hint=f"There is: {known}")
    return sitk.ReadImage(path, sitk.sitkFloat32)
