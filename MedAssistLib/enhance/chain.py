"""Chains of filters: how they are written, which are the default, and running them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import SimpleITK as sitk

from MedAssistLib.case import Scan
from MedAssistLib.enhance.filters import filter_kinds
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options, unknown
from MedAssistLib.enhance.voxels import with_numbers
from MedAssistLib.errors import UsageError
from MedAssistLib.progress import Progress

_DEFAULTS = {"MR": ("bias.n4", "denoise.curvature")}
_DEFAULT = ("denoise.curvature",)


@dataclass(frozen=True)
class Step:
    """A filter with its options."""

    kind: FilterKind
    options: Options

    def __str__(self) -> str:
        given = ",".join(f"{name}={text}" for name, text in self.options.texts().items())
        return f"{self.kind.name}:{given}" if given else self.kind.name


Chain = tuple[Step, ...]


def make_step(name: str, options: Mapping[str, Any], modality: str = "") -> Step:
    """Return a filter with options; those that are not given get the modality's default.

    Args:
        name: Name of the filter.
        options: Values by name; texts are read as on the command line.
        modality: DICOM modality of the scan.

    Raises:
        UsageError: If there is no such filter or option, or a value is not possible.
    """
    kinds = filter_kinds()
    if name not in kinds:
        raise unknown("filter", name, tuple(kinds))
    try:
        return Step(kinds[name], kinds[name].options.make(options, modality))
    except UsageError as error:
        raise UsageError(error.what, where=name, hint=error.hint) from error


def parse_step(text: str, modality: str = "") -> Step:
    """Read a step from ``name`` or ``name:option=value,option=value``.

    Raises:
        UsageError: As :func:`make_step`, or if an option is written twice or has no value.
    """
    name, _, rest = text.partition(":")
    options: dict[str, str] = {}
    for pair in filter(None, rest.split(",")):
        option, is_given, value = pair.partition("=")
        if not is_given:
            raise UsageError(f"{option} has no value", where=name, hint=f"Write {option}=VALUE")
        if option in options:
            raise UsageError(f"{option} is given twice", where=name, hint="Give it once")
        options[option] = value
    return make_step(name, options, modality)


def without_unit(enhancement: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the filters after which values have lost their unit, such as HU.

    Args:
        enhancement: What was done to a scan, as :attr:`~MedAssistLib.case.Scan.enhancement` says.
    """
    kinds = filter_kinds()
    names = dict.fromkeys(text.partition(":")[0] for text in enhancement)
    return tuple(name for name in names if name in kinds and not kinds[name].keeps_unit)


def default_chain(modality: str) -> Chain:
    """Return the chain that suits a modality: for MR also N4."""
    return tuple(parse_step(name, modality) for name in _DEFAULTS.get(modality, _DEFAULT))


def enhance(
    scan: Scan, chain: Sequence[Step] | None = None, progress: Progress | None = None
) -> Scan:
    """Run a chain of filters on a scan.

    Args:
        scan: The scan; it is not changed. Where it holds no number, its least value is taken.
        chain: The filters in their order; ``None`` for the default of the scan's modality.
        progress: Told how far it is.

    Returns:
        A new scan, float32, which remembers the chain; on the same grid, unless a filter of the
        group ``geometry`` made another.

    Raises:
        CancelledError: If the user asked to stop.
        UsageError: If the options do not fit the scan.
    """
    progress = progress or Progress()
    steps = default_chain(scan.modality) if chain is None else chain
    image = with_numbers(sitk.Cast(scan.image, sitk.sitkFloat32))
    for number, step in enumerate(steps):
        stage = f"Enhancing ({step.kind.name})"
        part = progress.part(stage, number / len(steps), (number + 1) / len(steps))
        part.update(0.0)
        image = step.kind.apply(image, step.options, part)
        part.update(1.0)
    if all(step.kind.keeps_grid for step in steps):
        image.CopyInformation(scan.image)
    done = (*scan.enhancement, *(str(step) for step in steps))
    return replace(scan, image=image, name=f"{scan.name} enhanced", enhancement=done)
