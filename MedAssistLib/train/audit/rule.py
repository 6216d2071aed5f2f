"""What a rule of the audit is, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from MedAssistLib.case import Finding
from MedAssistLib.train.dataset.cases import TrainingSet
from MedAssistLib.train.facts import CaseFacts


@dataclass(frozen=True, kw_only=True)
class Flag:
    """A finding and the cases that it is about.

    Attributes:
        finding: What was found.
        cases: Names of the cases; none if it is about the set as a whole.
        refuses: Whether nothing can be learned from these cases as they are.
        together: Whether the cases show the same, so that they must not lie in two folds.
    """

    finding: Finding
    cases: tuple[str, ...] = ()
    refuses: bool = False
    together: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """What the rules look at.

    Attributes:
        dataset: The training set.
        facts: The facts on each of its cases.
        folds: Names of the cases that each fold holds out; empty if there is no split yet.
    """

    dataset: TrainingSet
    facts: tuple[CaseFacts, ...]
    folds: tuple[tuple[str, ...], ...] = ()

    @cached_property
    def readable(self) -> tuple[CaseFacts, ...]:
        """The facts on cases that can be read."""
        return tuple(facts for facts in self.facts if not facts.problem)

    @cached_property
    def fitting(self) -> tuple[CaseFacts, ...]:
        """The facts on cases whose labels are on the grid of their images."""
        return tuple(facts for facts in self.readable if facts.fits)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One thing that the audit looks for.

    Attributes:
        name: Its name, as in the findings.
        check: Looks for it.
        shared: What is said once, instead of once a case, when many cases have it: a sentence with
            places for ``{count}``, ``{all}`` and what is said of the ``{first}``. Empty if each is
            told.
    """

    name: str
    check: Callable[[Known], Iterable[Flag]]
    shared: str = ""
