"""A small model in our own format, to be added, packed and damaged."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

WEIGHTS = bytes(range(256)) * 4000


def card(**changes: object) -> bytes:
    """Return a card, with some of its entries changed."""
    mark = {"path": "weights.pt", "sha256": hashlib.sha256(WEIGHTS).hexdigest()}
    fields = {
        **dict.fromkeys(("title", "version", "source", "intended_use", "training_data"), "test"),
        "name": "Liver, quick",
        "format": "torchscript",
        "licence": "CC0-1.0",
        "accuracy": "unknown",
        "modality": "CT",
        "channels": ["CT"],
        "orientation": "RAS",
        "segments": [{"label": 1, "name": "Liver", "colour": [221, 130, 101]}],
        "weights": {"files": {"network": {**mark, "size": len(WEIGHTS)}}},
        "architecture": {},
        "intensity": {},
        "spacing": [1.5, 1.5, 3.0],
    }
    return json.dumps({**fields, **changes}).encode()


def zip_of(path: Path, files: dict[str, bytes]) -> Path:
    """Write a zip."""
    with zipfile.ZipFile(path, "w") as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return path


def nothing_installed(models: Path) -> bool:
    """Tell whether the store has no model and no rest of one; a download may keep its part."""
    return not [path for path in models.glob("*") if path.name not in (".downloads", "hashes.json")]
