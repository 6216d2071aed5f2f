"""Reference ranges: what a structure usually measures, by sex and age, with the source.

A file holds ``{"ranges": [...]}``; an entry says of what it is (``structure``, its name, and
``code``, SNOMED CT, if it has one; ``side``, ``"left"``, ``"right"`` or ``"both"`` for the sum of
both), the ``quantity`` and its UCUM ``unit``, for whom (``sex``, ``"F"`` or ``"M"``, ``age``, the
first and the last year, ``null`` where it is open), and what is usual: ``mean`` and ``sd``, or
``percentiles``, or ``values`` (everybody's, as of a cohort of one's own), or ``limits`` (what is
possible). ``population`` and ``source`` tell a person where it comes from.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from MedAssistLib.case import Segment
from MedAssistLib.check.body import side
from MedAssistLib.check.options import SEXES
from MedAssistLib.errors import InputError

SHIPPED = Path(__file__).with_name("reference_ranges.json")
"""The ranges that come with MedAssist."""

SIDES = ("", "left", "right", "both")
VOLUME, INTENSITY = "volume", "median intensity"

_UNITS = {VOLUME: ("mL", "mm3"), INTENSITY: ("[hnsf'U]",)}
_LEAST_VALUES = 10
# Median absolute deviation of a normal distribution over its standard deviation.
_MEDIAN_DEVIATION = 0.6745
_HINT = "See the reference ranges that come with MedAssist for an example"


@dataclass(frozen=True, kw_only=True)
class Range:
    """What a structure usually measures.

    Attributes:
        structure: What it is called.
        code: SNOMED CT code of the structure; empty to go by its name.
        side: ``"left"``, ``"right"``, ``"both"`` for the sum, or empty.
        quantity: What is measured.
        unit: UCUM unit of the limits and knots.
        sex: ``"F"`` or ``"M"``; empty for both.
        youngest: First year of age.
        oldest: Last year of age.
        limits: Least and greatest possible value; ``None`` if the knots say what is usual.
        knots: Pairs of a value and its z-score, both rising, at least two.
        population: Who was measured, and how.
        source: Where it was published.
    """

    structure: str
    code: str
    side: str
    quantity: str
    unit: str
    sex: str
    youngest: float
    oldest: float
    limits: tuple[float, float] | None
    knots: tuple[tuple[float, float], ...]
    population: str
    source: str

    def fits(self, sex: str, age: float | None) -> bool:
        """Tell whether it is for a person; what is not known of the person does not count."""
        return (not sex or self.sex in ("", sex)) and (
            age is None or self.youngest <= age < self.oldest + 1.0
        )

    def is_about(self, segment: Segment) -> bool:
        """Tell whether it is about a segment's structure, on whichever side."""
        if self.code:
            # Neither a part, such as an anterior one, nor something in it, such as a cyst.
            part = segment.modifier is not None and not side(segment)
            return segment.type.value == self.code and segment.region is None and not part
        return segment.name.casefold() == self.structure.casefold()

    def z_score(self, value: float) -> float:
        """Return how many standard deviations a value above 0 lies from the middle.

        Sizes spread by factors: between the knots and beyond them the z-score is linear in the
        logarithm of the value.
        """
        logs, scores = (np.array(part) for part in zip(*self.knots, strict=True))
        logs = np.log(logs)
        at = math.log(value)
        start = int(np.clip(np.searchsorted(logs, at) - 1, 0, len(logs) - 2))
        slope = (scores[start + 1] - scores[start]) / (logs[start + 1] - logs[start])
        return float(scores[start] + slope * (at - logs[start]))

    def usual(self, deviations: float = 1.96) -> tuple[float, float]:
        """Return the values that many standard deviations below and above the middle."""
        if self.limits is not None:
            return self.limits
        scores = [score for _, score in self.knots]
        logs = [math.log(value) for value, _ in self.knots]
        low, high = (_extended(wanted, scores, logs) for wanted in (-deviations, deviations))
        return math.exp(low), math.exp(high)


def _extended(at: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """Interpolate linearly; beyond the ends go on as between the last two."""
    start = int(np.clip(np.searchsorted(xs, at) - 1, 0, len(xs) - 2))
    slope = (ys[start + 1] - ys[start]) / (xs[start + 1] - xs[start])
    return ys[start] + slope * (at - xs[start])


@cache
def read_ranges(path: Path) -> tuple[Range, ...]:
    """Read a file of reference ranges.

    Raises:
        InputError: If it cannot be read, or an entry makes no sense.
    """
    try:
        entries = list(json.loads(path.read_text(encoding="utf-8"))["ranges"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"is not a file of reference ranges ({error})"
        raise InputError(what, where=path, hint=_HINT) from error
    return tuple(_read(entry, number, path) for number, entry in enumerate(entries, start=1))


def _read(entry: Any, number: int, path: Path) -> Range:
    try:
        return _range(entry)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        missing = f"has no {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"entry {number}: {missing}", where=path, hint=_HINT) from error


def _range(entry: Mapping[str, Any]) -> Range:
    quantity, unit = str(entry["quantity"]), str(entry["unit"])
    if unit not in _UNITS.get(quantity, ()):
        known = "; ".join(f"{name} in {' or '.join(units)}" for name, units in _UNITS.items())
        raise ValueError(f"{quantity} in {unit} is not known: {known}")
    side, sex = str(entry.get("side", "")), str(entry.get("sex", ""))
    if side not in SIDES or sex not in ("", *SEXES):
        raise ValueError(f'the side "{side}" or the sex "{sex}" is not known')
    first, last = entry.get("age") or (None, None)
    limits, knots = _limits(entry), () if "limits" in entry else _knots(entry)
    return Range(
        structure=str(entry["structure"]),
        code=str(entry.get("code", "")),
        side=side,
        quantity=quantity,
        unit=unit,
        sex=sex,
        youngest=0.0 if first is None else float(first),
        oldest=math.inf if last is None else float(last),
        limits=limits,
        knots=knots,
        population=str(entry.get("population", "")),
        source=str(entry["source"]),
    )


def _limits(entry: Mapping[str, Any]) -> tuple[float, float] | None:
    if "limits" not in entry:
        return None
    low, high = (float(value) for value in entry["limits"])
    if not low < high:
        raise ValueError(f"the limits {low:g} and {high:g} are not in order")
    return low, high


def _knots(entry: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    if "values" in entry:
        knots = _from_values([float(value) for value in entry["values"]])
    elif "percentiles" in entry:
        knots = sorted(
            (float(value), NormalDist().inv_cdf(float(percent) / 100.0))
            for percent, value in entry["percentiles"].items()
        )
    else:
        knots = _from_mean(float(entry["mean"]), float(entry["sd"]))
    values, scores = zip(*knots, strict=True)
    rising = all(a < b for part in (values, scores) for a, b in itertools.pairwise(part))
    if len(knots) < 2 or values[0] <= 0.0 or not rising or not np.isfinite(values).all():
        raise ValueError("what is usual must be two or more rising numbers above 0")
    return tuple(knots)


def _from_mean(mean: float, deviation: float) -> list[tuple[float, float]]:
    """Return knots one deviation below and above the middle of the log-normal of these moments."""
    if mean <= 0.0 or deviation <= 0.0:
        raise ValueError(f"the mean {mean:g} and the sd {deviation:g} must be above 0")
    variance = math.log1p((deviation / mean) ** 2)
    middle, spread = math.log(mean) - variance / 2.0, math.sqrt(variance)
    return [(math.exp(middle + score * spread), score) for score in (-1.0, 1.0)]


def _from_values(values: Sequence[float]) -> list[tuple[float, float]]:
    """Return knots around the median of a cohort, by its median absolute deviation."""
    if len(values) < _LEAST_VALUES or min(values) <= 0.0:
        raise ValueError(f"values must be {_LEAST_VALUES} or more numbers above 0")
    logs = np.log(values)
    middle = float(np.median(logs))
    spread = float(np.median(np.abs(logs - middle))) / _MEDIAN_DEVIATION
    return [(math.exp(middle + score * spread), score) for score in (-1.0, 1.0)]
