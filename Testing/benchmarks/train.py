"""How good and how quick the training is.

    python Testing/benchmarks/train.py folds MODEL
    python Testing/benchmarks/train.py loader DATASET [--threads 1]

``folds`` prints the cross-validation that a model's card records. ``loader`` draws augmented
patches of one size from one data set with MedAssist's batches and with nnU-Net's own loader in its
single thread, in turns in one process, and prints patches a second and their ratio, and which share
of one of MedAssist's training steps the drawing takes; it needs nnU-Net (the environment of
``make test-parity``).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

ROUNDS, PATCHES = 5, 60
_ID = 4


def main() -> None:
    """Run the part that is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parts = parser.add_subparsers(dest="part", required=True)
    folds = parts.add_parser("folds")
    folds.add_argument("model", type=Path)
    loader = parts.add_parser("loader")
    loader.add_argument("dataset", type=Path, help="of the Medical Segmentation Decathlon")
    loader.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.part == "folds":
        print_folds(arguments.model)
    else:
        compare_loaders(arguments.dataset, arguments.threads)


def print_folds(model: Path) -> None:
    """Print the mean, the spread and the worst cases of a cross-validation."""
    from MedAssistLib.models.card import read_card

    measured = read_card(model).measured
    cases: list[dict[str, Any]] = measured["cases"]
    names = list(cases[0]["structures"])
    print("| fold | cases | " + " | ".join(f"{name}, Dice" for name in names) + " | mean |")
    print("|---|---|" + "---|" * (len(names) + 1))
    for fold in (*sorted({case["fold"] for case in cases}), None):
        chosen = [case for case in cases if fold in {case["fold"], None}]
        dice = np.array([[case["structures"][n]["dice"] for n in names] for case in chosen])
        cells = [f"{m:.4f} ± {s:.4f}" for m, s in zip(dice.mean(0), dice.std(0), strict=True)]
        title = "all" if fold is None else str(fold)
        print(f"| {title} | {len(chosen)} | " + " | ".join(cells) + f" | {dice.mean():.4f} |")
    for quantity, unit in (("hd95", " mm"), ("nsd_1mm", "")):
        means = [measured["structures"][name][quantity]["mean"] for name in names]
        print(f"{quantity}: " + ", ".join(f"{mean:.3f}{unit}" for mean in means))
    means = {c["case"]: np.mean([c["structures"][n]["dice"] for n in names]) for c in cases}
    worst = sorted(means, key=lambda name: means[name])[:5]
    print("worst: " + ", ".join(f"{name} {means[name]:.3f}" for name in worst))


def compare_loaders(dataset: Path, threads: int) -> None:
    """Print patches a second of both, drawn in turns."""
    import torch

    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        peer, patch = _peer(dataset, Path(folder))
        ours, step = _ours(dataset, Path(folder) / "ours", patch)
        seconds: dict[str, list[float]] = {"MedAssist": [], "nnU-Net": []}
        for _ in range(ROUNDS):
            for name, draw in (("MedAssist", ours), ("nnU-Net", peer)):
                seconds[name].append(_time(draw))
        rates = {name: PATCHES / float(np.median(taken)) for name, taken in seconds.items()}
        print(f"patches of {patch}, {threads} threads, median of {ROUNDS} rounds of {PATCHES}")
        for name, rate in rates.items():
            print(f"{name}: {rate:.1f} patches a second")
        print(f"MedAssist ÷ nnU-Net: {rates['MedAssist'] / rates['nnU-Net']:.2f}")
        drawing, learning = step()
        share = 100 * learning / (drawing + learning)
        print(f"a training step: {drawing:.3f} s drawing, {learning:.3f} s network ({share:.0f} %)")


def _time(draw: Callable[[], int]) -> float:
    began, drawn = time.perf_counter(), 0
    while drawn < PATCHES:
        drawn += draw()
    return (time.perf_counter() - began) * PATCHES / drawn


def _peer(dataset: Path, folder: Path) -> tuple[Callable[[], int], tuple[int, int, int]]:
    """Return what draws a batch of nnU-Net's and says of how many patches, and their size."""
    for name in ("raw", "preprocessed", "results"):
        os.environ[f"nnUNet_{name}"] = str(folder / name)
    raw = folder / "raw" / f"Dataset{_ID:03}_Peer"
    for part in ("imagesTr", "labelsTr"):
        (raw / part).mkdir(parents=True)
    labels = sorted((dataset / "labelsTr").glob("[!.]*.nii.gz"))
    for path in labels:
        name = path.name.removesuffix(".nii.gz")
        shutil.copy2(dataset / "imagesTr" / path.name, raw / "imagesTr" / f"{name}_0000.nii.gz")
        shutil.copy2(path, raw / "labelsTr" / path.name)
    described = json.loads((dataset / "dataset.json").read_text("utf-8"))
    described = {
        "channel_names": {"0": "MR"},
        "labels": {name: int(value) for value, name in described["labels"].items()},
        "numTraining": len(labels),
        "file_ending": ".nii.gz",
    }
    (raw / "dataset.json").write_text(json.dumps(described), "utf-8")
    import torch
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprints,
        plan_experiments,
        preprocess,
    )
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    extract_fingerprints([_ID], num_processes=1)
    plan_experiments([_ID])
    preprocess([_ID], configurations=("3d_fullres",), num_processes=(1,))
    ready = folder / "preprocessed" / raw.name
    plans = json.loads((ready / "nnUNetPlans.json").read_text("utf-8"))
    plans["continue_training"] = False
    trainer = nnUNetTrainer(plans, "3d_fullres", 0, described, torch.device("cpu"))
    trainer.initialize()
    os.environ["nnUNet_n_proc_DA"] = "0"  # noqa: SIM112
    batches = trainer.get_dataloaders()[0]
    i, j, k = trainer.configuration_manager.patch_size
    return lambda: len(next(batches)["data"]), (int(i), int(j), int(k))


def _ours(
    dataset: Path, folder: Path, patch: tuple[int, int, int]
) -> tuple[Callable[[], int], Callable[[], tuple[float, float]]]:
    """Return what draws a batch and says of how many patches, and what times a training step."""
    import torch

    from MedAssistLib.progress import Progress
    from MedAssistLib.train.batches import Batches, BatchPlan
    from MedAssistLib.train.loss import loss
    from MedAssistLib.train.network import new_network
    from MedAssistLib.train.options import TrainOptions
    from MedAssistLib.train.precision import Precision
    from MedAssistLib.train.preparation import prepare_training
    from MedAssistLib.train.together import Together
    from MedAssistLib.train.work import Work

    device, options = torch.device("cpu"), TrainOptions(device="cpu")
    prepared = prepare_training(dataset, folder, options, "cpu", lambda _line: None, Progress())
    work = Work(prepared, folder, options, device, Together(device), lambda _report: None)
    examples = list(work.examples(Progress()).values())
    plan, structures = prepared.plan, prepared.dataset.structures

    def stream(size: tuple[int, int, int]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        drawn = BatchPlan(
            patch=size,
            batch=plan.batch,
            foreground=plan.foreground,
            spacing=plan.spacing,
            augmentation=plan.augmentation,
        )
        return Batches(examples, drawn, structures.membership(), device).epoch(10**6, 0)

    def step() -> tuple[float, float]:
        network = new_network(
            plan.network, plan.arguments, inputs=1, outputs=len(structures.membership())
        ).train()
        network.to(memory_format=torch.channels_last_3d)
        precision, batches = Precision(device), stream(plan.patch)
        times = []
        for _ in range(20):
            began = time.perf_counter()
            images, shares = next(batches)
            drawn = time.perf_counter()
            with precision.reduced():
                scores = network.all_scores(images.contiguous(memory_format=torch.channels_last_3d))
            wrong = loss(scores[: plan.supervised], shares, overlapping=structures.overlapping)
            torch.autograd.backward(wrong)
            times.append((drawn - began, time.perf_counter() - drawn))
        drawing, learning = np.median(times[5:], axis=0)
        return float(drawing), float(learning)

    large = stream(patch)
    return lambda: len(next(large)[0]), step


if __name__ == "__main__":
    main()
