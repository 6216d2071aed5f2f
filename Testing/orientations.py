"""The 48 ways to store one scan: every order of the axes, every direction of each."""

from __future__ import annotations

import itertools

import SimpleITK as sitk

ALL = [
    (order, flips)
    for order in itertools.permutations(range(3))
    for flips in itertools.product((False, True), repeat=3)
]


def stored(image: sitk.Image, order: tuple[int, ...], flips: tuple[bool, ...]) -> sitk.Image:
    """Return the same scan with its axes in another order and direction: no voxel moves."""
    return sitk.Flip(sitk.PermuteAxes(image, list(order)), list(flips))
