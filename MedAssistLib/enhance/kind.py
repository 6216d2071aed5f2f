"""What a filter is: a name, a sentence of help, typed options with units and ranges, a function."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import SimpleITK as sitk

from MedAssistLib.errors import UsageError
from MedAssistLib.progress import Progress


@dataclass(frozen=True)
class FilterKind:
    """A filter.

    Attributes:
        name: Its name in chains, ``group.filter``.
        help: One sentence: what it does and when to use it.
        options: Dataclass of its options, each made by :func:`option`.
        apply: Called with a 3-D float32 image, the options and a progress; returns a new float32
            image on the same grid.
    """

    name: str
    help: str
    options: type[Any]
    apply: Callable[[sitk.Image, Any, Progress], sitk.Image]


def option(default: float, *, least: float, most: float, unit: str, help: str) -> Any:  # noqa: A002
    """Return a dataclass field for an option with a range; ``unit`` is UCUM, ``"1"`` for none."""
    return dataclasses.field(
        default=default, metadata={"least": least, "most": most, "unit": unit, "help": help}
    )


class Options:
    """Base of the filters' options: refuses values out of range."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value, least, most = getattr(self, field.name), *_range(field)
            if not least <= value <= most:
                what = f"{field.name}={value:g} is out of range"
                raise UsageError(what, hint=f"Give a value from {least:g} to {most:g}")


def _range(field: dataclasses.Field[Any]) -> tuple[float, float]:
    return field.metadata["least"], field.metadata["most"]
