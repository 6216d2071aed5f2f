"""Structures that touch a side of the image, where they may be cut off."""

from __future__ import annotations

from collections.abc import Iterator

from MedAssistLib.case import Evidence, Finding, Severity
from MedAssistLib.train.audit.rule import Flag, Known, Rule
from MedAssistLib.train.dataset.folder import named
from MedAssistLib.train.dataset.shapes import StructureFacts

_NAME = "dataset.border"
_SIDES = {"L": "left", "R": "right", "A": "front", "P": "back", "S": "top", "I": "bottom"}


def _check(known: Known) -> Iterator[Flag]:
    names = known.dataset.structures.names
    for facts in known.fitting:
        touching = {
            name: structure
            for name, structure in zip(names, facts.structures, strict=True)
            if structure.faces
        }
        if touching:
            yield Flag(finding=_finding(touching), cases=(facts.case.name,))


def _finding(touching: dict[str, StructureFacts]) -> Finding:
    voxels = {name: sum(structure.faces.values()) for name, structure in touching.items()}
    sides = {side for structure in touching.values() for side in structure.faces}
    words = " and ".join(word for side, word in _SIDES.items() if side in sides)
    most = max(voxels, key=lambda name: voxels[name])
    return Finding(
        rule=_NAME,
        severity=Severity.REVIEW,
        structure=most if len(touching) == 1 else "",
        title=f"{named(touching)} touch{'es' * (len(touching) == 1)} the {words} of the image.",
        explanation="What is cut off there has not the shape and volume of the whole.",
        point=touching[most].contact,
        evidence=(
            Evidence(
                quantity="voxels on the sides",
                measured=sum(voxels.values()),
                expected="0",
                unit="1",
            ),
        ),
    )


RULE = Rule(
    name=_NAME,
    check=_check,
    shared="In {count} of {all} cases structures touch the side of the image, as they do in crops.",
)
