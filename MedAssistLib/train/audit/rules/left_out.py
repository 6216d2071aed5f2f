"""Files that are in no case: what the reading of the set said of them."""

from __future__ import annotations

from collections.abc import Iterator

from MedAssistLib.train.audit.rule import Flag, Known, Rule


def _check(known: Known) -> Iterator[Flag]:
    for finding in known.dataset.findings:
        yield Flag(finding=finding)


RULE = Rule(name="dataset.left-out", check=_check)
