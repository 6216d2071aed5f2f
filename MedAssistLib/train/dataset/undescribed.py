"""Training sets that need no description: what it would say is found in the label files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from MedAssistLib.case import Finding, Segment
from MedAssistLib.errors import InputError
from MedAssistLib.models.modality import modality_of
from MedAssistLib.progress import Progress
from MedAssistLib.read import read_segmentation
from MedAssistLib.train.dataset.cases import LabelledCase, Structures, TrainingSet
from MedAssistLib.train.dataset.description import (
    about,
    channels_of,
    read_description,
    structures_by_value,
    structures_of,
    understanding,
)
from MedAssistLib.train.dataset.folder import require_cases
from MedAssistLib.train.dataset.threads import in_threads


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What a layout knows of a training set without reading a label.

    Attributes:
        source: The folder, or the file that lists the cases.
        description: A JSON file like nnU-Net's dataset.json, which may be there or not.
        cases: The cases.
        channels: What the channels are called if the description does not say.
        findings: What was left out.
    """

    source: Path
    description: Path
    cases: tuple[LabelledCase, ...]
    channels: tuple[str, ...]
    findings: tuple[Finding, ...]


def completed(draft: Draft, progress: Progress) -> TrainingSet:
    """Return a training set, with structures from the label files if nothing describes them.

    Args:
        draft: What is known.
        progress: Told how many label files are read.

    Raises:
        InputError: If there is no case, the description makes no sense, or the label files show no
            structure.
        CancelledError: If the user asked to stop.
    """
    source = draft.source
    require_cases(draft.cases, source, draft.findings)
    fields = read_description(draft.description) if draft.description.is_file() else {}
    with understanding(draft.description):
        named = "channel_names" in fields
        channels = channels_of(fields["channel_names"]) if named else draft.channels
        structures = structures_of(fields) if "labels" in fields else None
    if structures is None:
        segments = in_threads(_segments, [case.label for case in draft.cases], progress)
        with understanding(source):
            structures = _structures(segments)
    return TrainingSet(
        **about(fields, source),
        channels=channels,
        modality=modality_of(channels),
        structures=structures,
        cases=draft.cases,
        folder=source if source.is_dir() else source.parent,
        findings=draft.findings,
    )


def _structures(files: Sequence[Sequence[Segment]]) -> Structures:
    """Return the structures of label files; those with names may number them as they like."""
    everything = [segment for segments in files for segment in segments]
    names = {segment.label: segment.name for segment in everything}
    values = {segment.name: segment.label for segment in everything}
    if all(names[s.label] == s.name and values[s.name] == s.label for s in everything):
        return structures_by_value(names)
    return structures_by_value(dict(enumerate(sorted(values), 1)))


def _segments(label: Path) -> tuple[Segment, ...]:
    """Return the structures of a label file; none if it cannot be read, which the audit says."""
    try:
        return read_segmentation(label).segments
    except InputError:
        return ()
