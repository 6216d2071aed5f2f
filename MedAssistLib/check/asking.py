"""Asking a model for its opinion of a scan. The only part of the check that runs a network."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from MedAssistLib.case import Finding, Scan, Segment, Severity
from MedAssistLib.check.opinion import Opinion
from MedAssistLib.errors import ModelError, ResourceError
from MedAssistLib.models import formats
from MedAssistLib.models.card import ModelCard
from MedAssistLib.progress import Progress

if TYPE_CHECKING:
    from MedAssistLib.segment import SegmentOptions

NOT_ASKED_RULE = "check.model"

# Bytes of probabilities, single precision, above which the model is asked for its answer alone.
_MOST_BYTES = 2 * 10**9


def ask(
    scan: Scan,
    card: ModelCard,
    *,
    device: str = "auto",
    progress: Progress | None = None,
    load: Callable[[ModelCard, str], Any] | None = None,
) -> tuple[Opinion, tuple[Finding, ...]]:
    """Let a model draw a scan.

    A model that MedAssist trained is run as carefully as when its confidence was measured, with
    mirrored patches.

    Args:
        scan: The scan.
        card: The model.
        device: Where it runs; see :class:`MedAssistLib.segment.SegmentOptions`.
        progress: Told how far it is.
        load: What loads it, such as a cache; see :func:`MedAssistLib.segment.segment_in_detail`.

    Returns:
        The opinion, with probabilities if the model gives one for each structure, and what speaks
        against trusting it.

    Raises:
        MedAssistError: If the model cannot be run on this scan, as ``segment_in_detail`` says.
    """
    from MedAssistLib.segment import segment_in_detail

    options = _options(card, scan, device)
    result = segment_in_detail([scan], card, options, progress, load)
    made = result.segmentation
    opinion = Opinion(
        segmentation=made,
        probabilities=_of_structures(result.probabilities, made.segments),
        temperature=float(card.measured.get("confidence", {}).get("temperature", 1.0)),
    )
    return opinion, result.findings


def ask_if_possible(
    scan: Scan,
    card: ModelCard,
    *,
    device: str = "auto",
    progress: Progress | None = None,
    load: Callable[[ModelCard, str], Any] | None = None,
) -> tuple[Opinion | None, tuple[Finding, ...]]:
    """Let a model draw a scan; where it cannot, say so in a finding. See :func:`ask`."""
    try:
        return ask(scan, card, device=device, progress=progress, load=load)
    except (ModelError, ResourceError) as error:
        note = Finding(
            rule=NOT_ASKED_RULE,
            severity=Severity.REVIEW,
            title=f"The model {card.name} could not be asked: {error}.",
            explanation="What was drawn is checked without comparing it with the model's answer.",
        )
        return None, (note,)


def _options(card: ModelCard, scan: Scan, device: str) -> SegmentOptions:
    from MedAssistLib.segment import SegmentOptions

    if not formats.gives_probabilities(card):
        return SegmentOptions(device=device)
    values = math.prod(scan.image.GetSize()) * (1 + len(card.segments))
    return SegmentOptions(
        device=device,
        mirror=bool(card.training),
        probabilities=values * np.dtype(np.float32).itemsize <= _MOST_BYTES,
    )


def _of_structures(
    probabilities: npt.NDArray[np.float32] | None, segments: tuple[Segment, ...]
) -> npt.NDArray[np.float16] | None:
    """Return the probability of each segment; ``None`` where outputs stand for several of them.

    Args:
        probabilities: Of the network's outputs, the background first, then by rising label.
        segments: The structures.
    """
    if probabilities is None or len(probabilities) != 1 + len(segments):
        return None
    rising = sorted(segment.label for segment in segments)
    outputs = [1 + rising.index(segment.label) for segment in segments]
    return probabilities[outputs].astype(np.float16)
