"""Chains as JSON: files that a person keeps, and the presets that come with MedAssist.

A chain is ``{"medassist_chain": 1, "filters": [{"filter": NAME, "options": {…}}, …]}``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from MedAssistLib.enhance.chain import Chain, Step, make_step
from MedAssistLib.enhance.options import AUTO, unknown
from MedAssistLib.errors import UsageError
from MedAssistLib.files import readable, write_text

_VERSION = 1
_KEYS = ("medassist_chain", "filters")
_STEP_KEYS = ("filter", "options")
_LARGEST_FILE = 1 << 20


def write_chain(chain: Sequence[Step], path: Path) -> None:
    """Write a chain with all its options.

    Raises:
        ResourceError: If the file cannot be written.
    """
    steps = [{"filter": step.kind.name, "options": _values(step)} for step in chain]
    content = {"medassist_chain": _VERSION, "filters": steps}
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_chain(path: Path, modality: str = "") -> Chain:
    """Read a chain; options that the file does not name get the modality's default.

    Raises:
        InputError: If the file cannot be read.
        UsageError: If it is not a chain, or names what does not exist.
    """
    with readable(path) as stream:
        raw = stream.read(_LARGEST_FILE + 1)
    try:
        return chain_of(_parsed(raw), modality)
    except UsageError as error:
        place = f"{path}: {error.where}" if error.where else path
        raise UsageError(error.what, where=place, hint=error.hint) from error


def chain_of(content: Any, modality: str = "") -> Chain:
    """Return the chain that parsed JSON describes.

    Raises:
        UsageError: If it describes none; ``where`` names the filter by its number.
    """
    _require_keys(content, _KEYS, "medassist_chain")
    if content["medassist_chain"] != _VERSION:
        what = f"is a chain of version {content['medassist_chain']}, not {_VERSION}"
        raise UsageError(what, hint="Use a newer MedAssist, or write the chain again")
    steps = content.get("filters")
    if not isinstance(steps, list) or not steps:
        raise UsageError('has no list "filters"', hint='Write "filters": [{"filter": NAME}, …]')
    chain = []
    for number, step in enumerate(steps, start=1):
        try:
            chain.append(_step(step, modality))
        except UsageError as error:
            place = f"filter {number}" + (f" ({error.where})" if error.where else "")
            raise UsageError(error.what, where=place, hint=error.hint) from error
    return tuple(chain)


def _step(step: Any, modality: str) -> Step:
    _require_keys(step, _STEP_KEYS, "filter")
    options = step.get("options", {})
    if not isinstance(options, Mapping):
        raise UsageError('"options" is not an object', hint='Write "options": {"NAME": VALUE}')
    return make_step(str(step["filter"]), options, modality)


def _parsed(raw: bytes) -> Any:
    hint = "Make one with: medassist enhance … --save-chain FILE"
    if len(raw) > _LARGEST_FILE:
        raise UsageError("is too large to be a chain", hint=hint)
    try:
        return json.loads(raw.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        what = f"is not JSON: {error.msg.lower()} in line {error.lineno}, column {error.colno}"
        raise UsageError(what, hint="Correct the file there") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise UsageError("is not JSON text", hint=hint) from error


def _require_keys(content: Any, known: tuple[str, ...], needed: str) -> None:
    if not isinstance(content, Mapping):
        raise UsageError("is not a JSON object", hint=f'Write {{"{needed}": …}}')
    for key in content:
        if key not in known:
            raise unknown("entry", key, known)
    if needed not in content:
        raise UsageError(f'has no "{needed}"', hint=f"Known: {', '.join(known)}")


def _values(step: Step) -> dict[str, Any]:
    """Return the options as JSON values; what is found from the scan as ``"auto"``."""
    given = dataclasses.asdict(step.options)
    return {name: AUTO if value is None else value for name, value in given.items()}
