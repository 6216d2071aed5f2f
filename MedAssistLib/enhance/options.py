"""Options of filters: typed, with units, ranges and defaults by modality; read from text.

Each field of a filter's options dataclass is made by :func:`option`, :func:`choice`,
:func:`switch` or :func:`file`, and carries a :class:`Domain`, which says what values it takes.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from MedAssistLib.errors import UsageError

AUTO = "auto"

# An annotation of UCUM: the unit of the scan's own values, which for CT is HU.
INTENSITY = "{intensity}"


@dataclass(frozen=True, kw_only=True)
class Domain:
    """What values an option takes.

    Attributes:
        help: What it does, without a full stop.
        unit: UCUM; ``"1"`` for none, :data:`INTENSITY` for the unit of the scan's values.
        by_modality: Default values by DICOM modality, where they differ from the field's own.
        auto: What ``None``, written ``auto``, means; empty when the option must have a value.
    """

    kind: ClassVar[str]
    help: str
    unit: str = "1"
    by_modality: Mapping[str, Any] = field(default_factory=dict)
    auto: str = ""

    def parse(self, text: str) -> Any:
        """Return the value that a text means.

        Raises:
            ValueError: If it means none; its message ends a sentence that begins "name=text is".
        """
        return text

    def check(self, value: Any) -> str:
        """Return what is wrong with a value as the end of a sentence; empty when it is good."""
        del value
        return ""

    def text(self, value: Any) -> str:
        """Return a value as :meth:`parse` reads it."""
        return AUTO if value is None else str(value)

    def limits(self) -> str:
        """Return in words which values are possible."""
        return ""

    def hint(self, wrong: Any) -> str:
        """Return in words what to give in place of a wrong value."""
        del wrong
        return f"Give {self.limits()}"


@dataclass(frozen=True, kw_only=True)
class Number(Domain):
    """A number from ``least`` to ``most``; whole or not."""

    kind: ClassVar[str] = "number"
    least: float
    most: float
    whole: bool = False

    def parse(self, text: str) -> Any:
        """Read a number."""
        try:
            return int(text) if self.whole else float(text)
        except ValueError as error:
            raise ValueError(f"not {self._noun}") from error

    def check(self, value: Any) -> str:
        """Refuse what is no number, not whole though it should be, or out of range."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"not {self._noun}"
        if self.whole and value != math.floor(value):
            return f"not {self._noun}"
        return "" if self.least <= value <= self.most else "out of range"

    def text(self, value: Any) -> str:
        """Write a number as short as it can be read back."""
        return AUTO if value is None else repr(value).removesuffix(".0")

    def limits(self) -> str:
        """Return the range."""
        return f"a value from {self.least:g} to {self.most:g}"

    @property
    def _noun(self) -> str:
        return "a whole number" if self.whole else "a number"


@dataclass(frozen=True, kw_only=True)
class Choice(Domain):
    """One of some names."""

    kind: ClassVar[str] = "choice"
    names: tuple[str, ...]

    def check(self, value: Any) -> str:
        """Refuse a name that is none of them."""
        return "" if value in self.names else "not possible"

    def limits(self) -> str:
        """List the names."""
        return "one of " + ", ".join(self.names)

    def hint(self, wrong: Any) -> str:
        """Return the nearest name, and all of them."""
        return nearest(str(wrong), self.names) + super().hint(wrong)


@dataclass(frozen=True, kw_only=True)
class Switch(Domain):
    """Yes or no."""

    kind: ClassVar[str] = "switch"

    def parse(self, text: str) -> Any:
        """Read yes or no in their usual spellings."""
        known = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
        if text.lower() not in known:
            raise ValueError("neither yes nor no")
        return known[text.lower()]

    def check(self, value: Any) -> str:
        """Refuse what is not a truth value."""
        return "" if isinstance(value, bool) else "neither yes nor no"

    def text(self, value: Any) -> str:
        """Write yes or no."""
        return "yes" if value else "no"

    def limits(self) -> str:
        """Say the two."""
        return "yes or no"


@dataclass(frozen=True, kw_only=True)
class File(Domain):
    """The path of a file; it is opened only when the filter runs."""

    kind: ClassVar[str] = "file"

    def check(self, value: Any) -> str:
        """Refuse an empty path."""
        return "" if isinstance(value, str) and value else "missing"

    def limits(self) -> str:
        """Say that it is a path."""
        return "the path of a file"


def option(  # noqa: PLR0913 - each is a fact about the option
    default: float | None,
    *,
    least: float,
    most: float,
    unit: str,
    help: str,  # noqa: A002
    by_modality: Mapping[str, float | None] | None = None,
    auto: str = "",
    whole: bool | None = None,
) -> Any:
    """Return a dataclass field for a number; whole if its default is an ``int``."""
    whole = isinstance(default, int) if whole is None else whole
    domain = Number(
        least=least,
        most=most,
        unit=unit,
        help=help,
        by_modality=by_modality or {},
        auto=auto,
        whole=whole,
    )
    return _field(default, domain)


def choice(
    default: str,
    *names: str,
    help: str,  # noqa: A002
    by_modality: Mapping[str, str] | None = None,
) -> Any:
    """Return a dataclass field for one of some names."""
    return _field(default, Choice(names=names, help=help, by_modality=by_modality or {}))


def switch(
    default: bool,
    *,
    help: str,  # noqa: A002
    by_modality: Mapping[str, bool] | None = None,
) -> Any:
    """Return a dataclass field for yes or no."""
    return _field(default, Switch(help=help, by_modality=by_modality or {}))


def file(*, help: str) -> Any:  # noqa: A002
    """Return a dataclass field for a file that must be given."""
    return _field("", File(help=help))


def domain(entry: dataclasses.Field[Any]) -> Domain:
    """Return what values the field of an options dataclass takes."""
    found: Domain = entry.metadata["domain"]
    return found


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of the filters' options: refuses values that are not possible."""

    def __post_init__(self) -> None:
        for name, known in self.domains().items():
            value = getattr(self, name)
            if value is None and known.auto:
                continue
            wrong = known.check(value)
            if wrong:
                raise UsageError(f"{name}={_shown(value)} is {wrong}", hint=known.hint(value))

    @classmethod
    def domains(cls) -> dict[str, Domain]:
        """Return what values each option takes, by name, in order."""
        return {f.name: domain(f) for f in dataclasses.fields(cls)}

    @classmethod
    def make(cls, given: Mapping[str, Any], modality: str = "") -> Self:
        """Return options from those that are given; the others get the modality's default.

        Args:
            given: Values by name; texts are read as on the command line.
            modality: DICOM modality of the scan.

        Raises:
            UsageError: If there is no such option, or a value is not possible.
        """
        domains = cls.domains()
        values = {
            name: known.by_modality[modality]
            for name, known in domains.items()
            if modality in known.by_modality
        }
        for name, value in given.items():
            if name not in domains:
                raise unknown("option", name, tuple(domains))
            values[name] = _read(name, value, domains[name])
        return cls(**values)

    def texts(self) -> dict[str, str]:
        """Return all options as :meth:`make` reads them."""
        return {name: known.text(getattr(self, name)) for name, known in self.domains().items()}


def unknown(what: str, name: str, known: Sequence[str]) -> UsageError:
    """Return the error for a name that does not exist; its hint has the nearest one that does."""
    hint = f"{nearest(name, known)}Known: {', '.join(known) or 'none'}"
    return UsageError(f'there is no {what} "{name}"', hint=hint)


def nearest(name: str, known: Sequence[str]) -> str:
    """Return a question with the nearest known name and a blank; empty if none is near."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f'Did you mean "{near[0]}"? ' if near else ""


def _read(name: str, value: Any, known: Domain) -> Any:
    if not isinstance(value, str):
        return value
    if value == AUTO and known.auto:
        return None
    try:
        return known.parse(value)
    except ValueError as error:
        raise UsageError(f"{name}={value} is {error}", hint=known.hint(value)) from error


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _field(default: Any, known: Domain) -> Any:
    return dataclasses.field(default=default, metadata={"domain": known})
