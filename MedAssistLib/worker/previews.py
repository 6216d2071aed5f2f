"""What a network that still learns makes of a case, in files that the panel shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from MedAssistLib.case import Scan
from MedAssistLib.worker.arrays import describe_scan, window_of, write_array

if TYPE_CHECKING:
    from MedAssistLib.train.validate import Preview

# The panel may still be reading the one before.
_KEPT = 2


class Previews:
    """Writes previews to a folder.

    Args:
        folder: Where to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._scans: dict[str, dict[str, Any]] = {}
        self._written: list[Path] = []

    def write(self, preview: Preview) -> dict[str, Any]:
        """Write what a preview shows, and describe it.

        Returns:
            The ``case``; its first channel's ``scan`` (see
            :func:`MedAssistLib.worker.arrays.describe_scan`) with the ``window`` of its values;
            the ``labels``, a ``.npy`` file on its grid, the ``values`` of the structures there, and
            the ``middle`` of all of them, LPS mm, or ``None``.

        Raises:
            InputError: If the scan cannot be read any more.
            ResourceError: If the disk is full.
        """
        if preview.case not in self._scans:
            self._scans[preview.case] = self._scan(preview)
        labels = sitk.ReadImage(str(preview.labels))
        path = self._folder / f"labels-{len(self._written)}.npy"
        write_array(sitk.GetArrayViewFromImage(labels), path)
        self._written.append(path)
        for old in self._written[:-_KEPT]:
            old.unlink(missing_ok=True)
        return {
            "case": preview.case,
            "scan": self._scans[preview.case],
            "labels": str(path),
            "values": preview.values,
            "middle": _middle(labels),
        }

    def _scan(self, preview: Preview) -> dict[str, Any]:
        from MedAssistLib.scene.volumes import storable
        from MedAssistLib.train.dataset import LabelledCase
        from MedAssistLib.train.dataset.reading import read_channels

        alone = LabelledCase(name="", images=(preview.scan,), label=preview.labels, group="")
        found = read_channels(alone)[0]
        image = storable(found.image, preview.case)
        described = describe_scan(
            Scan(image=image, modality=found.modality),
            self._folder / f"scan-{len(self._scans)}.npy",
        )
        return {**described, "window": window_of(sitk.GetArrayViewFromImage(image))}


def _middle(labels: sitk.Image) -> tuple[float, ...] | None:
    """Return the middle of all labelled voxels, LPS mm."""
    found = np.nonzero(sitk.GetArrayViewFromImage(labels))
    if not len(found[0]):
        return None
    index = [float(along.mean()) for along in found[::-1]]
    place: tuple[float, ...] = labels.TransformContinuousIndexToPhysicalPoint(index)
    return place
