"""From a data set to everything that a training begins with, kept in the training's folder."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from MedAssistLib import files
from MedAssistLib.errors import InputError, UsageError
from MedAssistLib.machine import free_memory
from MedAssistLib.models.card import CARD_NAME
from MedAssistLib.progress import Progress
from MedAssistLib.train.audit import Audit, audit
from MedAssistLib.train.dataset import TrainingSet, read_dataset
from MedAssistLib.train.dataset.description import DESCRIPTION
from MedAssistLib.train.design import Room, make_plan, room_of
from MedAssistLib.train.facts import gather
from MedAssistLib.train.fingerprint import (
    Fingerprint,
    fingerprint,
    read_fingerprint,
    write_fingerprint,
)
from MedAssistLib.train.options import FOLDS, TrainOptions
from MedAssistLib.train.plan import TrainPlan, read_plan, write_plan
from MedAssistLib.train.split import Folds, folds, joined, read_folds, write_folds
from MedAssistLib.train.start import adopted, read_start
from MedAssistLib.train.told import findings_told

WORK = "training"
"""Folder within the model's, for what a training needs to go on."""
PLAN = "plan.json"
"""The plan within that folder."""
_SPLITS, _AUDIT, _FINGERPRINT = "splits.json", "audit.csv", "fingerprint.json"
# What reading calls the structures of label images without names.
_NUMBERED = re.compile(r"Label \d+")


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a training begins with.

    Attributes:
        dataset: The cases that can be learned from.
        found: The training set in numbers.
        plan: How networks are trained.
        held_out: Names of the cases that each fold holds out.
        audit: What is odd about the data; ``None`` if an earlier run told it.
    """

    dataset: TrainingSet
    found: Fingerprint
    plan: TrainPlan
    held_out: Folds
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
        _require_free(output, work)
    dataset = read_dataset(source)
    if goes_on:
        made = _earlier(dataset, work)
    else:
        _tell_of_names(source, dataset, say)
        made = _anew(dataset, work, options, device, say, progress)
    if options.folds > len(made.held_out):
        what = f"there are {options.folds} networks, but only {len(made.held_out)} folds"
        raise UsageError(what, where="--folds", hint="Give fewer networks, or another split")
    return made


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
    found = fingerprint(dataset, [each for each in facts if each.case.name in used])
    plan = _plan(dataset, found, work / PLAN, options, device)
    together = joined(dataset.cases, looked.together)
    held_out = _kept(given, used, options) if given else folds(together, FOLDS, options.seed)
    write_folds(work / _SPLITS, held_out, used)
    # Last, because it says that all the others are there.
    write_fingerprint(work / _FINGERPRINT, found)
    return Prepared(dataset=dataset, found=found, plan=plan, held_out=held_out, audit=looked)


def _tell_of_names(source: Path, dataset: TrainingSet, say: Callable[[str], None]) -> None:
    """Say how structures get names, if they have none but their numbers."""
    names = dataset.structures.names
    if all(_NUMBERED.fullmatch(name) for name in names):
        where = source.with_suffix(".json") if source.is_file() else source / DESCRIPTION
        example = json.dumps({"labels": {"background": 0, "Liver": 1}})
        say(f"the structures are called {', '.join(names)}: name them in {where}, as {example}")


def _kept(given: Folds, used: set[str], options: TrainOptions) -> Folds:
    """Return a split without the cases that are left out."""
    held_out = tuple(tuple(name for name in fold if name in used) for fold in given)
    if not all(held_out) or used <= set(held_out[0]):
        what = "a fold has no usable case, or holds out all of them"
        raise InputError(what, where=options.splits or "", hint="Let MedAssist make the folds")
    return held_out


def _earlier(dataset: TrainingSet, work: Path) -> Prepared:
    """Take up what an earlier run planned."""
    names = _listed(work / _SPLITS)
    gone = sorted(names - {case.name for case in dataset.cases})
    if gone:
        what = f"{len(gone)} cases of the training are not there any more, such as {gone[0]}"
        hint = "Put them back, or train anew in another folder"
        raise InputError(what, where=dataset.folder, hint=hint)
    dataset = replace(dataset, cases=tuple(c for c in dataset.cases if c.name in names))
    return Prepared(
        dataset=dataset,
        found=read_fingerprint(work / _FINGERPRINT),
        plan=read_plan(work / PLAN),
        held_out=read_folds(work / _SPLITS, dataset.cases),
    )


def _listed(path: Path) -> set[str]:
    """Return the cases that a file of folds names, to learn from or to hold out."""
    with files.readable(path) as stream:
        try:
            entries = json.load(stream)
            return {str(name) for entry in entries for name in (*entry["train"], *entry["val"])}
        except (ValueError, TypeError, KeyError) as error:
            hint = "Put it back, or train anew in another folder"
            raise InputError("is not a file of folds", where=path, hint=hint) from error


def _require_free(output: Path, work: Path) -> None:
    """Refuse to write over a model or another training."""
    if (output / CARD_NAME).exists():
        hint = "Choose another folder"
        raise UsageError("holds a model already", where=output, hint=hint)
    if (work / _FINGERPRINT).exists():
        hint = "Go on with it (--resume), or choose another folder"
        raise UsageError("holds a training already", where=output, hint=hint)


def _usable(dataset: TrainingSet, looked: Audit, table: Path) -> TrainingSet:
    """Leave out the cases from which nothing can be learned; the audit names them."""
    cases = tuple(case for case in dataset.cases if case.name not in looked.refused)
    if len(cases) < FOLDS:
        what = f"has {len(cases)} usable cases of {len(dataset.cases)}; at least {FOLDS} are needed"
        raise InputError(what, where=dataset.folder, hint=f"See {table}")
    return replace(dataset, cases=cases)


def _plan(
    dataset: TrainingSet, found: Fingerprint, path: Path, options: TrainOptions, device: str
) -> TrainPlan:
    """Return the plan that somebody put there, or make one."""
    if path.is_file():
        plan = read_plan(path)
        if len(plan.normalisation) != len(dataset.channels):
            what = f"is for {len(plan.normalisation)} channels, not {len(dataset.channels)}"
            raise InputError(what, where=path, hint="Correct it, or delete it to have it made anew")
        return plan
    if not found.channels:
        hint = "Check that the label images hold the labels that the data set names"
        raise InputError("no case has any of the structures", where=dataset.folder, hint=hint)
    plan = make_plan(found, dataset.modality, dataset.structures, _room(device))
    if options.start:
        plan = adopted(plan, read_start(options.start))
    write_plan(path, plan)
    return plan


def _room(device: str) -> Room:
    if device == "cuda":
        free, _ = torch.cuda.mem_get_info()
        return room_of(device, free)
    # Of the memory that Apple's chips share with the screen, half is for others.
    return room_of(device, free_memory() // 2)
