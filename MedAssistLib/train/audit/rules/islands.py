"""Islands: more connected parts of a structure than nearly all other cases have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from MedAssistLib.case import Evidence, Finding, Severity
from MedAssistLib.train.audit.rule import Flag, Known, Rule
from MedAssistLib.train.dataset.shapes import StructureFacts

_NAME = "dataset.islands"
_MOST = 0.75
_FEWEST_CASES = 4
_SMALL = 0.01


def _check(known: Known) -> Iterator[Flag]:
    for number, name in enumerate(known.dataset.structures.names):
        usual = _usual([facts.structures[number] for facts in known.fitting])
        for facts in known.fitting:
            if usual and len(facts.structures[number].parts) > usual:
                finding = _finding(name, facts.structures[number], usual)
                yield Flag(finding=finding, cases=(facts.case.name,))


def _usual(structures: list[StructureFacts]) -> int:
    """Return the number of parts that most cases have; 0 if there is no such number."""
    counts = Counter(len(structure.parts) for structure in structures if structure.voxels)
    if counts.total() < _FEWEST_CASES:
        return 0
    parts, cases = counts.most_common(1)[0]
    return parts if cases >= _MOST * counts.total() else 0


def _finding(name: str, structure: StructureFacts, usual: int) -> Finding:
    extra = structure.parts[usual:]
    share = sum(extra) / structure.voxels
    count = f"{len(extra)} islands" if len(extra) > 1 else "an island"
    return Finding(
        rule=_NAME,
        severity=Severity.INFO if share < _SMALL else Severity.REVIEW,
        structure=name,
        title=f"{name} has {count} of {sum(extra)} voxels ({share:.2g} of it).",
        explanation=f"In most cases it has {usual} connected part{'s' * (usual > 1)}. Voxels that "
        "were painted by mistake are learned, too.",
        point=structure.places[usual] if usual < len(structure.places) else None,
        evidence=(
            Evidence(
                quantity="connected parts",
                measured=len(structure.parts),
                expected=str(usual),
                unit="1",
            ),
        ),
    )


RULE = Rule(name=_NAME, check=_check)
