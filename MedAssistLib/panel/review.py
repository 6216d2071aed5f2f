"""Going through findings: which are listed, in which order, which one is at hand, and the answers.

A finding is the entry of a findings file (see :mod:`MedAssistLib.check.findings_file`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SEVERITIES = ("urgent", "review", "info")
OPEN, ACCEPTED, DISMISSED = STATES = ("open", "accepted", "dismissed")
SORT_KEYS = ("severity", "structure", "title")
FILTERS = ("severity", "structure", "state")

Entry = dict[str, Any]


@dataclass
class Review:
    """Findings and how far they were gone through.

    Attributes:
        entries: All findings, the most important first.
        wanted: What a listed finding must have, by the name of the field; empty for anything.
        sort_by: The field that the list is sorted by; empty for the most important first.
        backwards: Whether it is sorted the other way round.
        at: Place in :attr:`entries` of the finding at hand; ``None`` for none.
    """

    entries: list[Entry] = field(default_factory=list)
    wanted: dict[str, str] = field(default_factory=dict)
    sort_by: str = ""
    backwards: bool = False
    at: int | None = None

    @property
    def current(self) -> Entry | None:
        """The finding at hand."""
        return None if self.at is None else self.entries[self.at]

    @property
    def structures(self) -> list[str]:
        """The structures that findings are about, in the order of the alphabet."""
        return sorted({entry["structure"] for entry in self.entries} - {""}, key=str.lower)

    @property
    def left(self) -> int:
        """How many have no answer."""
        return sum(entry["state"] == OPEN for entry in self.entries)

    def rows(self) -> list[int]:
        """Return the places of the listed findings in :attr:`entries`, as they are listed."""
        listed = [
            place
            for place, entry in enumerate(self.entries)
            if all(entry[name] == value for name, value in self.wanted.items() if value)
        ]
        if self.sort_by:
            listed.sort(key=lambda place: _key(self.entries[place], self.sort_by))
        return listed[::-1] if self.backwards else listed

    def take(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Take other findings, with none at hand."""
        self.entries, self.at = [dict(entry) for entry in entries], None

    def sort(self, name: str) -> None:
        """Sort by a field; once more, the other way round; a third time, as they came."""
        if self.sort_by != name:
            self.sort_by, self.backwards = name, False
        elif not self.backwards:
            self.backwards = True
        else:
            self.sort_by, self.backwards = "", False

    def step(self, by: int) -> None:
        """Go on by 1 or back by -1 in the list; nothing comes after its ends."""
        rows = self.rows()
        if not rows:
            return
        if self.at not in rows:
            self.at = rows[0 if by > 0 else -1]
            return
        self.at = rows[min(max(rows.index(self.at) + by, 0), len(rows) - 1)]

    def answer(self, state: str) -> None:
        """Answer the finding at hand and go on to the next open one; the same twice opens it."""
        if self.current is None or self.at is None:
            return
        if self.current["state"] == state:
            self.current["state"] = OPEN
            return
        rows = self.rows()
        place = rows.index(self.at) if self.at in rows else 0
        self.current["state"] = state
        after = [*rows[place + 1 :], *rows[:place]]
        open_ones = [row for row in after if self.entries[row]["state"] == OPEN]
        if open_ones:
            self.at = open_ones[0]
        elif self.at not in self.rows():
            self.at = None


def with_later_answers(
    found: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]
) -> list[Entry]:
    """Give findings the answers that the same ones have by now: some came during the check."""
    given = {entry["id"]: entry for entry in now}
    answers = ("state", "comment")
    return [
        {**entry, **{name: given[entry["id"]][name] for name in answers}}
        if entry["id"] in given
        else dict(entry)
        for entry in found
    ]


def _key(entry: Entry, name: str) -> Any:
    return SEVERITIES.index(entry[name]) if name == "severity" else str(entry[name]).lower()
