"""Which cases each fold of a cross-validation holds out."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from MedAssistLib.errors import InputError, UsageError
from MedAssistLib.files import readable, write_text
from MedAssistLib.train.dataset.cases import LabelledCase

Folds = tuple[tuple[str, ...], ...]

_MOST_BYTES = 100_000_000


def folds(cases: Sequence[LabelledCase], number: int, seed: int) -> Folds:
    """Divide cases into folds of nearly the same size; those of one group are in one fold.

    The same cases and seed give the same folds, in whatever order the cases come.

    Args:
        cases: The cases.
        number: How many folds, at least 2.
        seed: Another one gives other folds.

    Returns:
        The names of the cases that each fold holds out, in alphabetical order.

    Raises:
        UsageError: If there are fewer than two folds, or fewer groups than folds.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        groups[case.group].append(case.name)
    if number < 2:
        raise UsageError(f"{number} folds are none", where="--folds", hint="Give at least 2")
    if len(groups) < number:
        what = f"{number} folds need cases of at least {number} patients; there are {len(groups)}"
        raise UsageError(what, where="--folds", hint="Give fewer folds, or more cases")
    held: list[list[str]] = [[] for _ in range(number)]
    # The largest groups first, so that the small ones even out the folds.
    for group in sorted(groups, key=lambda name: (-len(groups[name]), _shuffled(name, seed))):
        min(held, key=len).extend(groups[group])
    return tuple(tuple(sorted(fold)) for fold in held)


def joined(
    cases: Iterable[LabelledCase], together: Iterable[Iterable[str]]
) -> tuple[LabelledCase, ...]:
    """Return cases with the groups made one of those that show the same.

    Args:
        cases: The cases.
        together: Names of cases that must not lie in two folds, as an audit found them.
    """
    listed = tuple(cases)
    group = {case.name: case.group for case in listed}
    for names in together:
        own = sorted({group[name] for name in names if name in group})
        group = {name: own[0] if mine in own else mine for name, mine in group.items()}
    return tuple(replace(case, group=group[case.name]) for case in listed)


def write_folds(path: Path, held: Folds, names: Iterable[str]) -> None:
    """Write folds as nnU-Net's ``splits_final.json``: lists "train" and "val" for each.

    Args:
        path: The file.
        held: Names of the cases that each fold holds out.
        names: Those of all cases; some may never be held out.

    Raises:
        ResourceError: If the file cannot be written.
    """
    everything = sorted(names)
    entries = [
        {"train": [name for name in everything if name not in set(fold)], "val": list(fold)}
        for fold in held
    ]
    write_text(path, json.dumps(entries, indent=1, ensure_ascii=False) + "\n")


def read_folds(path: Path, cases: Iterable[LabelledCase]) -> Folds:
    """Read folds from a file as nnU-Net's ``splits_final.json``.

    Args:
        path: The file.
        cases: The cases that are to be learned from.

    Returns:
        The names of the cases that each fold holds out.

    Raises:
        InputError: If it is no such file; names a case that is not there; or a fold does not learn
            from all the cases that it does not hold out, or some case is held out twice.
    """
    hint = "It must be a list of folds, each with the lists train and val, as nnU-Net writes it"
    with readable(path) as stream:
        text = stream.read(_MOST_BYTES)
    try:
        entries = [(_names(entry["train"]), _names(entry["val"])) for entry in json.loads(text)]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError("is not a file of folds", where=path, hint=hint) from error
    _check(path, entries, {case.name for case in cases})
    return tuple(val for _, val in entries)


def listed(path: Path) -> set[str]:
    """Return the cases that a file of folds names, to learn from or to hold out.

    Raises:
        InputError: If it is no such file.
    """
    with readable(path) as stream:
        try:
            entries = json.load(stream)
            return {str(name) for entry in entries for name in (*entry["train"], *entry["val"])}
        except (ValueError, TypeError, KeyError) as error:
            hint = "Put it back, or train anew in another folder"
            raise InputError("is not a file of folds", where=path, hint=hint) from error


def _check(
    path: Path, entries: Sequence[tuple[tuple[str, ...], tuple[str, ...]]], known: set[str]
) -> None:
    named = {name for train, val in entries for name in (*train, *val)}
    if unknown := sorted(named - known):
        what = f"names {len(unknown)} cases that are not there, such as {unknown[0]}"
        raise InputError(what, where=path, hint="Give the data set that it was made for")
    for number, (train, val) in enumerate(entries):
        once = Counter((*train, *val))
        if not val or set(once) != known or max(once.values()) > 1:
            what = f"does not name every case once in fold {number}, for training or to hold out"
            raise InputError(what, where=path, hint="Let MedAssist make the folds")
    twice = [name for name, n in Counter(n for _, val in entries for n in val).items() if n > 1]
    if not entries or twice:
        what = f'holds out "{twice[0]}" in two folds' if twice else "has no folds"
        raise InputError(what, where=path, hint="Let MedAssist make the folds")


def _names(entry: Any) -> tuple[str, ...]:
    if not isinstance(entry, list):
        raise TypeError
    return tuple(str(name) for name in entry)


def _shuffled(group: str, seed: int) -> str:
    """Return a key that sorts groups in an order that no version of a generator changes."""
    return hashlib.sha256(f"{seed} {group}".encode()).hexdigest()
