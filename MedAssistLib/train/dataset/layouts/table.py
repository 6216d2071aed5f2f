"""A CSV of image and label paths, with a description of the labels beside it.

Columns: ``image``, or one ``image_NAME`` for each channel; ``label``; if given, ``patient`` or
``group``, and ``name``. Paths are relative to the CSV. ``cases.json`` beside ``cases.csv`` may give
``labels``, ``channel_names``, ``name``, ``licence`` and the like as nnU-Net's dataset.json does.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from MedAssistLib.errors import InputError
from MedAssistLib.files import readable
from MedAssistLib.progress import Progress
from MedAssistLib.train.dataset.cases import LabelledCase, TrainingSet
from MedAssistLib.train.dataset.folder import group_of, left_out, names_of, present
from MedAssistLib.train.dataset.layout import Layout
from MedAssistLib.train.dataset.undescribed import Draft, completed

_SUFFIXES = (".csv", ".tsv")
_DELIMITERS = ",;\t"
_GROUPS = ("group", "patient")

Row = dict[str, str]


def _recognises(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in _SUFFIXES


def _read(path: Path, progress: Progress) -> TrainingSet:
    columns, rows = _rows(path)
    images = _image_columns(path, columns)
    needed = (*images, "label")
    empty = [f"line {line}" for line, row in rows.items() if not all(row[name] for name in needed)]
    whole = [row for row in rows.values() if all(row[name] for name in needed)]
    cases, missing = present(_cases(path, whole, images))
    draft = Draft(
        source=path,
        description=path.with_suffix(".json"),
        cases=cases,
        channels=tuple(name.removeprefix("image_") for name in images),
        findings=(
            *left_out("dataset.empty-fields", empty, "line without an image or a label"),
            *missing,
        ),
    )
    return completed(draft, progress)


def _rows(path: Path) -> tuple[list[str], dict[int, Row]]:
    """Return the columns, and the rows by number of the line."""
    hint = "Save it as CSV in UTF-8 with the columns image and label"
    with readable(path) as stream:
        try:
            text = stream.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError("is not text in UTF-8", where=path, hint=hint) from error
    header = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(_DELIMITERS, key=header.count))
    try:
        lines = [(reader.line_num, [field.strip() for field in line]) for line in reader]
    except csv.Error as error:
        raise InputError(f"is not a readable table ({error})", where=path, hint=hint) from error
    filled = [(number, line) for number, line in lines if any(line)]
    if not filled:
        raise InputError("is empty", where=path, hint=hint)
    columns = [name.lower() for name in filled[0][1]]
    rows = {}
    for number, line in filled[1:]:
        if len(line) > len(columns):
            what = f"has more fields than columns in line {number}"
            raise InputError(what, where=path, hint="Put paths with commas in quotes")
        rows[number] = dict.fromkeys(columns, "") | dict(zip(columns, line, strict=False))
    return columns, rows


def _image_columns(path: Path, columns: Sequence[str]) -> tuple[str, ...]:
    images = tuple(name for name in columns if name == "image" or name.startswith("image_"))
    lacking = [] if images else ["image"]
    lacking += [] if "label" in columns else ["label"]
    if lacking or len(set(columns)) != len(columns):
        what = f"has no column {' and no column '.join(lacking)}" if lacking else ""
        hint = "It needs the columns image (or image_0, image_1 and so on) and label"
        raise InputError(what or "has two columns of one name", where=path, hint=hint)
    return images


def _cases(path: Path, rows: Sequence[Row], images: Sequence[str]) -> Iterator[LabelledCase]:
    folder = path.parent
    firsts = [folder / row[images[0]] for row in rows]
    for row, name in zip(rows, names_of(firsts, folder), strict=True):
        given = next((row[column] for column in _GROUPS if row.get(column)), "")
        yield LabelledCase(
            name=row.get("name") or name,
            images=tuple(folder / row[column] for column in images),
            label=folder / row["label"],
            group=given or group_of(name),
        )


LAYOUT = Layout(name="CSV", recognises=_recognises, read=_read)
