"""Segmentations as ``.npy`` files of labels, which two processes can map into memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from MedAssistLib.case import Code, Segment, Segmentation
from MedAssistLib.errors import InputError
from MedAssistLib.worker.arrays import read_scan


def segment_of(fields: Mapping[str, Any]) -> Segment:
    """Return the segment whose fields a message has, as :func:`dataclasses.asdict` gives them."""
    codes = {
        role: Code(**fields[role])
        for role in ("category", "type", "modifier", "region")
        if fields.get(role)
    }
    red, green, blue = fields["colour"]
    return Segment(label=fields["label"], name=fields["name"], colour=(red, green, blue), **codes)


def read_labels(description: Mapping[str, Any]) -> Segmentation:
    """Return the segmentation of a description.

    Args:
        description: ``array``, ``spacing``, ``origin`` and ``direction`` as of a scan, and
            ``segments``, the fields of each, and ``made_by``.

    Raises:
        InputError: If the file is missing or the description is not one of labels.
    """
    image = read_scan(description).image
    try:
        segments = tuple(map(segment_of, description["segments"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the segments that were handed over cannot be read ({error})") from error
    return Segmentation(
        labels=image, segments=segments, made_by=str(description.get("made_by", ""))
    )
