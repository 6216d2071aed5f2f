"""What a ``dataset.json`` says: names, labels, channels and where the data come from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from MedAssistLib.errors import InputError
from MedAssistLib.files import readable
from MedAssistLib.train.dataset.cases import Structures, exclusive, regions

DESCRIPTION = "dataset.json"

IGNORE = "ignore"
"""What the label is called whose voxels are left out of the training."""

_MOST_BYTES = 100_000_000
_NUMBERED = re.compile(r"(?i)dataset\d+_|task\d+_")

Fields = Mapping[str, Any]


def read_description(path: Path) -> dict[str, Any]:
    """Read the description of a data set.

    Args:
        path: A JSON file.

    Raises:
        InputError: If it cannot be read as one.
    """
    hint = "It must be a JSON object, as nnU-Net and the Medical Segmentation Decathlon write it"
    with readable(path) as stream:
        text = stream.read(_MOST_BYTES)
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError("is not readable JSON", where=path, hint=hint) from error
    if not isinstance(fields, dict):
        raise InputError("does not describe a data set", where=path, hint=hint)
    return fields


def fields_of(folder: Path) -> dict[str, Any]:
    """Return what the ``dataset.json`` of a folder says; empty if there is none.

    Raises:
        InputError: If there is one that cannot be read.
    """
    path = folder / DESCRIPTION
    return read_description(path) if path.is_file() else {}


@contextmanager
def understanding(path: Path) -> Iterator[None]:
    """Say that a description is wrong, whatever the reading of its entries stumbled over."""
    try:
        yield
    except KeyError as error:
        raise InputError(f"has no entry {error}", where=path) from error
    except (TypeError, ValueError, AttributeError, LookupError, OverflowError) as error:
        raise InputError(f"has an entry that makes no sense ({error})", where=path) from error
    except InputError as error:
        error.where = error.where or str(path)
        raise


def about(fields: Fields, folder: Path) -> dict[str, str]:
    """Return name, title, licence and source of a data set.

    Args:
        fields: What its description says; may be empty.
        folder: Its folder, or the file that lists its cases, whose name it gets if it has none.
    """
    said = {key: str(value).strip() for key, value in fields.items() if isinstance(value, str)}
    title = said.get("name") or _NUMBERED.sub("", folder.stem).replace("_", " ")
    return {
        "name": re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "data",
        "title": said.get("description") or title,
        "licence": said.get("licence") or said.get("license") or "",
        "source": said.get("reference", ""),
    }


def channels_of(entry: Any) -> tuple[str, ...]:
    """Return the channels of an entry such as ``{"0": "T1", "1": "FLAIR"}``, in their order.

    Raises:
        ValueError: If it names none, or has a gap.
    """
    by_number = {int(number): str(name) for number, name in entry.items()}
    if not by_number or sorted(by_number) != list(range(len(by_number))):
        raise ValueError(f"channels {sorted(by_number)}")
    return tuple(by_number[number] for number in range(len(by_number)))


def structures_of(fields: Fields) -> Structures:
    """Return the structures of a description, whichever way round its ``labels`` are written.

    Raises:
        InputError: If they make no sense.
        KeyError: If it has no labels.
    """
    labels = _object(fields["labels"])
    if all(str(key).isdecimal() for key in labels):
        return structures_by_value(labels)
    return structures_by_name(labels, fields.get("regions_class_order"))


def structures_by_value(labels: Mapping[str, str] | Mapping[int, str]) -> Structures:
    """Return the structures of an entry such as ``{"0": "background", "1": "Liver"}``.

    Raises:
        InputError: If they make no sense.
    """
    names = {int(value): str(name) for value, name in _object(labels).items()}
    names.pop(0, None)
    ignored = [value for value, name in names.items() if name.lower() == IGNORE]
    for value in ignored:
        del names[value]
    return exclusive(names, ignored[0] if ignored else None)


def structures_by_name(labels: Mapping[str, Any], order: Any = None) -> Structures:
    """Return the structures of an entry such as ``{"background": 0, "Liver": 1}``, as nnU-Net's.

    Args:
        labels: A label value, or a list of those of a region, for each name. Voxels of the label
            that is called "ignore" are left out.
        order: nnU-Net's ``regions_class_order``, the label that each region gets in a result.

    Raises:
        InputError: If they make no sense.
    """
    members = {str(name): _values(value) for name, value in _object(labels).items()}
    ignored = members.pop(IGNORE, None)
    members = {name: values for name, values in members.items() if set(values) != {0}}
    ignore = ignored[0] if ignored else None
    if all(len(values) == 1 for values in members.values()):
        return exclusive(_by_value(members), ignore)
    if not isinstance(order, list) or len(order) != len(members):
        what = "has regions, but its regions_class_order does not name one label for each"
        raise InputError(what, hint="Add the label that each region is painted with")
    return regions(members, [int(label) for label in order], ignore)


def _object(labels: Any) -> Mapping[Any, Any]:
    """Return an entry of labels, which must be a JSON object."""
    if not isinstance(labels, Mapping):
        hint = 'Write such as "labels": {"background": 0, "Liver": 1}'
        raise InputError("does not give each label a name", hint=hint)
    return labels


def _by_value(members: Mapping[str, tuple[int, ...]]) -> dict[int, str]:
    names: dict[int, str] = {}
    for name, (value,) in members.items():
        if value in names:
            what = f'gives "{names[value]}" and "{name}" one label, {value}'
            raise InputError(what, hint="Give each structure a label of its own")
        names[value] = name
    return names


def _values(value: Any) -> tuple[int, ...]:
    return tuple(map(_whole, value)) if isinstance(value, list) else (_whole(value),)


def _whole(value: Any) -> int:
    """Return a label value, which some write as text.

    Raises:
        ValueError: If it is no whole number.
    """
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(f"label {value}")
    return int(value)
