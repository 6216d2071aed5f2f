"""``medassist models``: what can be run."""

from __future__ import annotations

import argparse
from typing import Any

from MedAssistLib.cli.commands import Outcome
from MedAssistLib.cli.tables import table
from MedAssistLib.progress import Progress

_MEGABYTE = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", choices=("list", "show"), help="list all, or show one card")
    parser.add_argument("model", nargs="?", default="", help="name or folder, for show")


def run(arguments: argparse.Namespace, _progress: Progress) -> Outcome:
    """List the models, or show one."""
    from MedAssistLib.errors import UsageError
    from MedAssistLib.models import find, known

    if arguments.action == "list":
        cards = [_facts(card) for card in known()]
        rows = [[c["name"], c["modality"], c["licence"], c["state"], c["title"]] for c in cards]
        text = table(["model", "for", "licence", "weights", "what it does"], rows)
        return Outcome(text, {"models": cards})
    if not arguments.model:
        raise UsageError("which model?", hint="See: medassist models list")
    facts = _facts(find(arguments.model))
    width = max(len(name) for name in facts)
    lines = [f"{name.replace('_', ' ').ljust(width)}  {_shown(facts[name])}" for name in facts]
    return Outcome("\n".join(lines), facts)


def _facts(card: Any) -> dict[str, Any]:
    from MedAssistLib.models import installed

    return {
        "name": card.name,
        "title": card.title,
        "version": card.version,
        "modality": card.modality,
        "channels": list(card.channels),
        "segments": [f"{s.name} ({s.type.scheme} {s.type.value})" for s in card.segments],
        "intended_use": card.intended_use,
        "training_data": card.training_data,
        "accuracy": card.accuracy,
        "licence": card.licence,
        "source": card.source,
        "size": f"{sum(f.size for f in card.weights.values()) / _MEGABYTE:.1f} MB",
        "state": "installed" if installed(card) else f"missing: pip install {card.package}",
    }


def _shown(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
