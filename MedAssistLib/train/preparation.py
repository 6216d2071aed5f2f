"""From a data set to everything that a training begins with, kept in the training's folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from MedAssistLib import files
from MedAssistLib.errors import InputError, UsageError
from MedAssistLib.models.card import CARD_NAME
from MedAssistLib.progress import Progress
from MedAssistLib.train.audit import Audit, audit
from MedAssistLib.train.dataset import TrainingSet, read_dataset
from MedAssistLib.train.dataset.description import DESCRIPTION
from MedAssistLib.train.facts import gather
from MedAssistLib.train.fingerprint import (
    Fingerprint,
    content_hash,
    fingerprint,
    read_fingerprint,
    write_fingerprint,
)
from MedAssistLib.train.options import FOLDS, TrainOptions
from MedAssistLib.train.plan import TrainPlan, read_plan
from MedAssistLib.train.planning import plan_of, require_disk
from MedAssistLib.train.sides import is_numbered
from MedAssistLib.train.split import Folds, folds, joined, listed, read_folds, write_folds
from MedAssistLib.train.start import Start, read_start
from MedAssistLib.train.told import findings_told

WORK = "training"
"""Folder within the model's, for what a training needs to go on."""
PLAN = "plan.json"
"""The plan within that folder."""
_SPLITS, _AUDIT, _FINGERPRINT = "splits.json", "audit.csv", "fingerprint.json"
_HASHES = "cases.json"


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a training begins with.

    Attributes:
        dataset: The cases that can be learned from.
        found: The training set in numbers.
        plan: How networks are trained.
        held_out: Names of the cases that each fold holds out.
        hashes: Of a training that goes on: the hash of each case's content when it began.
        audit: What is odd about the data; ``None`` if an earlier run told it.
    """

    dataset: TrainingSet
    found: Fingerprint
    plan: TrainPlan
    held_out: Folds
    hashes: Mapping[str, str] = field(default_factory=dict)
    audit: Audit | None = None


def prepare_training(  # noqa: PLR0913, PLR0917
    source: Path,
    output: Path,
    options: TrainOptions,
    device: str,
    say: Callable[[str], None],
    progress: Progress,
) -> Prepared:
    """Read a data set, look for what is wrong with it, and plan its training.

    Args:
        source: The data set.
        output: The model's folder.
        options: How the training is run; a training that goes on takes plan and folds from the
            folder, and so does a new one the plan if somebody has put one there.
        device: Where networks are trained.
        say: Told in a line each what the audit found.
        progress: Told how far it is.

    Raises:
        InputError: If there is nothing to learn from, or a training that goes on lacks a case.
        UsageError: If the output folder holds a model or another training, or there are more
            networks than folds.
        ModelError: If the model to start from cannot be trained.
        ResourceError: If the output folder cannot be written to.
        CancelledError: If the user asked to stop.
    """
    work = output / WORK
    goes_on = options.resume and (work / _FINGERPRINT).is_file()
    if not goes_on:
        require_free(output)
    if options.resume and not goes_on:
        say(f"there is no training in {output} to go on with: a new one begins")
    dataset = read_dataset(source)
    if goes_on:
        made = _earlier(dataset, work)
        _require_folds(options, made.held_out)
        return made
    _tell_of_names(source, dataset, say)
    return _anew(dataset, work, options, device, say, progress)


def _require_folds(options: TrainOptions, held_out: Folds) -> None:
    """Refuse more networks than there are folds."""
    if options.folds > len(held_out):
        what = f"there are {options.folds} networks, but only {len(held_out)} folds"
        hint = "Give fewer networks, or cases of more patients"
        raise UsageError(what, where="--folds", hint=hint)


def _anew(  # noqa: PLR0913, PLR0917
    dataset: TrainingSet,
    work: Path,
    options: TrainOptions,
    device: str,
    say: Callable[[str], None],
    progress: Progress,
) -> Prepared:
    """Look at the data, and plan."""
    given = read_folds(options.splits, dataset.cases) if options.splits else ()
    facts = gather(dataset, progress)
    # Cases that are never held out are learned from beside each fold, as another one.
    rest = {case.name for case in dataset.cases}.difference(*given)
    looked = audit(dataset, facts, (*given, tuple(rest)) if given else ())
    table = files.make_folder(work) / _AUDIT
    looked.write_csv(table)
    for line in findings_told(looked, table):
        say(line)
    dataset = _usable(dataset, looked, table)
    used = {case.name for case in dataset.cases}
    facts = tuple(each for each in facts if each.case.name in used)
    found = fingerprint(dataset, facts)
    held_out = _kept(given, used, options) if given else _made(dataset, looked, options.seed)
    _require_folds(options, held_out)
    if (work / PLAN).is_file():
        say(f"the plan in {work / PLAN} is used as it is")
    start = _start(options, dataset, say)
    plan = plan_of(dataset, facts, found, work / PLAN, start, device)
    require_disk(work, facts, plan, say)
    write_folds(work / _SPLITS, held_out, used)
    hashes = {each.case.name: content_hash(each) for each in facts}
    files.write_text(work / _HASHES, json.dumps(hashes, indent=1, ensure_ascii=False) + "\n")
    # Last, because it says that all the others are there.
    write_fingerprint(work / _FINGERPRINT, found)
    return Prepared(dataset=dataset, found=found, plan=plan, held_out=held_out, audit=looked)


def _start(options: TrainOptions, dataset: TrainingSet, say: Callable[[str], None]) -> Start | None:
    """Return the model to start from; say which part of it, if it has several."""
    if options.start is None:
        return None
    start = read_start(options.start, dataset.structures.names)
    if start.parts > 1:
        say(f"of {start.parts} networks of the earlier model, it starts from {start.name}")
    return start


def _tell_of_names(source: Path, dataset: TrainingSet, say: Callable[[str], None]) -> None:
    """Say how structures get names, if they have none but their numbers."""
    names = dataset.structures.names
    if all(map(is_numbered, names)):
        where = source.with_suffix(".json") if source.is_file() else source / DESCRIPTION
        example = json.dumps({"labels": {"background": 0, "Liver": 1}})
        say(f"the structures are called {', '.join(names)}: name them in {where}, as {example}")


def _made(dataset: TrainingSet, looked: Audit, seed: int) -> Folds:
    """Return a new split: fewer folds than usual if there are fewer patients."""
    cases = joined(dataset.cases, looked.together)
    patients = len({case.group for case in cases})
    if patients < 2:
        what = "all cases are of one patient or show the same: none can be held out"
        hint = "Add cases of others; if they are others, list them in a CSV with a column patient"
        raise InputError(what, where=dataset.folder, hint=hint)
    return folds(cases, min(FOLDS, patients), seed)


def _kept(given: Folds, used: set[str], options: TrainOptions) -> Folds:
    """Return a split without the cases that are left out."""
    held_out = tuple(tuple(name for name in fold if name in used) for fold in given)
    if not all(held_out) or used <= set(held_out[0]):
        what = "a fold has no usable case, or holds out all of them"
        raise InputError(what, where=options.splits or "", hint="Let MedAssist make the folds")
    return held_out


def _earlier(dataset: TrainingSet, work: Path) -> Prepared:
    """Take up what an earlier run planned."""
    names = listed(work / _SPLITS)
    gone = sorted(names - {case.name for case in dataset.cases})
    if gone:
        what = f"{len(gone)} cases of the training are not there any more, such as {gone[0]}"
        hint = "Put them back, or train anew in another folder"
        raise InputError(what, where=dataset.folder, hint=hint)
    dataset = replace(dataset, cases=tuple(c for c in dataset.cases if c.name in names))
    found = read_fingerprint(work / _FINGERPRINT)
    _require_same(dataset, found)
    return Prepared(
        dataset=dataset,
        found=found,
        plan=read_plan(work / PLAN),
        held_out=read_folds(work / _SPLITS, dataset.cases),
        hashes=_hashes(work / _HASHES),
    )


def _require_same(dataset: TrainingSet, found: Fingerprint) -> None:
    """Refuse to go on with other structures or channels, for which the network has no outputs."""
    began = [entry.name for entry in found.structures], [entry.name for entry in found.channels]
    now = [*dataset.structures.names], [*dataset.channels]
    for what, before, after in zip(("structures", "channels"), began, now, strict=True):
        if before and before != after:
            changed = f"the {what} were {', '.join(before)} and are now {', '.join(after)}"
            hint = "Go on as it began, or train anew in another folder, with --from this one"
            raise UsageError(changed, where=dataset.folder, hint=hint)


def _hashes(path: Path) -> dict[str, str]:
    """Return the hashes of the cases' contents; none if there is no such file any more."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def require_free(output: Path) -> None:
    """Refuse to write over a model or another training.

    Raises:
        UsageError: If the folder holds one.
    """
    if (output / CARD_NAME).exists():
        hint = "Choose another folder"
        raise UsageError("holds a model already", where=output, hint=hint)
    if (output / WORK / _FINGERPRINT).exists():
        hint = "Go on with it (--resume), or choose another folder"
        raise UsageError("holds a training already", where=output, hint=hint)


def _usable(dataset: TrainingSet, looked: Audit, table: Path) -> TrainingSet:
    """Leave out the cases from which nothing can be learned; the audit names them."""
    cases = tuple(case for case in dataset.cases if case.name not in looked.refused)
    if len(cases) < FOLDS:
        what = f"has {len(cases)} usable cases of {len(dataset.cases)}; at least {FOLDS} are needed"
        raise InputError(what, where=dataset.folder, hint=f"See {table}")
    return replace(dataset, cases=cases)
