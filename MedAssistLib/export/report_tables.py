"""The numbers of a case as tables for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from MedAssistLib.case import Case, Measurement
from MedAssistLib.export.report_ranges import Bar, ReferenceRange

_CENTROID = tuple(f"centroid {axis}" for axis in "LPS")
_BOX = tuple((f"box {axis} minimum", f"box {axis} maximum") for axis in "LPS")
_PLACES = frozenset({*_CENTROID, *(name for pair in _BOX for name in pair)})
_SIZES = {
    "volume": "Volume",
    "surface area": "Surface",
    "mean intensity": "Mean intensity",
    "intensity standard deviation": "SD of intensity",
}
# UCUM (ucum.org) as people write it.
_UNITS = {"1": "", "cm2": "cm²", "mm2": "mm²", "mm3": "mm³", "[hnsf'U]": "HU"}
_NO_NUMBER = "–"

Colour = tuple[int, int, int]
Ranges = Mapping[tuple[str, str, str], ReferenceRange]


@dataclass(frozen=True)
class Row:
    """One line of a table: a structure, its colour if it is known, and texts or bars."""

    structure: str
    colour: Colour | None
    cells: tuple[str | Bar, ...]


@dataclass(frozen=True)
class _Group:
    """What was measured of one structure, by quantity."""

    structure: str
    measured: dict[str, Measurement]

    def text(self, quantity: str, expected_unit: str) -> str:
        """Return a number, with its unit where that is not the one of the column."""
        measurement = self.measured.get(quantity)
        if measurement is None:
            return _NO_NUMBER
        text = number(measurement.value)
        same = measurement.unit == expected_unit
        return text if same else f"{text} {unit(measurement.unit)}"

    def bar(self, quantity: str, ranges: Ranges) -> Bar | str:
        """Return where a number lies in the range that fits it."""
        measurement = self.measured.get(quantity)
        if measurement is None or not math.isfinite(measurement.value):
            return _NO_NUMBER
        usual = ranges.get((self.structure, quantity, measurement.unit))
        return Bar(usual.low, usual.high, measurement.value) if usual else _NO_NUMBER

    def millimetres(self, quantity: str) -> str:
        """Return a place to a tenth of a millimetre."""
        measurement = self.measured.get(quantity)
        if measurement is None or not math.isfinite(measurement.value):
            return _NO_NUMBER
        return _minus(f"{round(measurement.value, 1) + 0.0:.1f}")

    def span(self, low: str, high: str) -> str:
        """Return from where to where a box reaches."""
        ends = self.millimetres(low), self.millimetres(high)
        return _NO_NUMBER if _NO_NUMBER in ends else " to ".join(ends)


@dataclass(frozen=True)
class Table:
    """A table of structures.

    Attributes:
        caption: What it shows.
        headings: Names of the columns after the first, each with its unit.
        rows: One line a structure.
        texts: Whether the cells are words, which stand on the left, and not numbers.
    """

    caption: str
    headings: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    texts: bool = False


def tables(case: Case, ranges: Iterable[ReferenceRange] = ()) -> list[Table]:
    """Return the measurements of a case: sizes and intensities, places, and whatever else.

    Args:
        case: The case.
        ranges: What structures usually measure; drawn beside the sizes and intensities.
    """
    groups = _groups(case.measurements)
    colours = {s.name: s.colour for made in case.segmentations for s in made.segments}
    usual = {(entry.structure, entry.quantity, entry.unit): entry for entry in ranges}
    found = (_sizes(groups, colours, usual), _places(groups, colours), _others(groups, colours))
    return [table for table in found if table.rows]


def methods(measurements: Iterable[Measurement]) -> list[tuple[str, str]]:
    """Return how it was measured, as pairs of the quantities and their common method."""
    by_method: dict[str, dict[str, None]] = {}
    for measurement in measurements:
        # One word for the parts of a place: "centroid" for "centroid L" and the others.
        quantity = measurement.quantity
        name = quantity.split()[0] if quantity in _PLACES else quantity
        if measurement.method:
            by_method.setdefault(measurement.method, {})[name] = None
    return [(sentence(", ".join(names)), method) for method, names in by_method.items()]


def sentence(text: str) -> str:
    """Return a text that begins with a capital; the rest stays as it is."""
    return text[:1].upper() + text[1:]


def _groups(measurements: Iterable[Measurement]) -> list[_Group]:
    """Put together what was measured of one structure.

    A structure that was measured twice, in two segmentations, gets two groups.
    """
    groups: list[_Group] = []
    latest: dict[str, _Group] = {}
    for measurement in measurements:
        group = latest.get(measurement.structure)
        if group is None or measurement.quantity in group.measured:
            group = latest[measurement.structure] = _Group(measurement.structure, {})
            groups.append(group)
        group.measured[measurement.quantity] = measurement
    return groups


def _sizes(groups: list[_Group], colours: Mapping[str, Colour], ranges: Ranges) -> Table:
    units = {name: m.unit for g in reversed(groups) for name, m in g.measured.items()}
    columns = [name for name in _SIZES if name in units]
    barred = {name for name in columns if any(isinstance(g.bar(name, ranges), Bar) for g in groups)}
    headings: list[tuple[str, str]] = []
    for name in columns:
        headings.append((_SIZES[name], unit(units[name])))
        if name in barred:
            headings.append((f"Usual {name}", ""))
    rows = []
    for group in groups:
        if group.measured.keys().isdisjoint(columns):
            continue
        cells: list[str | Bar] = []
        for name in columns:
            cells.append(group.text(name, units[name]))
            if name in barred:
                cells.append(group.bar(name, ranges))
        rows.append(Row(group.structure, colours.get(group.structure), tuple(cells)))
    return Table("Volume, surface and intensity", tuple(headings), tuple(rows))


def _places(groups: list[_Group], colours: Mapping[str, Colour]) -> Table:
    rows = [
        Row(
            g.structure,
            colours.get(g.structure),
            (*(g.millimetres(name) for name in _CENTROID), *(g.span(*pair) for pair in _BOX)),
        )
        for g in groups
        if not g.measured.keys().isdisjoint(_PLACES)
    ]
    headings = [(f"Centroid {axis}", "mm") for axis in "LPS"]
    headings += [(f"Box {axis}", "mm") for axis in "LPS"]
    caption = "Place: millimetres towards the patient's left (L), posterior (P) and superior (S)"
    return Table(caption, tuple(headings), tuple(rows))


def _others(groups: list[_Group], colours: Mapping[str, Colour]) -> Table:
    rows = [
        Row(g.structure, colours.get(g.structure), (name, number(m.value), unit(m.unit)))
        for g in groups
        for name, m in g.measured.items()
        if name not in _SIZES and name not in _PLACES
    ]
    headings = (("Quantity", ""), ("Value", ""), ("Unit", ""))
    return Table("More measurements", headings, tuple(rows), texts=True)


def number(value: float) -> str:
    """Return four significant digits, three below 1 and at most six decimals; a dash for NaN."""
    if not math.isfinite(value):
        return _NO_NUMBER
    if value == 0.0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    decimals = 3 - size if size >= 0 else min(2 - size, 6)
    return _minus(f"{value:.{max(decimals, 0)}f}")


def plain(value: float) -> str:
    """Return a number as :func:`number` does, without zeros at the end."""
    text = number(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def unit(ucum: str) -> str:
    """Return a UCUM unit as people write it."""
    return _UNITS.get(ucum, ucum)


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
