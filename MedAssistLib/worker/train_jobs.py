"""The worker's jobs on labelled cases: looking at them, and learning from them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from MedAssistLib import files
from MedAssistLib.errors import MedAssistError, UsageError
from MedAssistLib.progress import Progress
from MedAssistLib.worker.cache import ModelCache
from MedAssistLib.worker.previews import Previews

if TYPE_CHECKING:
    from MedAssistLib.models.card import ModelCard
    from MedAssistLib.train.checkpoint import Epoch
    from MedAssistLib.train.options import TrainOptions
    from MedAssistLib.train.told import Report

Request = Mapping[str, Any]
Tell = Callable[[Mapping[str, Any]], None]

REQUEST = "request.json"
"""What a training was asked for, in the folder of what it needs to go on."""
DATA = "data"
"""Folder of the data set beside it, if it was made of a scene."""


def look(request: Request, _models: ModelCache, progress: Progress) -> dict[str, Any]:
    """Look at the data set ``source`` as before a training; nothing is learned.

    The result has ``cases`` (their number), ``structures``, ``channels``, ``modality`` and the
    ``findings``, each a row of the audit's table.
    """
    from MedAssistLib.train.audit import audit
    from MedAssistLib.train.dataset import read_dataset
    from MedAssistLib.train.facts import gather

    dataset = read_dataset(request["source"], progress.part("Looking", 0.0, 0.1))
    found = audit(dataset, gather(dataset, progress.part("Reading cases", 0.1, 1.0)))
    return {
        "cases": len(dataset.cases),
        "structures": dataset.structures.names,
        "channels": dataset.channels,
        "modality": dataset.modality,
        "findings": found.rows(),
    }


def train(request: Request, progress: Progress, tell: Tell) -> dict[str, Any]:
    """Learn from the data set ``source`` into the folder ``output``.

    ``options`` are the fields of :class:`MedAssistLib.train.TrainOptions`. With ``name`` the model
    is put into the user's folder of models under that name, and with ``previews``, a folder, scans
    and labels of previews are written there. Cancelled, it can go on from its last checkpoint.

    It tells a ``message``; or ``epochs``, each with ``number``, ``loss``, ``seconds`` and the
    ``dice`` of each of the ``structures`` if they were looked at, of network ``fold`` of ``folds``,
    with the ``colours`` of the structures;
    or with them a ``preview`` (see :meth:`MedAssistLib.worker.previews.Previews.write`).

    Raises:
        MedAssistError: As :func:`MedAssistLib.train.run.train` does, or if the name is taken.
    """
    from MedAssistLib.models import install
    from MedAssistLib.segment.device import device_of

    device_of("cpu")  # Says in words that PyTorch is missing.
    from MedAssistLib.check.calibrating import calibrate_model
    from MedAssistLib.train.preparation import WORK, require_free
    from MedAssistLib.train.run import train as learn

    name = str(request.get("name", ""))
    if name:
        # Not after hours of learning.
        install.require_free(name)
    output, options = Path(request["output"]), _options(request)
    if not options.resume:
        # Before what another training was asked for is written over.
        require_free(output)
    kept = {key: request[key] for key in ("source", "name", "options") if key in request}
    files.write_text(files.make_folder(output / WORK) / REQUEST, json.dumps(kept))
    previews = Previews(Path(request["previews"])) if request.get("previews") else None
    result = learn(
        request["source"],
        output,
        options,
        progress.part("", 0.0, 0.96),
        lambda report: tell(_told(report, previews)),
    )
    note = calibrate_model(request["source"], result.card, progress.part("", 0.96, 0.99))
    tell({"message": note})
    if name:
        _put_on_shelf(result.card, name, progress.part("Adding the model", 0.99, 1.0))
    # A model that is handed on must not hold the scans that it was made of.
    shutil.rmtree(output / WORK / DATA, ignore_errors=True)
    (output / WORK / REQUEST).unlink(missing_ok=True)
    return {"output": str(output), "name": name, "accuracy": result.card.accuracy}


def _put_on_shelf(card: ModelCard, name: str, progress: Progress) -> None:
    """Copy a model, without what its training needed, into the user's folder of models."""
    from MedAssistLib.models import install
    from MedAssistLib.models.card import CARD_NAME
    from MedAssistLib.train.preparation import WORK

    staged = card.folder / WORK / "model" / name
    files.make_folder(staged)
    for file in (CARD_NAME, *(entry.path for entry in card.weights.values())):
        with files.replacing(staged / file) as temporary:
            shutil.copyfile(card.folder / file, temporary)
    install.add([staged], progress, name=name)
    shutil.rmtree(staged.parent, ignore_errors=True)


def _told(report: Report, previews: Previews | None) -> dict[str, Any]:
    """Return a report as a message; voxels go into files."""
    fields: dict[str, Any] = {"message": report.message}
    epochs = (*report.earlier, *([report.epoch] if report.epoch else []))
    if epochs:
        fields |= {"fold": report.fold, "folds": report.folds, "structures": report.structures}
        fields["colours"] = _colours(report.structures)
        fields["epochs"] = [_point(epoch) for epoch in epochs]
    if report.preview and previews:
        try:
            fields["preview"] = previews.write(report.preview)
        except MedAssistError as error:
            # Hours of learning are worth more than a picture.
            fields["message"] = f"no preview: {error}"
    return fields


def _colours(names: Sequence[str]) -> list[tuple[int, int, int]]:
    """Return the RGB colours that structures have in the model, too."""
    from MedAssistLib.models.anatomy import segments

    return [segment.colour for segment in segments(dict(enumerate(names, 1)))]


def _point(epoch: Epoch) -> dict[str, Any]:
    fields = asdict(epoch)
    return {key: fields[key] for key in ("number", "loss", "seconds", "dice")}


def _options(request: Request) -> TrainOptions:
    from MedAssistLib.train.options import TrainOptions

    try:
        given = dict(request.get("options", {}))
        for key in ("start", "splits"):
            given[key] = Path(given[key]) if given.get(key) else None
        return TrainOptions(**given)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the options are not those of training: {error}") from error
