"""Whether an audit finds the wrong labels of a training set: 20 spoilt ones among 208 hippocampi.

The errors are drawn from those of ``Testing/check_errors.py`` of medium and large size, swapped
labels, and labels of another case. Run it with ``../shared/data`` beside the repository::

    python Testing/benchmarks/audit.py --minutes 10

trains two networks on the set as it is, wrong labels and all. With ``--training MODEL``, which
``medassist train ../shared/data/hippocampus -o MODEL --folds 5`` makes, each case is judged by a
network that has not seen it but has learned from correct labels only, which is easier; and with
``--minutes 0`` by the rules alone.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from MedAssistLib.check.audit import audit_labels
from MedAssistLib.check.cross_fitting import MINUTES, cross_fitted
from MedAssistLib.check.labelled import Judges, judges_of
from MedAssistLib.train.audit import Audit, audit
from MedAssistLib.train.dataset import TrainingSet, read_dataset
from MedAssistLib.train.facts import gather
from Testing.corrupted_labels import corrupt

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "hippocampus"
WRONG = 20


def main() -> None:
    """Spoil labels, audit, and print how many of them come first."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--training", type=Path, help="model that was trained on correct labels")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="to train without that")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="one audit for each")
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as folder:
            _once(seed, Path(folder), arguments)


def _once(seed: int, folder: Path, arguments: argparse.Namespace) -> None:
    source = folder / "data"
    wrong = {one.case: one for one in corrupt(DATA, source, WRONG, np.random.default_rng(seed))}
    dataset = read_dataset(source)
    looked = audit(dataset, gather(dataset))
    began = time.perf_counter()
    judges = _judges(dataset, looked, folder, arguments)
    trained = time.perf_counter()
    suspects = audit_labels(judges, looked)
    seconds = time.perf_counter() - trained
    found = sum(suspect.case in wrong for suspect in suspects[:WRONG])
    print(
        f"\nseed {seed}: {found} of {WRONG} wrong labels among the first {WRONG} of "
        f"{len(suspects)}; {trained - began:.0f} s to train, {seconds:.0f} s to judge"
    )
    for rank, suspect in enumerate(suspects, 1):
        error = wrong.get(suspect.case)
        if rank <= WRONG or error:
            what = f"{error.kind} {error.size:g} mm" if error else "(not spoilt)"
            print(f"{rank:4} {what:24} {suspect.decades:6.1f}  {suspect.reason}", flush=True)


def _judges(
    dataset: TrainingSet, looked: Audit, folder: Path, arguments: argparse.Namespace
) -> Judges:
    if arguments.training:
        return replace(judges_of(dataset, arguments.training), card=None)
    if arguments.minutes == 0.0:
        return Judges(dataset=dataset)
    return cross_fitted(
        dataset.folder, dataset, looked, folder, minutes=arguments.minutes, device="cpu"
    )


if __name__ == "__main__":
    main()
