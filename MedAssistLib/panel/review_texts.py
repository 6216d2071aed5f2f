"""What the list of findings says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from MedAssistLib.panel.review import ACCEPTED, DISMISSED, Entry
from MedAssistLib.panel.text import tr as _

if TYPE_CHECKING:
    from MedAssistLib.panel.check_repair import Repair


def cells(entry: Entry) -> tuple[str, str, str]:
    """Return a finding's row: severity, structure, and the sentence with its answer's mark."""
    answered = {ACCEPTED: "✓ ", DISMISSED: "✗ "}.get(entry["state"], "")
    return (
        severity_names()[entry["severity"]],
        str(entry["structure"]),
        f"{answered}{entry['title']}",
    )


def details(entry: Entry) -> str:
    """Return why a finding is one, and the numbers behind it."""
    lines = [entry["explanation"]]
    lines += [
        _("{quantity}: {measured} (expected {expected})").format(
            quantity=found["quantity"],
            measured=f"{found['measured']:.4g} {_unit(found['unit'])}".strip(),
            expected=found["expected"],
        )
        for found in entry["evidence"]
    ]
    return "\n".join(filter(None, lines))


def repair_text(repair: Repair) -> str:
    """Return what a repair will do, before it does so."""
    what = {
        "island": _("removes the island"),
        "hole": _("fills the hole"),
        "gap": _("draws the missing slices between those on both sides"),
        "copy": _("draws the copied slices anew, between those on both sides"),
        "spike": _("takes off what sticks out of the slice"),
        "model": _("takes the second reader's drawing within the box"),
        "whole": _("takes the second reader's drawing of the whole structure"),
    }[repair.change.kind]
    parts = [
        text.format(n=count, mm3=f"{count * repair.voxel_mm3:.0f}")
        for text, count in (
            (_("{n} voxels ({mm3} mm³) are added"), repair.change.added),
            (_("{n} voxels ({mm3} mm³) are removed"), repair.change.removed),
        )
        if count
    ]
    return _("Fix it {what}: {parts}.").format(what=what, parts=", ".join(parts))


def severity_names() -> dict[str, str]:
    """Return what the severities are called."""
    return {"urgent": _("Urgent"), "review": _("Review"), "info": _("Info")}


def state_names() -> dict[str, str]:
    """Return what the answers are called."""
    return {"open": _("Open"), "accepted": _("Accepted"), "dismissed": _("Dismissed")}


def _unit(code: str) -> str:
    """Return a UCUM unit as people write it."""
    return {"1": "", "mm3": "mm³", "mm2": "mm²", "cm3": "cm³"}.get(code, code)
