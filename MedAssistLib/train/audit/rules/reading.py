"""What was odd when an image was read: voxels that are not numbers, a place that is not known."""

from __future__ import annotations

from collections.abc import Iterator

from MedAssistLib.train.audit.rule import Flag, Known, Rule


def _check(known: Known) -> Iterator[Flag]:
    for facts in known.readable:
        for note in {note.rule: note for note in facts.notes}.values():
            yield Flag(finding=note, cases=(facts.case.name,))


RULE = Rule(
    name="dataset.reading",
    check=_check,
    shared="{count} of {all} cases were odd to read; of the first was said: {first}",
)
