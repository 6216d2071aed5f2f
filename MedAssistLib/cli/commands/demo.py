"""``medassist demo``: the whole way, on the MNI152 head that nilearn carries."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from MedAssistLib.case import Case
from MedAssistLib.cli.commands import Outcome
from MedAssistLib.errors import ResourceError
from MedAssistLib.progress import Progress

_HEAD = "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("demo-output"), metavar="FOLDER", help="where to"
    )


def run(arguments: argparse.Namespace, progress: Progress) -> Outcome:
    """Read, enhance, segment, measure, check, and write everything."""
    from MedAssistLib.cli.tables import measurements_table
    from MedAssistLib.export.table import rows
    from MedAssistLib.files import make_folder

    folder = make_folder(arguments.output)
    case = _case(progress.part("Reading", 0.0, 0.6))
    written = _write(case, folder, progress.part("Writing", 0.6, 1.0))
    looks = [f"look again: {finding.title}" for finding in case.findings]
    looks = looks or ["nothing that deserves a second look was found"]
    text = "\n".join(
        [measurements_table(case.measurements), "", *looks, *(f"wrote {path}" for path in written)]
    )
    data = {"measurements": rows(case.measurements), "outputs": [str(path) for path in written]}
    return Outcome(text, data)


def _case(progress: Progress) -> Case:
    from MedAssistLib.check import check, ranked
    from MedAssistLib.enhance import enhance
    from MedAssistLib.measure import measure
    from MedAssistLib.models import find
    from MedAssistLib.read import ReadOptions, read_scan
    from MedAssistLib.segment import segment

    scan = read_scan(_head(), ReadOptions(modality="MR"), progress.part("Reading", 0.0, 0.05))
    scan = replace(scan, name="MNI152 T1")
    enhanced = enhance(scan, progress=progress.part("Enhancing", 0.05, 0.5))
    brain = segment(enhanced, find("brain"), progress=progress.part("Brain", 0.5, 0.7))
    # Its networks learned from scans as they come.
    hippocampi = segment(scan, find("hippocampus"), progress=progress.part("Hippocampi", 0.7, 0.9))
    made = (brain, hippocampi)
    return Case(
        scan=scan,
        enhanced=(enhanced,),
        segmentations=made,
        measurements=tuple(m for each in made for m in measure(scan, each)),
        findings=ranked((*scan.findings, *(f for each in made for f in check(scan, each)))),
    )


def _head() -> Path:
    try:
        path = Path(str(metadata.distribution("nilearn").locate_file(_HEAD)))
    except metadata.PackageNotFoundError:
        path = None
    if path is None or not path.is_file():
        hint = 'Install it: pip install "medassist[demo]"'
        raise ResourceError("the demo's head scan is in nilearn, which is missing", hint=hint)
    return path


def _write(case: Case, folder: Path, progress: Progress) -> list[Path]:
    from MedAssistLib.export.render3d import write_render
    from MedAssistLib.export.report import write_report
    from MedAssistLib.export.seg_nrrd import write_seg_nrrd
    from MedAssistLib.export.slices import write_slices
    from MedAssistLib.export.table import write_csv
    from MedAssistLib.scene import write_mrb

    brain, hippocampi = case.segmentations
    writers: dict[str, Callable[[Path], None]] = {
        "brain.seg.nrrd": lambda path: write_seg_nrrd(brain, path),
        "hippocampi.seg.nrrd": lambda path: write_seg_nrrd(hippocampi, path),
        "measurements.csv": lambda path: write_csv(case.measurements, path),
        "slices.png": lambda path: write_slices(case.scan, brain, path),
        "hippocampi.png": lambda path: write_slices(case.scan, hippocampi, path),
        "render3d.png": lambda path: write_render(case.scan, brain, path),
        "report.html": lambda path: write_report(case, path),
        "scene.mrb": lambda path: write_mrb(case, path),
    }
    for number, (name, write) in enumerate(writers.items()):
        start, stop = number / len(writers), (number + 1) / len(writers)
        progress.part(f"Writing {name}", start, stop).update(0.0)
        write(folder / name)
    return [folder / name for name in writers]
