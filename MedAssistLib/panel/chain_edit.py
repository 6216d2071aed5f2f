"""Editing a chain of filters, as texts that the parameter node keeps."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from MedAssistLib.enhance import Step, make_step, parse_step
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import File, domain
from MedAssistLib.errors import UsageError


def steps_of(texts: Sequence[str]) -> list[Step]:
    """Return the steps of a chain; what this version does not know is left out."""
    steps = []
    for text in texts:
        try:
            steps.append(parse_step(text))
        except UsageError:
            continue
    return steps


def added(
    texts: Sequence[str], kind: FilterKind, given: Mapping[str, Any], modality: str
) -> list[str]:
    """Return a chain with a filter at its end; options not given are those for the modality."""
    return [*texts, str(make_step(kind.name, given, modality))]


def files_of(kind: FilterKind) -> list[str]:
    """Return the options of a filter that must be given: the names of its files."""
    return [name for name, known in kind.options.domains().items() if isinstance(known, File)]


def unusual(step: Step) -> dict[str, str]:
    """Return the options of a step, as texts, that are not those it has by itself."""
    usual = {
        field.name: domain(field).text(field.default)
        for field in dataclasses.fields(step.kind.options)
    }
    return {name: text for name, text in step.options.texts().items() if usual[name] != text}


def removed(texts: Sequence[str], place: int) -> list[str]:
    """Return a chain without the step at a place."""
    return [text for number, text in enumerate(texts) if number != place]


def moved(texts: Sequence[str], place: int, by: int) -> list[str]:
    """Return a chain with the step at a place moved towards the end, or the start if negative."""
    steps = list(texts)
    steps.insert(min(max(place + by, 0), len(steps) - 1), steps.pop(place))
    return steps


def with_option(texts: Sequence[str], place: int, name: str, value: Any) -> list[str]:
    """Return a chain with one option changed.

    Raises:
        UsageError: If the value is not possible.
    """
    step = parse_step(texts[place])
    changed = make_step(step.kind.name, {**vars(step.options), name: value})
    return [*texts[:place], str(changed), *texts[place + 1 :]]
