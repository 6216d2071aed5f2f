"""The tables of a report: each number under its heading, and where it lies in its range."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from MedAssistLib.case import Case, Evidence, Finding, Measurement, Scan, Segmentation, Severity
from MedAssistLib.export.report_ranges import Bar, ReferenceRange, bar_of, ranges_in
from MedAssistLib.export.report_tables import methods, number, plain, tables
from Testing.report_cases import made_case


def one(structure: str, quantity: str, value: float, unit: str = "mm") -> Measurement:
    return Measurement(
        structure=structure, quantity=quantity, value=value, unit=unit, method=f"m {quantity[:3]}"
    )


def test_tables_put_each_number_under_its_heading(small_scan: Scan) -> None:
    measured = [
        one("Liver", "intensity standard deviation", 12.5, "[hnsf'U]"),
        one("Liver", "volume", 1523.37, "mL"),
        one("Spleen", "volume", 0.21234, "mL"),
        one("Spleen", "mean intensity", -45.678, "[hnsf'U]"),
        one("Liver", "centroid P", -0.04),
        one("Liver", "centroid L", -12.26),
        one("Liver", "box S minimum", 3.0),
        one("Liver", "box S maximum", 99.96),
        one("Liver", "Dice", 0.91, "1"),
    ]
    sizes, places, others = tables(Case(scan=small_scan, measurements=tuple(measured)))
    assert sizes.headings == (("Volume", "mL"), ("Mean intensity", "HU"), ("SD of intensity", "HU"))
    assert [row.cells for row in sizes.rows] == [("1523", "–", "12.50"), ("0.212", "−45.68", "–")]
    assert [row.structure for row in places.rows] == ["Liver"]
    assert places.rows[0].cells == ("−12.3", "0.0", "–", "–", "–", "3.0 to 100.0")
    assert others.rows[0].cells == ("Dice", "0.910", "")


def test_a_structure_measured_twice_has_two_lines(small_scan: Scan) -> None:
    """The second opinion's volume must not silently replace the first."""
    measured = (one("Liver", "volume", 1.0, "mL"), one("Liver", "volume", 2.0, "mL"))
    (sizes,) = tables(Case(scan=small_scan, measurements=measured))
    assert [row.cells for row in sizes.rows] == [("1.000",), ("2.000",)]


def test_another_unit_than_the_columns_is_said(small_scan: Scan) -> None:
    measured = (one("A", "volume", 1.5, "mL"), one("B", "volume", 20.0, "mm3"))
    (sizes,) = tables(Case(scan=small_scan, measurements=measured))
    assert [row.cells for row in sizes.rows] == [("1.500",), ("20.00 mm³",)]


def test_swatches_have_the_colour_of_the_segment(
    small_scan: Scan, small_segmentation: Segmentation
) -> None:
    case = made_case(small_scan, small_segmentation)
    rows = {row.structure: row.colour for row in tables(case)[0].rows}
    assert rows["Liver"] == (221, 130, 101)


def test_methods_are_told_once() -> None:
    measured = [one("A", "volume", 1), one("B", "volume", 1)]
    measured += [one("A", f"centroid {axis}", 1) for axis in "LPS"]
    assert methods(measured) == [("Volume", "m vol"), ("Centroid", "m cen")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1234.56, "1235"),
        (123.456, "123.5"),
        (-1.23456, "−1.235"),
        (0.00049, "0.000490"),
        (1e7, "10000000"),
        (math.nan, "–"),
        (math.inf, "–"),
    ],
)
def test_numbers_are_as_exact_as_they_are_worth(value: float, text: str) -> None:
    assert number(value) == text


def usual(structure: str, low: float, high: float, **changes: str) -> ReferenceRange:
    made = ReferenceRange(
        structure=structure, quantity="volume", low=low, high=high, unit="mL", source="Kim 2021"
    )
    return replace(made, **changes)


def test_a_number_stands_beside_its_range(small_scan: Scan) -> None:
    """And a structure without one, or measured in another unit, beside none."""
    measured = (
        one("Liver", "volume", 2000.0, "mL"),
        one("Liver", "surface area", 9.0, "cm2"),
        one("Spleen", "volume", 200.0, "mL"),
        one("Aorta", "volume", 200.0, "mm3"),
        one("Colon", "volume", math.nan, "mL"),
    )
    ranges = [usual("Liver", 800.0, 1700.0), usual("Aorta", 1.0, 2.0), usual("Colon", 1.0, 2.0)]
    (sizes,) = tables(Case(scan=small_scan, measurements=measured), ranges)
    assert [name for name, _ in sizes.headings] == ["Volume", "Usual volume", "Surface"]
    cells = {row.structure: row.cells for row in sizes.rows}
    assert cells["Liver"] == ("2000", Bar(800.0, 1700.0, 2000.0), "9.000")
    assert [cells[name][1] for name in ("Spleen", "Aorta", "Colon")] == ["–"] * 3
    (without,) = tables(Case(scan=small_scan, measurements=measured))
    assert [name for name, _ in without.headings] == ["Volume", "Surface"]


@pytest.mark.parametrize(
    ("value", "word", "place", "beyond"),
    [
        (100.0, "within", 40.0, 0),
        (150.0, "within", 60.0, 0),
        (200.0, "within", 80.0, 0),
        (75.0, "below", 30.0, 0),
        (210.0, "above", 84.0, 0),
        (-9e9, "below", 5.0, -1),
        (9e9, "above", 115.0, 1),
    ],
)
def test_a_bar_shows_where_the_value_lies(
    value: float, word: str, place: float, beyond: int
) -> None:
    bar = Bar(100.0, 200.0, value)
    assert (bar.word, bar.place, bar.beyond) == (word, place, beyond)


@pytest.mark.parametrize(
    ("expected", "bar"),
    [
        ("1100 to 1900", (1100.0, 1900.0)),
        ("-1010 to -990.5", (-1010.0, -990.5)),
        ("\N{MINUS SIGN}5 to 1e3", (-5.0, 1000.0)),
        ("at most 3", None),
        ("1 to 3 pieces", None),
        ("5 to 5", None),
        ("", None),
    ],
)
def test_a_bar_is_only_drawn_for_what_is_a_range(
    expected: str, bar: tuple[float, float] | None
) -> None:
    found = bar_of(Evidence(quantity="x", measured=1.0, expected=expected, unit="1"))
    assert (found and (found.low, found.high)) == bar


def test_the_ranges_of_findings_are_drawn_in_the_table_too() -> None:
    evidence = Evidence(quantity="volume", measured=5.0, expected="1 to 2", unit="mL")
    about = Finding(rule="r", severity=Severity.INFO, title="t", evidence=(evidence,))
    found = list(ranges_in([about, replace(about, structure="Liver")]))
    assert found == [usual("Liver", 1.0, 2.0, source="")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"),
        (81.1, "81.1"),
        (0.25, "0.25"),
        (1200.0, "1200"),
        (-990.0, "−990"),
        (math.nan, "–"),
    ],
)
def test_plain_numbers_have_no_zeros_at_the_end(value: float, text: str) -> None:
    assert plain(value) == text
