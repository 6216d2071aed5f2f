"""Real and made-up scans, and ways to spoil them, for the tests of the rules about scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from MedAssistLib import geometry
from MedAssistLib.case import Scan, Segmentation
from MedAssistLib.check.context import Context
from MedAssistLib.check.options import CheckOptions
from MedAssistLib.check.rule import Sign
from MedAssistLib.check.rules import rule_kinds

Values = npt.NDArray[Any]

_SPACING = (4.0, 4.0, 5.0)
_SIZE = (120, 90, 60)


def trunk() -> Scan:
    """Return a made-up CT of a chest and belly, 480×360×300 mm, on a couch; axes L, P, S."""
    points = np.moveaxis(np.indices(_SIZE[::-1]), 0, -1) * np.array(_SPACING[::-1])
    z, y, x = np.moveaxis(points - np.array([150.0, 160.0, 240.0]), -1, 0)
    values = np.full(z.shape, -1000.0)
    values[(x / 180) ** 2 + (y / 115) ** 2 <= 1] = -100.0
    values[(x / 165) ** 2 + (y / 100) ** 2 <= 1] = 40.0
    for side in (-1, 1):
        values[((x - 75 * side) / 55) ** 2 + (y / 70) ** 2 + ((z - 60) / 85) ** 2 <= 1] = -800.0
    values[(x / 22) ** 2 + ((y - 78) / 18) ** 2 <= 1] = 500.0
    values[(np.abs(y - 150) < 6) & (np.abs(x) < 180)] = -300.0
    soft = ndimage.gaussian_filter(values, [3.0 / step for step in _SPACING[::-1]])
    noisy = soft + np.random.default_rng(1).normal(0.0, 12.0, soft.shape)
    image = sitk.GetImageFromArray(noisy.round().astype(np.int16))
    image.SetSpacing(_SPACING)
    image.SetOrigin((-240.0, -160.0, -150.0))
    return Scan(image=image, modality="CT", name="trunk")


def scores(
    scan: Scan,
    rule: str,
    segmentation: Segmentation | None = None,
    options: CheckOptions | None = None,
) -> dict[str, float]:
    """Return the largest score of each kind that a rule measures."""
    found: dict[str, float] = {}
    for sign in signs(scan, rule, segmentation, options):
        found[sign.kind] = max(sign.score, found.get(sign.kind, 0.0))
    return found


def signs(
    scan: Scan,
    rule: str,
    segmentation: Segmentation | None = None,
    options: CheckOptions | None = None,
) -> list[Sign]:
    """Return all that one rule measures, however weak."""
    context = Context(scan=scan, segmentation=segmentation, options=options or CheckOptions())
    return list(rule_kinds()[rule].measure(context))


def told(scan: Scan, rule: str, segmentation: Segmentation | None = None) -> set[str]:
    """Return the kinds of score for which a rule speaks by its own thresholds."""
    limits = rule_kinds()[rule].thresholds
    found = scores(scan, rule, segmentation)
    return {kind for kind, score in found.items() if score > limits[kind].value}


def values_of(scan: Scan) -> npt.NDArray[np.float32]:
    """Return a copy of a scan's values, axes (k, j, i)."""
    return sitk.GetArrayFromImage(scan.image).astype(np.float32)


def with_values(scan: Scan, values: Values) -> Scan:
    """Return the scan with other values, axes (k, j, i)."""
    return replace(scan, image=geometry.from_array(values.astype(np.float32), scan.image))


def noisy(scan: Scan, deviation: float) -> Scan:
    """Add normal noise; in MR its magnitude with that of an imaginary part."""
    random, values = np.random.default_rng(4), values_of(scan)
    real = values + random.normal(0.0, deviation, values.shape)
    if scan.modality == "CT":
        return with_values(scan, real)
    return with_values(scan, np.hypot(real, random.normal(0.0, deviation, values.shape)))


def blurred(scan: Scan, millimetres: float) -> Scan:
    widths = [millimetres / step for step in scan.image.GetSpacing()[::-1]]
    return with_values(scan, ndimage.gaussian_filter(values_of(scan), widths))


def mirrored(scan: Scan, axis: str) -> Scan:
    """Return a scan whose content is mirrored along an axis, such as ``"AP"``; the header lies."""
    letters = geometry.orientation(scan.image)[::-1]
    stored = next(n for n, letter in enumerate(letters) if letter in axis)
    return with_values(scan, np.flip(values_of(scan), stored))


def swapped(scan: Scan, first: int, second: int) -> Scan:
    """Return a scan two axes of which, counted along k, j, i, bear each other's name."""
    image = sitk.GetImageFromArray(np.swapaxes(values_of(scan), first, second))
    spacing = list(scan.image.GetSpacing())[::-1]
    spacing[first], spacing[second] = spacing[second], spacing[first]
    image.SetSpacing(spacing[::-1])
    image.SetDirection(scan.image.GetDirection())
    return replace(scan, image=image)


def cropped(scan: Scan, low: Sequence[float], high: Sequence[float]) -> Scan:
    """Return the part of a scan between two shares of its extent along i, j, k."""
    size = scan.image.GetSize()
    i, j, k = (slice(int(a * n), int(b * n)) for a, b, n in zip(low, high, size, strict=True))
    return replace(scan, image=scan.image[i, j, k])


def ghosted(scan: Scan, share: float, axis: int) -> Scan:
    """Lay a copy over an MR scan, shifted by half of its extent along an axis (k, j, i)."""
    values = values_of(scan)
    return with_values(scan, values + share * np.roll(values, values.shape[axis] // 2, axis))


def shaded(scan: Scan, ratio: float, axis: int) -> Scan:
    """Make one end of an MR scan brighter than the other, along an axis (k, j, i)."""
    values = values_of(scan)
    ramp = np.geomspace(1.0, ratio, values.shape[axis])
    return with_values(scan, values * ramp.reshape([-1 if n == axis else 1 for n in range(3)]))


def with_metal(scan: Scan, radius: float) -> Scan:
    """Put a ball of metal with streaks around it into the soft tissue of a CT scan."""
    values = values_of(scan)
    k = values.shape[0] // 2
    rows, columns = np.nonzero((values[k] > 0.0) & (values[k] < 100.0))
    middle = np.argmax(rows + columns)
    step = np.array(scan.image.GetSpacing()[::-1])
    z, y, x = (
        (index - at) * length
        for index, at, length in zip(
            np.indices(values.shape), (k, rows[middle] - 5, columns[middle] - 5), step, strict=True
        )
    )
    away = np.hypot(y, x)
    streaks = 600.0 * np.cos(9.0 * np.arctan2(y, x)) * np.exp(-away / 40.0)
    values += np.where(np.abs(z) <= radius, streaks, 0.0)
    values[np.hypot(away, z) <= radius] = 3071.0
    return with_values(scan, np.clip(values, -1024.0, 3071.0))
