"""What a training tells while it goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from MedAssistLib.case import Severity
from MedAssistLib.train.audit import Audit
from MedAssistLib.train.checkpoint import Epoch
from MedAssistLib.train.dataset.folder import named
from MedAssistLib.train.validate import Preview

_MOST_FINDINGS = 5
_WORDS = {Severity.URGENT: "urgent", Severity.REVIEW: "to review", Severity.INFO: "to know"}


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a training tells while it goes on.

    Attributes:
        fold: The network, from 0.
        folds: Number of networks.
        structures: Names of the structures, in the order of an epoch's Dice.
        epoch: What its last epoch came to; ``None`` for a message.
        earlier: The epochs before, told once when a training goes on.
        preview: What it makes of a case held out, if the epoch ended with a look at it.
        message: What else there is to tell, in one line.
    """

    fold: int = 0
    folds: int = 1
    structures: tuple[str, ...] = ()
    epoch: Epoch | None = None
    earlier: tuple[Epoch, ...] = ()
    preview: Preview | None = None
    message: str = ""


def findings_told(audit: Audit, table: Path) -> Iterator[str]:
    """Give the most important findings of an audit in a line each, and where all of them are.

    Args:
        audit: The audit.
        table: Where it lies as a table.
    """
    grave = [flag for flag in audit.flags if flag.finding.severity is not Severity.INFO]
    for flag in grave[:_MOST_FINDINGS]:
        title = flag.finding.title
        told = not flag.cases or flag.cases[0] in title
        yield title if told else f"{named(flag.cases)}: {title}"
    counts = Counter(flag.finding.severity for flag in audit.flags)
    if counts:
        each = ", ".join(f"{counts[kind]} {word}" for kind, word in _WORDS.items() if counts[kind])
        yield f"the data: {each}; see {table}"
    if out := audit.refused:
        yield f"{len(out)} of {len(audit.cases)} cases are left out: {named(out)}"
