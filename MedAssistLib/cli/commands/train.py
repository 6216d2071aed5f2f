"""``medassist train``: learn from labelled cases."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from MedAssistLib.cli.commands import Outcome
from MedAssistLib.cli.times import minutes
from MedAssistLib.progress import Progress
from MedAssistLib.segment.options import DEVICES
from MedAssistLib.train.options import FOLDS, TrainOptions

if TYPE_CHECKING:
    from MedAssistLib.train.run import Report, TrainResult

_WHAT = (
    "folder of the Medical Segmentation Decathlon or of nnU-Net v2 (raw), CSV with columns image "
    "and label, or folder of pairs"
)
_START = (
    "start from the weights of this model: of MedAssist, nnU-Net or TotalSegmentator, or of "
    "MONAI's with a SegResNet"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("dataset", metavar="DATASET", type=Path, help=_WHAT)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="MODEL", required=True, help="folder of the model"
    )
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where to train")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--time", metavar="30m", help="time to learn, such as 30m or 8h")
    length.add_argument("--epochs", type=int, help="epochs of each network (what the plan says)")
    parser.add_argument(
        "--folds",
        type=int,
        default=1,
        help=f"networks, each with another part of the cases held out, 1 to {FOLDS} (1)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the training that lies in MODEL"
    )
    parser.add_argument("--from", dest="start", metavar="MODEL", type=Path, help=_START)
    parser.add_argument(
        "--splits", metavar="FILE", type=Path, help="which cases to hold out, as nnU-Net writes it"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (0)")


def run(arguments: argparse.Namespace, progress: Progress) -> Outcome:
    """Train, telling each epoch."""
    from MedAssistLib.segment.device import device_of

    device_of(arguments.device)  # Says in words that PyTorch is missing.
    from MedAssistLib.train.run import train

    options = TrainOptions(
        device=arguments.device,
        minutes=minutes(arguments.time) if arguments.time else None,
        epochs=arguments.epochs,
        folds=arguments.folds,
        resume=arguments.resume,
        start=arguments.start,
        splits=arguments.splits,
        seed=arguments.seed,
    )
    learning = progress.part("", 0.0, 0.97)
    result = train(arguments.dataset, arguments.output, options, learning, _tell)
    if os.environ.get("RANK", "0") != "0":
        sys.exit(0)  # Of the processes that torchrun started, the first one tells.
    from MedAssistLib.check.calibrating import calibrate_model

    note = calibrate_model(arguments.dataset, result.card, progress.part("", 0.97, 1.0))
    print(f"medassist: {note}", file=sys.stderr)
    return _outcome(result, arguments)


def _tell(report: Report) -> None:
    if report.epoch is None:
        print(f"medassist: {report.message}", file=sys.stderr)
        return
    epoch = report.epoch
    dice = "  Dice " + " ".join(f"{value:.3f}" for value in epoch.dice) if epoch.dice else ""
    network = f"network {report.fold + 1}, " if report.folds > 1 else ""
    text = f"{network}epoch {epoch.number}: loss {epoch.loss:.3f}{dice}, {epoch.seconds:.0f} s"
    print(text, file=sys.stderr)


def _outcome(result: TrainResult, arguments: argparse.Namespace) -> Outcome:
    audit = result.prepared.audit
    lines = [f"{result.card.name}: {result.card.accuracy}", f"wrote {arguments.output}"]
    data = {
        "model": str(arguments.output),
        "accuracy": result.card.accuracy,
        "measured": result.measured.as_json(),
        "epochs": [len(history) for history in result.epochs],
        "audit": audit.rows() if audit else [],
    }
    return Outcome("\n".join(lines), data)
