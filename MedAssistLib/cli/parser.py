"""The arguments of the ``medassist`` command."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import NoReturn

from MedAssistLib import __version__
from MedAssistLib.errors import UsageError

_COMMANDS = {
    "read": "read a DICOM folder or image file, show what it is, write it as one file",
    "enhance": "even out and denoise a scan",
    "segment": "find structures with a model",
    "measure": "measure the structures of a segmentation",
    "evaluate": "compare segmentations with a reference: Dice, surface distances, volumes",
    "check": "say what in a scan and its segmentation deserves a second look",
    "train": "learn from labelled cases: from a data set to a model",
    "export": "write a case for other programs: segmentation, DICOM, meshes, scene, table, report",
    "render": "write pictures: slices or 3D",
    "deidentify": "write copies of scans that say nothing about the patient",
    "models": "list the models and show their cards",
    "demo": "do all of it on a real head scan",
}


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"See: {self.prog} --help")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; the parsed arguments have a ``run`` to call with them and a progress."""
    parser = _Parser(
        prog="medassist",
        description="A spell-checker for medical images. Not a medical device.",
    )
    parser.add_argument("--version", action="version", version=f"medassist {__version__}")
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, summary in _COMMANDS.items():
        command = import_module(f"MedAssistLib.cli.commands.{name}")
        sub = verbs.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.add_argument("--json", action="store_true", help="print the result as JSON")
        sub.add_argument(
            "--debug", action="store_true", help="show tracebacks and library messages"
        )
        command.add_arguments(sub)
        sub.set_defaults(run=command.run)
    return parser
