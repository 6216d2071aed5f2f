"""Repairs: what the labels would be without a finding, where there is a safe answer.

Nothing here changes labels. :func:`repair_of` returns what would change, in a block of voxels, and
whoever asked writes it, once a person has agreed.
"""

from __future__ import annotations

from types import MappingProxyType

from MedAssistLib.check.repair.change import Change, Kind
from MedAssistLib.check.repair.labels import Labels
from MedAssistLib.check.repair.model import take_all_of_model, take_model
from MedAssistLib.check.repair.parts import fill_hole, remove_island
from MedAssistLib.check.repair.slices import draw_missing, redraw_copies, trim_spike
from MedAssistLib.check.repair.target import Maker, Target
from MedAssistLib.check.rule import Place

__all__ = ["Change", "Kind", "Labels", "repair_of"]

_MAKERS: MappingProxyType[str, Maker] = MappingProxyType(
    {
        "geometry.islands": remove_island,
        "geometry.holes": fill_hole,
        "geometry.gaps": draw_missing,
        "geometry.copies": redraw_copies,
        "geometry.spikes": trim_spike,
        "opinion.whole": take_all_of_model,
    }
)
# Where names are in doubt, or the size of the person's organ, another outline is no answer.
_BY_MODEL = ("geometry.", "intensity.", "opinion.", "shape.")
_NOT_BY_MODEL = "opinion.names"


def repair_of(
    rule: str,
    place: Place,
    drawn: Labels,
    others: tuple[Labels, ...] = (),
    model: Labels | None = None,
) -> Change | None:
    """Return what would repair a finding.

    Only the structure of ``drawn`` gains or loses voxels; it gains none that another structure
    has, in its own label map or in another.

    Args:
        rule: Name of the rule that found it.
        place: Where: a point on it and its box, LPS mm.
        drawn: The finding's structure.
        others: Further label maps of the same drawing, whatever their grids.
        model: The same structure as a second reader drew it, for findings that have no repair of
            their own.

    Returns:
        The repair; ``None`` if there is none, or the labels are no longer what they were when the
        finding was made.
    """
    target = Target(drawn=drawn, place=place, others=others, model=model)
    by_model = rule.startswith(_BY_MODEL) and rule != _NOT_BY_MODEL
    for make in (_MAKERS.get(rule), take_model if by_model else None):
        change = make(target) if make else None
        if change is not None and (change.added or change.removed):
            return change
    return None
