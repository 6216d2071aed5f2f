"""A structure that is too large or too small for a person of this sex and age."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.body import side
from MedAssistLib.check.context import Context
from MedAssistLib.check.options import CheckOptions
from MedAssistLib.check.ranges import SHIPPED, VOLUME, Range, read_ranges
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.structure import Structure
from MedAssistLib.check.thresholds import Threshold
from MedAssistLib.check.words import plain

_NAME = "volume.reference"
_MM3 = {"mL": 1000.0, "mm3": 1.0}
_PEOPLE = {"F": "woman", "M": "man", "": "person"}


def _measure(context: Context) -> Iterator[Sign]:
    options = context.options
    own = read_ranges(options.reference_ranges) if options.reference_ranges else ()
    judged: set[str] = set()
    # One's own ranges stand in place of the shipped ones.
    for ranges in (own, read_ranges(SHIPPED)):
        for fitting in _by_structure(ranges, options):
            parts = _parts(fitting[0], context.structures)
            names = {part.name for part in parts}
            # What the scan cuts off has no volume to compare.
            if not parts or names & judged or any(part.cut for part in parts):
                continue
            judged |= names
            yield _sign(parts, fitting, options)


def _by_structure(ranges: Iterable[Range], options: CheckOptions) -> list[list[Range]]:
    """Return the ranges of volumes that fit the person, those of one structure together."""
    found: dict[tuple[str, str], list[Range]] = defaultdict(list)
    for entry in ranges:
        if entry.quantity == VOLUME and entry.fits(options.sex, options.age):
            found[entry.code or entry.structure, entry.side].append(entry)
    return list(found.values())


def _parts(entry: Range, structures: Iterable[Structure]) -> list[Structure]:
    """Return the structures whose volumes an entry is about; none unless all of them are there."""
    named = [found for found in structures if entry.is_about(found.segment)]
    sides = sorted(side(found.segment) for found in named)
    if entry.side == "both":
        return named if sides in (["left", "right"], [""]) else []
    here = [found for found in named if side(found.segment) == entry.side]
    return here if len(here) == 1 else []


def _sign(parts: list[Structure], ranges: list[Range], options: CheckOptions) -> Sign:
    """Compare a volume with the range that it fits best: people differ more than one table says."""
    volume = sum(part.volume for part in parts)
    scores = [(abs(entry.z_score(volume / _MM3[entry.unit])), entry) for entry in ranges]
    score, nearest = min(scores, key=lambda pair: pair[0])
    low, high = (value * _MM3[nearest.unit] / 1000.0 for value in nearest.usual())
    millilitres = volume / 1000.0
    size = "large" if millilitres > high else "small" if millilitres < low else "sized"
    name = " and ".join(part.name for part in parts)
    known = options.age is not None or all(entry.youngest <= 0.0 for entry in ranges)
    return Sign(
        rule=_NAME,
        kind="z",
        structure=parts[0].name,
        score=score,
        severity=Severity.REVIEW if known else Severity.INFO,
        title=f"{name}: {plain(millilitres)} mL is unusually {size} for {_whom(options, known)}; "
        f"usual are {plain(low)} to {plain(high)} mL.",
        explanation=f"It lies {score:.1f} standard deviations from the middle of the nearest "
        f"reference group: {nearest.population or 'not described'} ({nearest.source}).",
        place=parts[0].whole,
        evidence=(
            Evidence(
                quantity="volume", measured=millilitres, expected=f"{plain(low)} to {plain(high)}",
                unit="mL",
            ),
            Evidence(quantity="z-score", measured=score, expected="below 3.3", unit="1"),
        ),
    )  # fmt: skip


def _whom(options: CheckOptions, known: bool) -> str:
    person = _PEOPLE[options.sex]
    if options.age is not None:
        return f"a {person} of {options.age:.0f} years"
    return f"a {person}" if known else f"an adult {person}"


RULE = Rule(
    name=_NAME,
    looks_for="A structure that is too large or too small for a person of this sex and age.",
    advice="Look whether the structure is drawn whole and without its neighbours; if it is, the "
    "size may be a finding of the person.",
    needs=frozenset({Need.SEGMENTATION}),
    thresholds={
        "z": Threshold(
            value=3.29, unit="1", source="1 of 1000 of a normal distribution lies beyond it"
        )
    },
    measure=_measure,
)
