"""What the values of a plain label image mean, as the command line says it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from MedAssistLib.errors import InputError, UsageError

_HINT = "Give such as 1=liver,2=spleen, or a dataset.json with its labels"


def label_names(text: str) -> dict[int, str]:
    """Return the names by value.

    Args:
        text: Such as ``"1=liver,2=spleen"``, or the path of a ``dataset.json`` of the Medical
            Segmentation Decathlon or of nnU-Net; empty for none.

    Raises:
        UsageError: If it is neither.
        InputError: If the file cannot be used.
    """
    if not text:
        return {}
    if "=" not in text:
        return _of_file(Path(text))
    try:
        pairs = [part.split("=", 1) for part in text.split(",")]
        return _checked({int(value): name for value, name in pairs})
    except ValueError as error:
        raise UsageError(f"--names {text} is not understood", hint=_HINT) from error


def _of_file(path: Path) -> dict[int, str]:
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["labels"]
        # The Decathlon writes value: name, nnU-Net name: value.
        by_value = all(key.isdigit() for key in fields)
        pairs = fields.items() if by_value else ((value, name) for name, value in fields.items())
        named = {int(value): str(name) for value, name in pairs}
        return _checked({value: name for value, name in named.items() if value > 0})
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"cannot be read ({reason})", where=path, hint=_HINT) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = "does not say what single label values mean"
        raise InputError(what, where=path, hint=_HINT) from error


def _checked(names: dict[int, str]) -> dict[int, str]:
    stripped = {value: name.strip() for value, name in names.items()}
    if not stripped or min(stripped) < 1 or not all(stripped.values()):
        raise ValueError("a value is below 1 or has no name")
    return stripped
