"""Chains of filters: how they are written, which are the default, and running them."""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass, replace
from typing import Any

import SimpleITK as sitk

from MedAssistLib.case import Scan
from MedAssistLib.enhance.filters import filter_kinds
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.errors import UsageError
from MedAssistLib.progress import Progress

_DEFAULTS = {"MR": ("bias.n4", "denoise.curvature")}
_DEFAULT = ("denoise.curvature",)


@dataclass(frozen=True)
class Step:
    """A filter with its options."""

    kind: FilterKind
    options: Any

    def __str__(self) -> str:
        given = ",".join(f"{k}={v:g}" for k, v in dataclasses.asdict(self.options).items())
        return f"{self.kind.name}:{given}"


def parse_step(text: str) -> Step:
    """Read a step from ``name`` or ``name:option=value,option=value``.

    Raises:
        UsageError: If there is no such filter or option, or a value is not possible.
    """
    name, _, rest = text.partition(":")
    kinds = filter_kinds()
    if name not in kinds:
        raise _unknown("filter", name, list(kinds))
    fields = {field.name: field for field in dataclasses.fields(kinds[name].options)}
    values = {}
    for pair in filter(None, rest.split(",")):
        key, _, value = pair.partition("=")
        if key not in fields:
            raise _unknown(f"option of {name}", key, list(fields))
        values[key] = _number(name, key, value, whole=isinstance(fields[key].default, int))
    try:
        return Step(kinds[name], kinds[name].options(**values))
    except UsageError as error:
        raise UsageError(error.what, where=name, hint=error.hint) from error


def default_chain(modality: str) -> tuple[Step, ...]:
    """Return the chain that suits a modality: for MR also N4."""
    return tuple(parse_step(name) for name in _DEFAULTS.get(modality, _DEFAULT))


def enhance(
    scan: Scan, chain: tuple[Step, ...] | None = None, progress: Progress | None = None
) -> Scan:
    """Run a chain of filters on a scan.

    Args:
        scan: The scan; it is not changed.
        chain: The filters in their order; ``None`` for the default of the scan's modality.
        progress: Told how far it is.

    Returns:
        A new scan on the same grid, float32, which remembers the chain.

    Raises:
        CancelledError: If the user asked to stop.
    """
    progress = progress or Progress()
    steps = default_chain(scan.modality) if chain is None else chain
    image = sitk.Cast(scan.image, sitk.sitkFloat32)
    for number, step in enumerate(steps):
        stage = f"Enhancing ({step.kind.name})"
        part = progress.part(stage, number / len(steps), (number + 1) / len(steps))
        part.update(0.0)
        image = step.kind.apply(image, step.options, part)
    image.CopyInformation(scan.image)
    done = (*scan.enhancement, *(str(step) for step in steps))
    return replace(scan, image=image, name=f"{scan.name} enhanced", enhancement=done)


def _number(name: str, key: str, value: str, *, whole: bool) -> float:
    try:
        return int(value) if whole else float(value)
    except ValueError as error:
        kind = "a whole number" if whole else "a number"
        raise UsageError(f"{key}={value} is not {kind}", where=name) from error


def _unknown(what: str, name: str, known: list[str]) -> UsageError:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    guess = f'Did you mean "{near[0]}"? ' if near else ""
    return UsageError(f'there is no {what} "{name}"', hint=f"{guess}Known: {', '.join(known)}")
