"""From a data set to everything that a training begins with, kept in the training's folder."""

from __future__ import annotations

import json
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

WORK = "training"
"""Folder within the model's, for what a training needs to go on."""
PLAN = "plan.json"
"""The plan within that folder."""
_SPLITS, _AUDIT, _FINGERPRINT = "splits.json", "audit.csv", "fingerprint.json"


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


def prepare_training(
    source: Path, output: Path, options: TrainOptions, device: str, progress: Progress
) -> Prepared:
    """Read a data set, look for what is wrong with it, and plan its training.

    Args:
        source: The data set.
        output: The model's folder.
        options: How the training is run; a training that goes on takes plan and folds from the
            folder, and so does a new one the plan if somebody has put one there.
        device: Where networks are trained.
        progress: Told how far it is.

    Raises:
        InputError: If there is nothing to learn from.
        UsageError: If the output folder holds a model or another training.
        ResourceError: If the output folder cannot be written to.
        CancelledError: If the user asked to stop.
    """
    work = output / WORK
    dataset = read_dataset(source)
    if options.resume and (work / _FINGERPRINT).is_file():
        return _earlier(dataset, work)
    _require_free(output, work)
    facts = gather(dataset, progress)
    looked = audit(dataset, facts)
    files.make_folder(work)
    looked.write_csv(work / _AUDIT)
    dataset = _usable(dataset, looked, work / _AUDIT)
    used = {case.name for case in dataset.cases}
    found = fingerprint(dataset, [each for each in facts if each.case.name in used])
    plan = _plan(dataset, found, work / PLAN, device)
    if options.splits:
        held_out = read_folds(options.splits, dataset.cases)
    else:
        held_out = folds(joined(dataset.cases, looked.together), FOLDS, options.seed)
    write_folds(work / _SPLITS, held_out)
    # Last, because it says that all the others are there.
    write_fingerprint(work / _FINGERPRINT, found)
    return Prepared(dataset=dataset, found=found, plan=plan, held_out=held_out, audit=looked)


def _earlier(dataset: TrainingSet, work: Path) -> Prepared:
    """Take up what an earlier run planned."""
    names = _listed(work / _SPLITS)
    if names is not None:
        dataset = replace(dataset, cases=tuple(c for c in dataset.cases if c.name in names))
    return Prepared(
        dataset=dataset,
        found=read_fingerprint(work / _FINGERPRINT),
        plan=read_plan(work / PLAN),
        held_out=read_folds(work / _SPLITS, dataset.cases),
    )


def _listed(path: Path) -> set[str] | None:
    """Return the cases that a file of folds names; ``None`` if it is not readable."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {str(name) for entry in entries for name in entry["val"]}
    except (OSError, ValueError, TypeError, KeyError):
        return None


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


def _plan(dataset: TrainingSet, found: Fingerprint, path: Path, device: str) -> TrainPlan:
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
    write_plan(path, plan)
    return plan


def _room(device: str) -> Room:
    if device == "cuda":
        free, _ = torch.cuda.mem_get_info()
        return room_of(device, free)
    # Of the memory that Apple's chips share with the screen, half is for others.
    return room_of(device, free_memory() // 2)
