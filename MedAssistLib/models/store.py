"""The models at hand: those that MedAssist knows by name, those installed, any model folder."""

from __future__ import annotations

import dataclasses
import difflib
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from MedAssistLib.errors import ModelError, cannot_write
from MedAssistLib.models import catalogue, formats
from MedAssistLib.models.card import CARD_NAME, ModelCard, read_card
from MedAssistLib.models.record import RECORD_NAME, Record, differences, read_record
from MedAssistLib.progress import Progress

FOLDER_VARIABLE = "MEDASSIST_MODELS"
CONTENT = "model"
DOWNLOADS = ".downloads"
_CARDS = Path(__file__).parent / "cards"


def models_folder() -> Path:
    """Return the user's folder for models, which may not be there yet.

    ``MEDASSIST_MODELS`` chooses it; otherwise it is where the system keeps a user's data.
    """
    if chosen := os.environ.get(FOLDER_VARIABLE):
        return Path(chosen).expanduser().absolute()
    home = Path.home()
    if sys.platform == "win32":
        data = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        data = home / "Library" / "Application Support"
    else:
        # The XDG Base Directory Specification says to ignore a path that is not absolute.
        chosen = os.environ.get("XDG_DATA_HOME", "")
        data = Path(chosen) if Path(chosen).is_absolute() else home / ".local" / "share"
    return data / "MedAssist" / "models"


def shipped() -> list[ModelCard]:
    """Return the cards that come with MedAssist."""
    return [read_card(path.parent) for path in sorted(_CARDS.glob(f"*/{CARD_NAME}"))]


def stored_names() -> list[str]:
    """Return the names of the models in the user's folder."""
    return sorted(path.parent.name for path in models_folder().glob(f"[!.]*/{RECORD_NAME}"))


def describe(folder: Path) -> ModelCard:
    """Return the card of a model folder, or of the only folder in it.

    Raises:
        ModelError: If it is no model that MedAssist can run, not a whole one, or one that cannot
            be read without a package that is missing.
    """
    try:
        return formats.describe(folder)
    except ImportError as error:
        package = (error.name or "a package").partition(".")[0]
        hint = "In Slicer install the PyTorch extension; elsewhere: pip install torch"
        hint = hint if package == "torch" else f"Install {package}"
        what = f"cannot be read without {package}, which is not installed"
        raise ModelError(what, where=folder, hint=hint) from error
    except ModelError:
        inside = list(folder.iterdir()) if folder.is_dir() else []
        if len(inside) == 1 and inside[0].is_dir():
            return describe(inside[0])
        raise


def stored(name: str) -> tuple[ModelCard, Record]:
    """Return the card and the record of a model in the user's folder.

    Raises:
        ModelError: If there is none, or its files are damaged.
    """
    folder = _folder(name)
    record = read_record(folder)
    card = describe(folder / CONTENT)
    named = dataclasses.replace(
        card,
        name=folder.name,
        title=record.title or card.title,
        licence=record.licence,
        source=record.source,
    )
    return named, record


@dataclasses.dataclass(frozen=True)
class Shelf:
    """The models that have a name here.

    Attributes:
        models: Those that can be read, each with its record if it is in the user's folder.
        unreadable: The names of the others, each with why.
    """

    models: tuple[tuple[ModelCard, Record | None], ...]
    unreadable: Mapping[str, ModelError]


def shelf() -> Shelf:
    """Look at all models that have a name."""
    models: list[tuple[ModelCard, Record | None]] = [(card, None) for card in shipped()]
    unreadable: dict[str, ModelError] = {}
    for name in stored_names():
        try:
            models.append(stored(name))
        except ModelError as error:
            unreadable[name] = error
    return Shelf(tuple(models), unreadable)


def known() -> list[ModelCard]:
    """Return the cards of the models that can be used by name; leaves out damaged ones."""
    return [card for card, _ in shelf().models]


def find(name: str) -> ModelCard:
    """Return a model's card.

    Args:
        name: The name of a known model, or the path of a model folder.

    Raises:
        ModelError: If there is no such model; it names the known ones.
    """
    if not name.strip():
        raise ModelError("no model was named", hint="Known models: medassist models list")
    if name in stored_names():
        return stored(name)[0]
    cards = {card.name: card for card in shipped()}
    if name in cards:
        return cards[name]
    if Path(name).exists():
        return describe(Path(name))
    if any(entry.name == name for entry in catalogue.entries()):
        hint = f"Download it: medassist models download {name}"
        raise ModelError(f'the model "{name}" is not installed', hint=hint)
    names = [*cards, *stored_names()]
    near = difflib.get_close_matches(
        name, [*names, *(entry.name for entry in catalogue.entries())], n=1
    )
    guess = f'Did you mean "{near[0]}"? ' if near else ""
    hint = f"{guess}Known models: {', '.join(names)}; or give the path of a model folder"
    raise ModelError(f'there is no model "{name}"', hint=hint)


def verify(name: str, progress: Progress) -> str:
    """Compare a model's files with what was installed.

    Returns:
        What differs, in plain words; empty if nothing does.

    Raises:
        ModelError: If there is no such model in the user's folder, or it cannot be read.
        CancelledError: If the user asked to stop.
    """
    folder = _folder(name)
    return differences(read_record(folder), folder / CONTENT, progress)


def occupied(name: str) -> int:
    """Return how many bytes a model, or an unfinished download of it, takes in the user's folder.

    Raises:
        ModelError: If there is nothing of that name in the user's folder.
    """
    files = [path for folder in _folders(name) for path in folder.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files)


def remove(name: str) -> None:
    """Delete a model, or an unfinished download of it, from the user's folder.

    It is gone at once, whatever interrupts the rest.

    Raises:
        ModelError: If there is nothing of that name in the user's folder.
        ResourceError: If it may not be deleted, or is in use.
    """
    for folder in _folders(name):
        try:
            doomed = Path(tempfile.mkdtemp(prefix=".removed-", dir=models_folder()))
            folder.rename(doomed / name)
        except OSError as error:
            raise cannot_write(folder, error) from error
        shutil.rmtree(doomed, ignore_errors=True)


def _folders(name: str) -> list[Path]:
    """Return the folders of a model and of an unfinished download of it, of which one is there."""
    found = [path for path in models_folder().glob(f"{DOWNLOADS}/*") if path.name == name]
    if name in stored_names() or not found:
        found.append(_folder(name))
    return found


def _folder(name: str) -> Path:
    """Return where a model is; only names that are there become paths."""
    if name in stored_names():
        return models_folder() / name
    if name in [card.name for card in shipped()]:
        raise ModelError(f'the model "{name}" comes with MedAssist and is not in your folder')
    names = ", ".join(stored_names()) or "none yet"
    raise ModelError(f'the model "{name}" is not in {models_folder()}', hint=f"Installed: {names}")
