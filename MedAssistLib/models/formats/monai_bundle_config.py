"""Reading the configuration of a MONAI bundle as data, without running what it may hold.

MONAI's own reader builds any class that a ``_target_`` names and evaluates every text that begins
with ``$`` as Python: to read a bundle that way is to run its author's program. Here nothing is
built and nothing evaluated. References to other entries (``@name``, ``@name::part``, and the older
``@name#part``) are followed; an entry that needs more is refused when it is asked for, and most
bundles have such entries only where MedAssist does not look: devices, files, and handlers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from MedAssistLib.errors import ModelError

TARGET, _DISABLED = "_target_", "_disabled_"
_NAMES = ("inference.json", "inference.yaml", "inference.yml")
# An expression that does nothing but name another entry is a reference all the same.
_REFERENCE = re.compile(r"\$?\s*@(?P<path>[\w.-]+(?:(?:::|#)[\w.-]+)*)\s*")
_MOST_BYTES = 4 * 10**6
_MOST_ENTRIES, _DEEPEST = 100_000, 50


@dataclass(frozen=True)
class BundleConfig:
    """The content of a bundle's ``inference.json`` or ``inference.yaml``.

    Attributes:
        path: The file.
        fields: What stands in it.
    """

    path: Path
    fields: Mapping[str, Any]

    def get(self, name: str) -> Any:
        """Return an entry with its references followed; ``None`` if there is none.

        What is an expression comes back as the text that it is.

        Raises:
            ModelError: If its references lead nowhere, or round in a circle.
        """
        return _Resolver(self.fields).value(self.fields.get(name), 0)

    def target(self, entry: Any, what: str) -> tuple[str, dict[str, Any]]:
        """Return the class of MONAI's that an entry asks for, and its settings.

        Args:
            entry: What :meth:`get` returned, or a part of it.
            what: What it is, for the message.

        Raises:
            ModelError: If it is an expression, or names a class that is not MONAI's.
        """
        if not isinstance(entry, dict) or not isinstance(entry.get(TARGET), str):
            raise ModelError(f"{what} is not a plain description of a class, but a program")
        name = entry[TARGET]
        if "." in name and not name.startswith("monai."):
            raise ModelError(f'{what} is "{name}", which is not MONAI\'s but a program of its own')
        settings = {key: value for key, value in entry.items() if key not in (TARGET, _DISABLED)}
        return name.rpartition(".")[2], settings

    def transforms(self, name: str) -> list[tuple[str, dict[str, Any]]]:
        """Return the chain of transforms of an entry, without those that are switched off.

        Raises:
            ModelError: If it is not a plain chain of MONAI's transforms.
        """
        entry = self.get(name)
        if entry is None:
            raise ModelError(f"it has no entry {name}, so what its network needs is not known")
        kind, settings = self.target(entry, name)
        chain = settings.get("transforms")
        if kind != "Compose" or not isinstance(chain, list):
            raise ModelError(f"its {name} is not a plain list of transforms")
        return [
            self.target(part, f"a part of its {name}")
            for part in chain
            if not (isinstance(part, dict) and _is_on(part.get(_DISABLED)))
        ]


def find_config(folder: Path) -> Path | None:
    """Return the file that says how a bundle is run."""
    return next((path for name in _NAMES if (path := folder / "configs" / name).is_file()), None)


def read_config(path: Path) -> BundleConfig:
    """Read a configuration.

    Raises:
        ModelError: If it is not readable, or YAML without PyYAML to read it.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ModelError("is too large for the configuration of a bundle", where=path)
        text = path.read_text(encoding="utf-8")
        fields = json.loads(text) if path.suffix == ".json" else _yaml(text, path)
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"is not a readable configuration ({error})", where=path) from error
    if not isinstance(fields, dict):
        raise ModelError("is not the configuration of a bundle", where=path)
    return BundleConfig(path, fields)


def is_plain(value: Any) -> bool:
    """Tell whether a value is data alone: no class to build, no expression, no open reference."""
    if isinstance(value, dict):
        return TARGET not in value and all(map(is_plain, value.values()))
    if isinstance(value, list):
        return all(map(is_plain, value))
    return not (isinstance(value, str) and value.lstrip().startswith(("$", "@", "%")))


def _yaml(text: str, path: Path) -> Any:
    try:
        yaml = import_module("yaml")
    except ImportError as error:
        hint = "Install it: pip install pyyaml"
        raise ModelError("needs PyYAML to be read", where=path, hint=hint) from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error).partition("\n")[0]) from error


def _is_on(value: Any) -> bool:
    if isinstance(value, str) and not is_plain(value):
        raise ModelError(f'whether a transform runs depends on a program, "{value}"')
    return bool(value)


class _Resolver:
    """Follows the references of one entry, which may be as many as an honest bundle has."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields, self._seen = fields, 0

    def value(self, value: Any, depth: int) -> Any:
        self._seen += 1
        if depth > _DEEPEST or self._seen > _MOST_ENTRIES:
            raise ModelError("its references lead round in a circle, or are too many")
        if isinstance(value, dict):
            return {key: self.value(part, depth + 1) for key, part in value.items()}
        if isinstance(value, list):
            return [self.value(part, depth + 1) for part in value]
        if isinstance(value, str) and (found := _REFERENCE.fullmatch(value)):
            return self.value(self._at(found["path"]), depth + 1)
        return value

    def _at(self, path: str) -> Any:
        place: Any = self._fields
        for step in re.split(r"::|#", path):
            if isinstance(place, list) and step.isdecimal() and int(step) < len(place):
                place = place[int(step)]
            elif isinstance(place, dict) and step in place:
                place = place[step]
            else:
                raise ModelError(f'it refers to "@{path}", which is not there')
        return place
