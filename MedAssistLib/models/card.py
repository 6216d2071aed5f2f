"""A model's card, ``model.json``: what it segments, in what, how well, and how to run it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from MedAssistLib.case import Code, Segment
from MedAssistLib.errors import MedAssistError, ModelError
from MedAssistLib.files import write_text

CARD_NAME = "model.json"
SHIPPED = Path(__file__).parent / "cards"
"""Folder of the cards that come with MedAssist."""

_TEXTS = (
    "name",
    "title",
    "version",
    "format",
    "licence",
    "source",
    "intended_use",
    "training_data",
    "accuracy",
    "modality",
    "orientation",
)


@dataclass(frozen=True, kw_only=True)
class WeightFile:
    """One file of weights.

    Attributes:
        path: Where it is: below the card's folder, or below the package that carries it.
        sha256: Its SHA-256, 64 hexadecimal digits; empty if nobody wrote it down.
        size: Its size in bytes.
    """

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class PostProcessing:
    """What is done with each structure after the network.

    Attributes:
        largest_component: Keep only the largest connected part (26-connected).
        fill_holes: Fill what is enclosed on all sides (6-connected).
        minimum_ml: Drop connected parts (26-connected) that are smaller than this, in mL.
        structures: What is done with some structures, by name, instead of all that.
    """

    largest_component: bool = False
    fill_holes: bool = False
    minimum_ml: float = 0.0
    structures: Mapping[str, PostProcessing] = field(default_factory=dict)

    def of(self, structure: str) -> PostProcessing:
        """Return what is done with a structure."""
        return self.structures.get(structure, self)


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """A model that can be run.

    Attributes:
        name: Short name for commands.
        title: What it does, in a few words.
        version: Version of the weights.
        format: Which adapter of :mod:`MedAssistLib.models.formats` runs it.
        licence: Licence of the weights, as an SPDX identifier where there is one.
        source: Who made it, and where it comes from.
        intended_use: What it is for, and what it is not for.
        training_data: What it was trained on.
        accuracy: How well it does, with the source of the numbers.
        modality: DICOM modality that it was trained for.
        channels: Its inputs, such as ``("T1",)``.
        orientation: Directions of the axes i, j, k that the network expects, such as ``"RAS"``.
        segments: What it segments.
        package: Python distribution that carries the weights; empty if they lie beside the card.
        weights: The weight files by role.
        architecture: Settings of the adapter.
        intensity: How the intensities are normalised.
        postprocessing: What is done after the network.
        folder: Where the card was read from.
        spacing: Voxel size that the network works at, mm along i, j, k; 0 along an axis where it
            is the scan's own; empty if the model does not say.
        training: How it was trained by MedAssist: versions, plan, data; empty for other models.
        measured: How well it does on cases held out, by structure and case, and what the checks
            need to know of its doubts; empty if nobody measured it so.
        trusted: The user said that the weights may run the programs that they hold. Never read
            from a file.
    """

    name: str
    title: str
    version: str
    format: str
    licence: str
    source: str
    intended_use: str
    training_data: str
    accuracy: str
    modality: str
    channels: tuple[str, ...]
    orientation: str
    segments: tuple[Segment, ...]
    package: str
    weights: Mapping[str, WeightFile]
    architecture: Mapping[str, Any]
    intensity: Mapping[str, Any]
    postprocessing: PostProcessing
    folder: Path
    spacing: tuple[float, ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)
    trusted: bool = False


def read_card(folder: Path) -> ModelCard:
    """Read the card of a model folder.

    Raises:
        ModelError: If there is none, or it is not a valid card.
    """
    path = folder / CARD_NAME
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        hint = f"A model is a folder with a {CARD_NAME} in it"
        raise ModelError("is not a model folder", where=folder, hint=hint) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"is not a readable card ({error})", where=path) from error
    try:
        return _card(fields, folder)
    except KeyError as error:
        raise ModelError(f"has no entry {error}", where=path) from error
    except (TypeError, ValueError, AttributeError, MedAssistError) as error:
        raise ModelError(f"is not a valid card ({error})", where=path) from error


def _card(fields: dict[str, Any], folder: Path) -> ModelCard:
    texts: dict[str, Any] = {name: str(fields[name]) for name in _TEXTS}
    return ModelCard(
        **texts,
        channels=tuple(fields["channels"]),
        segments=tuple(_segment(entry) for entry in fields["segments"]),
        package=fields["weights"].get("package", ""),
        weights={role: WeightFile(**entry) for role, entry in fields["weights"]["files"].items()},
        architecture=dict(fields["architecture"]),
        intensity=dict(fields["intensity"]),
        postprocessing=_after(fields.get("postprocessing", {})),
        folder=folder,
        spacing=tuple(fields.get("spacing", ())),
        training=dict(fields.get("training", {})),
        measured=dict(fields.get("measured", {})),
    )


def write_card(card: ModelCard) -> Path:
    """Write the card into its folder, in one step.

    Returns:
        The file.

    Raises:
        ResourceError: If it cannot be written.
    """
    fields: dict[str, Any] = {name: getattr(card, name) for name in _TEXTS}
    fields |= {
        "channels": list(card.channels),
        "spacing": list(card.spacing),
        "segments": [_without_empty(asdict(segment)) for segment in card.segments],
        "weights": {
            "package": card.package,
            "files": {role: asdict(entry) for role, entry in card.weights.items()},
        },
        "architecture": dict(card.architecture),
        "intensity": dict(card.intensity),
        "postprocessing": asdict(card.postprocessing),
        "training": dict(card.training),
        "measured": dict(card.measured),
    }
    path = card.folder / CARD_NAME
    write_text(path, json.dumps(fields, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return path


def _without_empty(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if value is not None}


def _after(entry: dict[str, Any]) -> PostProcessing:
    structures = {name: _after(own) for name, own in entry.get("structures", {}).items()}
    return PostProcessing(**{**entry, "structures": structures})


def _segment(entry: dict[str, Any]) -> Segment:
    codes = {
        role: Code(**entry[role])
        for role in ("category", "type", "modifier", "region")
        if role in entry
    }
    red, green, blue = entry["colour"]
    return Segment(label=entry["label"], name=entry["name"], colour=(red, green, blue), **codes)
