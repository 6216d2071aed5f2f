"""``medassist enhance``: a chain of filters on a scan."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from MedAssistLib.cli.commands import Outcome
from MedAssistLib.cli.inputs import add_output, add_scan, read_scan_of
from MedAssistLib.errors import UsageError
from MedAssistLib.progress import Progress

if TYPE_CHECKING:
    from MedAssistLib.enhance import Step
    from MedAssistLib.enhance.options import Domain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_scan(parser)
    add_output(parser, "write the enhanced scan: .nii.gz, .nrrd or .mha")
    chain = parser.add_mutually_exclusive_group()
    chain.add_argument(
        "--filter",
        dest="filters",
        action="append",
        metavar="NAME[:OPTION=VALUE,…]",
        help="a filter of the chain, in order; without any, the chain that suits the modality",
    )
    chain.add_argument("--preset", metavar="NAME", help="a chain that comes with MedAssist")
    chain.add_argument("--chain", type=Path, metavar="FILE.json", help="a chain that was saved")
    parser.add_argument(
        "--save-chain", type=Path, metavar="FILE.json", help="write the chain for later use"
    )
    parser.add_argument(
        "--filters-help",
        action=_FiltersHelp,
        help="list the filters with their options and the presets, and exit",
    )


def run(arguments: argparse.Namespace, progress: Progress) -> Outcome:
    """Read, enhance, write."""
    from MedAssistLib.enhance import enhance, write_chain
    from MedAssistLib.export.formats import SCAN_FORMATS, writer
    from MedAssistLib.files import require_writable

    write = writer(SCAN_FORMATS, arguments.output)
    # A mistyped name is to be told before a large scan is read; the modality comes with the scan.
    _chain(arguments, arguments.modality.upper())
    if arguments.save_chain:
        _require_apart(arguments)
        require_writable(arguments.save_chain)
    scan = read_scan_of(arguments, progress.part("Reading", 0.0, 0.1))
    chain = _chain(arguments, scan.modality)
    enhanced = enhance(scan, chain, progress.part("Enhancing", 0.1, 0.9))
    progress.part("Writing", 0.9, 1.0).update(0.0)
    write(enhanced, arguments.output)
    if arguments.save_chain:
        write_chain(chain, arguments.save_chain)
    done = list(enhanced.enhancement)
    written = [str(path) for path in (arguments.output, arguments.save_chain) if path]
    text = "\n".join([*done, *(f"wrote {path}" for path in written)])
    return Outcome(text, {"filters": done, "output": str(arguments.output)})


def _chain(arguments: argparse.Namespace, modality: str) -> tuple[Step, ...]:
    """Return the chain that the arguments name, with the modality's defaults."""
    from MedAssistLib.enhance import default_chain, parse_step, preset, read_chain

    if arguments.preset is not None:
        found = preset(arguments.preset)
        if modality not in ("", found.modality):
            hint = f"Say --modality {found.modality} if it is one"
            what = f"is for {found.modality}, and this scan is {modality}"
            raise UsageError(what, where=f"preset {found.name}", hint=hint)
        return found.chain
    if arguments.chain:
        return read_chain(arguments.chain, modality)
    if arguments.filters:
        return tuple(parse_step(text, modality) for text in arguments.filters)
    return default_chain(modality)


def _require_apart(arguments: argparse.Namespace) -> None:
    """Refuse to write the chain over the scan or over its result."""
    saved = arguments.save_chain.resolve()
    if saved in (Path(arguments.scan).resolve(), arguments.output.resolve()):
        hint = "Give the chain another name"
        raise UsageError("would be replaced by the chain", where=arguments.save_chain, hint=hint)


class _FiltersHelp(argparse.Action):
    """Print the filters and exit, as ``--help`` does."""

    def __init__(self, option_strings: list[str], dest: str, help: str) -> None:  # noqa: A002
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_unused: object) -> None:
        print(_filters_text())
        parser.exit()


def _filters_text() -> str:
    from MedAssistLib.enhance import filter_kinds, presets
    from MedAssistLib.enhance.options import domain

    lines = ["FILTERS"]
    for kind in filter_kinds().values():
        lines.append(f"{kind.name}\n  {kind.help}")
        for field in dataclasses.fields(kind.options):
            known = domain(field)
            lines.append(f"    {_option_text(field.name, known, known.text(field.default))}")
    lines.append("PRESETS")
    for entry in presets().values():
        lines.append(f"{entry.name}\n  {entry.help}")
        lines += [f"    {step}" for step in entry.chain]
    return "\n".join(lines)


def _option_text(name: str, known: Domain, standard: str) -> str:
    """Return an option in a line: what it does, what it takes, what it is when not given."""
    unit = "" if known.unit == "1" else f" {known.unit.strip('{}')}"
    default = f"default {standard}" if standard else "must be given"
    if known.auto:
        default += f": {known.auto}"
    others = "".join(
        f", {modality} {known.text(value)}" for modality, value in known.by_modality.items()
    )
    return f"{name}: {known.help} ({known.limits()}{unit}; {default}{others})"
