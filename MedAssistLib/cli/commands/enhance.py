"""``medassist enhance``: a chain of filters on a scan."""

from __future__ import annotations

import argparse
import dataclasses

from MedAssistLib.cli.commands import Outcome
from MedAssistLib.cli.inputs import add_output, add_scan, read_scan_of
from MedAssistLib.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_scan(parser)
    add_output(parser, "write the enhanced scan: .nii.gz, .nrrd or .mha")
    parser.add_argument(
        "--filter",
        dest="filters",
        action="append",
        metavar="NAME[:OPTION=VALUE,…]",
        help="a filter of the chain, in order; without any, the chain that suits the modality",
    )
    parser.add_argument(
        "--filters-help", action=_FiltersHelp, help="list the filters with their options, and exit"
    )


def run(arguments: argparse.Namespace, progress: Progress) -> Outcome:
    """Read, enhance, write."""
    from MedAssistLib.enhance import enhance, parse_step
    from MedAssistLib.export.formats import SCAN_FORMATS, writer

    write = writer(SCAN_FORMATS, arguments.output)
    chain = tuple(parse_step(text) for text in arguments.filters) if arguments.filters else None
    scan = read_scan_of(arguments, progress.part("Reading", 0.0, 0.1))
    enhanced = enhance(scan, chain, progress.part("Enhancing", 0.1, 0.9))
    progress.part("Writing", 0.9, 1.0).update(0.0)
    write(enhanced, arguments.output)
    done = list(enhanced.enhancement)
    text = "\n".join([*done, f"wrote {arguments.output}"])
    return Outcome(text, {"filters": done, "output": str(arguments.output)})


class _FiltersHelp(argparse.Action):
    """Print the filters and exit, as ``--help`` does."""

    def __init__(self, option_strings: list[str], dest: str, help: str) -> None:  # noqa: A002
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_unused: object) -> None:
        print(_filters_text())
        parser.exit()


def _filters_text() -> str:
    from MedAssistLib.enhance import filter_kinds

    lines = []
    for kind in filter_kinds().values():
        lines.append(f"{kind.name}\n  {kind.help}")
        for field in dataclasses.fields(kind.options):
            about = field.metadata
            unit = "" if about["unit"] == "1" else f" {about['unit']}"
            limits = f"{about['least']:g} to {about['most']:g}{unit}, default {field.default:g}"
            lines.append(f"    {field.name}: {about['help']} ({limits})")
    return "\n".join(lines)
