"""Cases that show the same: equal voxels, nearly equal images, or equal labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from MedAssistLib.case import Evidence, Finding, Severity
from MedAssistLib.train.audit.rule import Flag, Known, Rule
from MedAssistLib.train.dataset.folder import named
from MedAssistLib.train.facts import CaseFacts

_NAME = "dataset.duplicates"
# On 60 hippocampi, copies that were smoothed, made noisy or rescaled have 0.97 and more, also
# without what all have in common, and other people's 0.58 at most.
_ALIKE = 0.95


def _check(known: Known) -> Iterator[Flag]:
    for same in _equal((facts.images_hash, facts) for facts in known.readable):
        differ = len({facts.labels_hash for facts in same}) > 1
        yield _flag(same, "have the same image voxels" + " but other labels" * differ, 1.0)
    labelled = (facts for facts in known.readable if any(s.voxels for s in facts.structures))
    for same in _equal((facts.labels_hash, facts) for facts in labelled):
        if len({facts.images_hash for facts in same}) == len(same):
            yield _flag(same, "have the same labels on different images", 1.0)
    yield from _alike(known.readable)


def _equal(hashed: Iterable[tuple[str, CaseFacts]]) -> Iterator[list[CaseFacts]]:
    groups: dict[str, list[CaseFacts]] = defaultdict(list)
    for key, facts in hashed:
        groups[key].append(facts)
    return (group for group in groups.values() if len(group) > 1)


def _alike(cases: tuple[CaseFacts, ...]) -> Iterator[Flag]:
    """Find groups of images that are not equal but nearly so, such as a smoothed copy."""
    distinct = list(
        {facts.images_hash: facts for facts in cases if facts.look is not None}.values()
    )
    if len(distinct) < 3:
        return
    looks = np.array([facts.look for facts in distinct])
    likeness = np.minimum(_correlations(looks), _correlations(looks - looks.mean(axis=0)))
    near = np.argwhere(np.triu(likeness > _ALIKE, 1))
    size = len(distinct)
    graph = coo_array((np.ones(len(near)), (near[:, 0], near[:, 1])), shape=(size, size))
    _, groups = connected_components(graph, directed=False)
    for group in np.unique(groups[near[:, 0]]):
        members = np.flatnonzero(groups == group)
        least = float(min(likeness[a, b] for a, b in near if groups[a] == group))
        yield _flag([distinct[n] for n in members], "have images that are nearly the same", least)


def _correlations(looks: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    lengths = np.linalg.norm(looks, axis=1, keepdims=True)
    unit = looks / np.maximum(lengths, np.finfo(np.float32).tiny)
    table: npt.NDArray[np.float32] = unit @ unit.T
    return table


def _flag(cases: list[CaseFacts], what: str, correlation: float) -> Flag:
    names = tuple(facts.case.name for facts in cases)
    finding = Finding(
        rule=_NAME,
        severity=Severity.REVIEW,
        title=f"{named(names)} {what}.",
        explanation="What is learned from one would be tested on the other. They are kept in one "
        "fold; leave one out if it is a copy.",
        evidence=(
            Evidence(
                quantity="correlation", measured=correlation, expected=f"below {_ALIKE}", unit="1"
            ),
        ),
    )
    return Flag(finding=finding, cases=names, together=True)


RULE = Rule(name=_NAME, check=_check)
