"""What a model is, for a person and for a program."""

from __future__ import annotations

from MedAssistLib.models.card import ModelCard
from MedAssistLib.models.catalogue import Entry
from MedAssistLib.models.record import Record
from MedAssistLib.models.weights import installed

_MEGABYTE = 1_000_000


def card_facts(card: ModelCard, record: Record | None = None) -> dict[str, object]:
    """Return what a card says, and what the store knows of a model in the user's folder."""
    size = sum(file.size for file in (record.files.values() if record else card.weights.values()))
    facts: dict[str, object] = {
        "name": card.name,
        "title": card.title,
        "version": card.version,
        "format": card.format,
        "modality": card.modality,
        "channels": list(card.channels),
        "spacing_mm": list(card.spacing),
        "segments": [f"{s.name} ({s.type.scheme} {s.type.value})" for s in card.segments],
        "intended_use": card.intended_use,
        "training_data": card.training_data,
        "accuracy": card.accuracy,
        "licence": card.licence,
        "terms": record.terms if record else "",
        "source": card.source,
        "size": megabytes(size),
        "state": _state(card),
        "folder": str(card.folder),
    }
    if record:
        facts["added"] = record.added
        facts["from"] = [origin.url or origin.name for origin in record.origins]
        facts["sha256"] = [origin.sha256 for origin in record.origins if origin.sha256]
    return facts


def entry_facts(entry: Entry) -> dict[str, object]:
    """Return what the catalogue says of a model."""
    return {
        "name": entry.name,
        "title": entry.title,
        "version": entry.version,
        "modality": entry.modality,
        "licence": entry.licence or "not stated in the catalogue",
        "terms": entry.terms,
        "source": entry.source,
        "size": _download_size(entry),
        "from": [file.url for file in entry.files],
        "sha256": [file.sha256 for file in entry.files if file.sha256],
        "state": "not installed",
    }


def facts_text(facts: dict[str, object]) -> str:
    """Return facts as lines for a terminal, without those that are empty."""
    shown = {name.replace("_", " "): _shown(value) for name, value in facts.items()}
    width = max(len(name) for name in shown)
    return "\n".join(f"{name.ljust(width)}  {text}" for name, text in shown.items() if text)


def megabytes(size: int) -> str:
    """Return a size in bytes as text in MB."""
    return f"{size / _MEGABYTE:.1f} MB"


def _state(card: ModelCard) -> str:
    if installed(card):
        return "installed"
    return f"missing: pip install {card.package}" if card.package else "missing"


def _download_size(entry: Entry) -> str:
    if not entry.files:
        return "with a licence"
    return megabytes(entry.size) if entry.size else "not known"


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
