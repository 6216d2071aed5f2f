"""Running a model on a scan, of whatever kind the model is."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
import numpy.typing as npt

from MedAssistLib import geometry
from MedAssistLib.case import Finding, Scan, Segment, Segmentation
from MedAssistLib.errors import ModelError, UsageError
from MedAssistLib.models import formats
from MedAssistLib.models.card import ModelCard
from MedAssistLib.models.formats.located_card import LocatedModel
from MedAssistLib.models.plan import PartedModel, TiledModel
from MedAssistLib.progress import Progress
from MedAssistLib.segment.device import device_of
from MedAssistLib.segment.doubts import doubts
from MedAssistLib.segment.finish import finished, voxel_ml
from MedAssistLib.segment.options import SegmentOptions
from MedAssistLib.segment.region import put_back, region_slices

# Options that every model follows; the others are for patch-wise ones.
_FOR_ALL = {"device", "region", "classes", "folds"}

Loader = Callable[[ModelCard, str], "formats.Network | TiledModel | PartedModel"]


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentResult:
    """What a run gave.

    Attributes:
        segmentation: The structures, exactly on the scan's grid.
        probabilities: Of each output, axes (output, k, j, i), if asked for; outputs in the order
            of the model's, with the background first unless the structures may overlap.
        device: Where the network ran.
        backend: The program that ran it, if the model is patch-wise.
        steps: What was done because memory did not suffice, in order.
        seconds: How long each stage took, by name.
        findings: What speaks against trusting it, for other reasons than what it shows.
    """

    segmentation: Segmentation
    probabilities: npt.NDArray[np.float32] | None = None
    device: str = "cpu"
    backend: str = ""
    steps: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class _Answer:
    labels: npt.NDArray[np.integer]
    probabilities: npt.NDArray[np.float32] | None = None
    backend: str = ""
    steps: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)


def segment(
    scan: Scan,
    card: ModelCard,
    options: SegmentOptions | None = None,
    progress: Progress | None = None,
) -> Segmentation:
    """Segment a scan with a model of one channel; see :func:`segment_in_detail`."""
    return segment_in_detail([scan], card, options, progress).segmentation


def segment_in_detail(
    scans: Sequence[Scan],
    card: ModelCard,
    options: SegmentOptions | None = None,
    progress: Progress | None = None,
    load: Loader | None = None,
) -> SegmentResult:
    """Segment a scan with a model.

    Args:
        scans: One for each channel of the model, on one grid, in any orientation.
        card: The model.
        options: How to run it.
        progress: Told how far it is.
        load: What loads the model, if not :func:`MedAssistLib.models.formats.load`: a cache.

    Returns:
        The structures, exactly on the first scan's grid, and how the run went.

    Raises:
        ModelError: If torch or the weights are missing, or the scans do not fit the model.
        InputError: If the scans do not share a grid, or the region lies outside.
        ResourceError: If memory or the device does not suffice.
        UsageError: If a class or fold is not one of the model's.
        CancelledError: If the user asked to stop.
    """
    options = options or SegmentOptions()
    progress = progress or Progress()
    began = time.perf_counter()
    _check(scans, card)
    image = scans[0].image
    slices = None if options.region is None else region_slices(image, options.region)
    card = formats.suited(card, image if slices is None else image[slices])
    _check_options(card, options)
    segments = _wanted(card, options.classes)
    device = device_of(options.device)
    progress.part("Loading the model", 0.0, 0.1).update(0.0)
    needed = formats.narrowed(_with_folds(card, options.folds), {s.label for s in segments})
    model = (load or formats.load)(needed, device)
    seconds = {"model": time.perf_counter() - began}
    parts = scans if slices is None else [replace(s, image=s.image[slices]) for s in scans]
    part = progress.part("Segmenting", 0.1, 0.9)
    answer = _run(parts, card, model, options, device, part)
    finishing = progress.part("Finishing", 0.9, 1.0)
    finishing.update(0.0)
    labels = finished(answer.labels, segments, card.postprocessing, voxel_ml(image))
    probabilities = answer.probabilities
    if slices is not None:
        labels = put_back(labels, slices, image)
        probabilities = None if probabilities is None else put_back(probabilities, slices, image)
    finishing.update(1.0)
    made_by = f"model {card.name} ({card.version})" if card.version else f"model {card.name}"
    return SegmentResult(
        segmentation=Segmentation(
            labels=geometry.from_array(labels, image), segments=segments, made_by=made_by
        ),
        probabilities=probabilities,
        device=device,
        backend=answer.backend,
        steps=answer.steps,
        seconds={**seconds, **answer.seconds},
        findings=tuple(finding for scan in scans for finding in doubts(scan, card)),
    )


def _run(  # noqa: PLR0913, PLR0917
    scans: Sequence[Scan],
    card: ModelCard,
    model: formats.Network | TiledModel | PartedModel,
    options: SegmentOptions,
    device: str,
    progress: Progress,
) -> _Answer:
    if not isinstance(model, (TiledModel, PartedModel)):
        from MedAssistLib.segment.whole import run_whole

        return _Answer(labels=run_whole(scans[0], card, model, progress))
    from MedAssistLib.segment.engine import TiledOptions, run_tiled

    how = TiledOptions(
        device=device,
        step=options.step,
        mirror=options.mirror,
        reduced=options.reduced,
        max_memory=options.max_memory,
        probabilities=options.probabilities,
        backend=options.backend,
    )
    if isinstance(model, LocatedModel):
        from MedAssistLib.segment.located import run_located

        result = run_located(scans, model, how, progress)
    elif isinstance(model, PartedModel):
        from MedAssistLib.segment.parts import run_parts

        result = run_parts(scans, model, how, progress)
    else:
        result = run_tiled(scans, _oriented(model, options.orientation), how, progress)
    return _Answer(
        labels=result.labels,
        probabilities=result.probabilities,
        backend=result.backend,
        steps=result.steps,
        seconds=result.seconds,
    )


def _oriented(model: TiledModel, orientation: str) -> TiledModel:
    """Return the model with its orientation filled in, if it does not say one."""
    if not orientation or model.plan.orientation:
        return model
    previous = model.previous and _oriented(model.previous, orientation)
    return replace(model, plan=replace(model.plan, orientation=orientation), previous=previous)


def _check(scans: Sequence[Scan], card: ModelCard) -> None:
    if len(scans) != len(card.channels):
        names = ", ".join(card.channels)
        what = f"the model {card.name} wants {len(card.channels)} scans ({names}), not {len(scans)}"
        raise ModelError(what, hint="Give one scan for each, in this order")
    for scan in scans:
        if scan.modality and card.modality and scan.modality != card.modality:
            what = f"is {scan.modality}, but the model {card.name} is for {card.modality}"
            raise ModelError(what, where=scan.source or scan.name, hint="Choose another model")


def _check_options(card: ModelCard, options: SegmentOptions) -> None:
    """Refuse options that the model cannot follow."""
    if formats.is_tiled(card) or formats.is_parted(card):
        if options.orientation and card.orientation not in ("", options.orientation):
            what = f"the model {card.name} says itself that its data were {card.orientation}"
            raise UsageError(what, hint="Leave --orientation away")
        return
    others = [option for option in fields(options) if option.name not in _FOR_ALL]
    given = [o.name for o in others if getattr(options, o.name) != o.default]
    if given:
        what = f"the model {card.name} sees the whole scan at once and has no {', '.join(given)}"
        raise UsageError(what, hint="Leave these options away")


def _wanted(card: ModelCard, names: tuple[str, ...]) -> tuple[Segment, ...]:
    known = {_words(entry.name): entry for entry in card.segments}
    unknown = [name for name in names if _words(name) not in known]
    if unknown:
        what = f"the model {card.name} has no {', '.join(unknown)}"
        hint = f"It has: {', '.join(entry.name for entry in card.segments)}"
        raise UsageError(what, hint=hint)
    # Somebody may name a structure twice.
    return tuple({_words(name): known[_words(name)] for name in names}.values()) or card.segments


def _words(name: str) -> tuple[str, ...]:
    """Return the words in any order, so that "kidney_left" is the "Left kidney"."""
    return tuple(sorted(re.findall(r"[^\W_]+", name.casefold())))


def _with_folds(card: ModelCard, folds: tuple[str, ...]) -> ModelCard:
    """Return the card with some members of the ensemble only."""
    if not folds:
        return card
    # A model in parts has folds of each, such as "organs: fold 0".
    parts = {role.rpartition("fold ")[0]: None for role in card.weights}
    needed = [f"{part}fold {fold}" for part in parts for fold in folds]
    unknown = [role for role in needed if role not in card.weights]
    if unknown:
        what = f"the model {card.name} has no {', '.join(unknown)}"
        raise UsageError(what, hint=f"It has: {', '.join(card.weights)}")
    kept = {role: file for role, file in card.weights.items() if role in needed}
    return replace(card, weights=kept)
