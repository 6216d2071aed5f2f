"""``medassist deidentify``: copies of scans that say nothing about the patient."""

from __future__ import annotations

import argparse
import csv
import secrets
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from MedAssistLib.cli.commands import Outcome
from MedAssistLib.cli.inputs import WHAT_A_SCAN_IS
from MedAssistLib.errors import UsageError
from MedAssistLib.progress import Progress

if TYPE_CHECKING:
    from MedAssistLib.export.deidentify import Report

_KEY_BYTES = 32
_MOST_LEFT_OUT = 20
_WIDTH = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("inputs", metavar="INPUT", nargs="+", help=WHAT_A_SCAN_IS)
    what = "new folder, .zip, or, for one file, a file of the same format"
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="PATH", help=what)
    dates = parser.add_mutually_exclusive_group()
    dates.add_argument(
        "--keep-dates", action="store_true", help="keep dates and times, but not of birth"
    )
    dates.add_argument("--shift-dates", type=int, metavar="DAYS", help="move dates; keep times")
    parser.add_argument(
        "--keep-uids", action="store_true", help="keep the UIDs of studies, series and images"
    )
    parser.add_argument("--deface", action="store_true", help="take the face out of heads")
    parser.add_argument(
        "--brain", type=Path, metavar="FILE", help="find the face by this brain, not by the model"
    )
    parser.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="secret that gives the same new names and UIDs again; made if it is not there",
    )
    parser.add_argument(
        "--patients", type=Path, metavar="FILE", help="CSV of patient IDs and new names"
    )
    parser.add_argument(
        "--leave-out", action="store_true", help="leave out what cannot be cleaned; do not refuse"
    )
    parser.add_argument(
        "--blank-text", action="store_true", help="write reports with their free text taken out"
    )
    parser.add_argument(
        "--allow-burned-in", action="store_true", help="write pictures that may show text"
    )
    parser.add_argument(
        "--keep-names", action="store_true", help="keep the names of files and folders"
    )


def run(arguments: argparse.Namespace, progress: Progress) -> Outcome:
    """Clean, write, and tell what was done."""
    from MedAssistLib.export.deidentify import DeidentifyOptions, deidentify

    if arguments.shift_dates == 0:
        raise UsageError("--shift-dates 0 moves nothing", hint="Keep them with --keep-dates")
    options = DeidentifyOptions(
        keep_dates=arguments.keep_dates,
        shift_days=arguments.shift_dates or 0,
        keep_uids=arguments.keep_uids,
        deface=arguments.deface,
        brain=arguments.brain,
        key=_key(arguments.key) if arguments.key else b"",
        patients=_patients(arguments.patients) if arguments.patients else {},
        leave_out=arguments.leave_out,
        blank_text=arguments.blank_text,
        allow_burned_in=arguments.allow_burned_in,
        keep_names=arguments.keep_names,
    )
    report = deidentify(arguments.inputs, arguments.output, options, progress)
    return Outcome(_text(report), _data(report))


def _key(path: Path) -> bytes:
    """Return the secret in a file, which is made if it is not there."""
    from MedAssistLib.files import readable, write_text

    if not path.exists():
        write_text(path, secrets.token_hex(_KEY_BYTES) + "\n")
        path.chmod(0o600)
    with readable(path) as stream:
        return stream.read().strip()


def _patients(path: Path) -> Mapping[str, str]:
    """Return pseudonyms by Patient ID.

    Raises:
        UsageError: If the file has other than two columns, or an ID twice.
    """
    from MedAssistLib.files import readable

    hint = "Write one patient a line: ID,new name"
    with readable(path) as stream:
        try:
            lines = stream.read().decode("utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise UsageError("is not UTF-8 text", where=path, hint=hint) from error
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines) if row]
    if not all(len(row) == 2 and row[0] for row in rows):
        raise UsageError("has lines without two columns", where=path, hint=hint)
    if len({row[0] for row in rows}) != len(rows):
        raise UsageError("has a patient twice", where=path, hint=hint)
    return {row[0]: row[1] for row in rows}


def _text(report: Report) -> str:
    from MedAssistLib.cli.tables import table
    from MedAssistLib.export.deidentify import KEPT

    cells = [[row.attribute, row.deed, str(row.files)] for row in report.rows if row.deed != KEPT]
    kept = ", ".join(row.attribute for row in report.rows if row.deed == KEPT)
    lines = [table(["attribute", "what was done", "files"], cells), ""]
    lines += [textwrap.fill(f"kept: {kept}", _WIDTH, subsequent_indent="  "), ""]
    lines += [f"left out: {one.path}: {one.reason}" for one in report.left_out[:_MOST_LEFT_OUT]]
    more = len(report.left_out) - _MOST_LEFT_OUT
    lines += [f"left out: {more} more files"] * (more > 0)
    lines += [f"note: {warning}" for warning in report.warnings]
    count = "1 file" if report.files == 1 else f"{report.files} files"
    return "\n".join([*lines, f"wrote {count}: {report.output}"])


def _data(report: Report) -> dict[str, object]:
    return {
        "output": str(report.output),
        "files": report.files,
        "attributes": [
            {"attribute": row.attribute, "done": row.deed, "files": row.files}
            for row in report.rows
        ],
        "left_out": [{"file": str(one.path), "reason": one.reason} for one in report.left_out],
        "warnings": list(report.warnings),
    }
