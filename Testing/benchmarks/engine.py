"""Wall time, memory and agreement of MedAssist, nnU-Net and MONAI on the same weights and scan.

Run it in the environment that ``make test-parity`` makes, with ``../shared/data`` beside the
repository::

    .venv-parity/bin/python Testing/benchmarks/engine.py --case small --repeats 3

Every run is a process of its own, the programs in turn; "cold" is all of it with the imports,
"warm" a second run in the same process. No process may take more than nine tenths of the machine's
memory: what wants more is told as failed. The network (about 16 million parameters) is fitted to
the scan's reference labels for some minutes first and kept in ``--folder``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from Testing.benchmarks import engine_case
from Testing.benchmarks.engine_case import CASES, PATCH, Case

_MEMORY_SHARE = 0.9


@dataclass(frozen=True)
class Task:
    """What a program is given: a model's folder, a scan, where to write, a device, the case."""

    model: Path
    scan: Path
    out: Path
    device: str
    case: Case


def medassist(task: Task, *, reduced: bool = False) -> str:
    """Segment as ``medassist segment`` does; return what ran."""
    from MedAssistLib.export.images import write_labels
    from MedAssistLib.models import find
    from MedAssistLib.read import read_scan
    from MedAssistLib.segment import SegmentOptions, segment_in_detail

    options = SegmentOptions(device=task.device, reduced=reduced)
    card = find(str(task.model))
    result = segment_in_detail([read_scan(task.scan)], card, options, load=_kept)
    write_labels(result.segmentation, task.out)
    return "; ".join([result.backend, *result.steps])


_MODELS: list[Any] = []


def _kept(card: Any, device: str) -> Any:
    """Keep the model between the cold and the warm run, as the worker does."""
    from MedAssistLib.worker.cache import ModelCache

    if not _MODELS:
        _MODELS.append(ModelCache())
    return _MODELS[0].load(card, device)


def _predictor(task: Task) -> Any:
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    if not _MODELS:
        predictor = nnUNetPredictor(
            use_mirroring=False, device=torch.device(task.device),
            perform_everything_on_device=task.device != "cpu", verbose=False, allow_tqdm=False,
        )  # fmt: skip
        predictor.initialize_from_trained_model_folder(
            str(task.model), (0,), "checkpoint_final.pth"
        )
        _MODELS.append(predictor)
    return _MODELS[0]


def nnunet(task: Task) -> str:
    """Segment with nnU-Net's own predictor, in one process."""
    from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

    image, properties = SimpleITKIO().read_images([str(task.scan)])
    labels = _predictor(task).predict_single_npy_array(image, properties, None, None, False)
    SimpleITKIO().write_seg(labels, str(task.out), properties)
    return "torch"


def monai(task: Task) -> str:
    """Segment with MONAI's transforms and sliding window, as its bundles do."""
    import torch
    from monai.inferers import sliding_window_inference

    image = sitk.ReadImage(str(task.scan))
    extent = zip(image.GetSize(), image.GetSpacing(), strict=True)
    size = [round(n * s / task.case.spacing) for n, s in extent]
    values = torch.from_numpy(sitk.GetArrayFromImage(image).astype(np.float32))[None, None]
    small = torch.nn.functional.interpolate(values, size[::-1], mode="trilinear")
    data = (small.clamp(engine_case.LOW, engine_case.HIGH) - engine_case.MEAN).to(task.device)
    network = _predictor(task).network.eval().to(task.device)
    with torch.inference_mode():
        scores = sliding_window_inference(
            data / engine_case.DEVIATION, (PATCH,) * 3, 1, network, 0.5, mode="gaussian"
        )
        whole = torch.nn.functional.interpolate(scores, values.shape[2:], mode="trilinear")
        labels = whole.argmax(1)[0].to(torch.uint8).cpu()
    result = sitk.GetImageFromArray(labels.numpy())
    result.CopyInformation(image)
    sitk.WriteImage(result, str(task.out))
    return "torch"


PROGRAMS: dict[str, Callable[[Task], str]] = {
    "nnunet": nnunet,
    "medassist": medassist,
    "medassist-reduced": lambda task: medassist(task, reduced=True),
    "monai": monai,
}


def child(program: str, task: Task) -> None:
    """Run one program twice and print the warm time and what ran."""
    room = int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * _MEMORY_SHARE)
    resource.setrlimit(resource.RLIMIT_DATA, (room, room))
    run = PROGRAMS[program]
    ran = run(task)
    began = time.perf_counter()
    run(task)
    warm = time.perf_counter() - began
    print("RESULT " + json.dumps({"warm": warm, "ran": ran, "video": _video(task.device)}))


def _video(device: str) -> float:
    """Return the peak of the graphics card's memory in GB."""
    if device == "cpu":
        return 0.0
    import torch

    return torch.cuda.max_memory_reserved() / 1e9


def measured(program: str, task: Task, case: str) -> dict[str, Any]:
    """Run a program in a process of its own; return seconds and the peak of its memory in GB."""
    words = [sys.executable, __file__, "--child", program, "--case", case, "--device", task.device]
    words += ["--model", str(task.model), "--scan", str(task.scan), "--out", str(task.out)]
    task.out.unlink(missing_ok=True)
    read, write = os.pipe()
    began = time.perf_counter()
    duplicate = [(os.POSIX_SPAWN_DUP2, write, 1)]
    process = os.posix_spawn(sys.executable, words, os.environ, file_actions=duplicate)
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as stream:
        text = stream.read()
    _, status, usage = os.wait4(process, 0)
    whole = time.perf_counter() - began
    peak = usage.ru_maxrss / 1e6
    lines = [line for line in text.splitlines() if line.startswith("RESULT ")]
    if status or not lines:
        return {"failed": os.waitstatus_to_exitcode(status), "after": whole, "peak": peak}
    told = json.loads(lines[-1].removeprefix("RESULT "))
    return {**told, "cold": whole - told["warm"], "peak": peak}


def agreement(first: Path, second: Path, outputs: int) -> str:
    """Return the share of equal voxels, and the mean and least Dice over the structures."""
    a, b = (sitk.GetArrayFromImage(sitk.ReadImage(str(path))) for path in (first, second))
    both = np.bincount(a[a == b].ravel(), minlength=outputs)
    each = np.bincount(a.ravel(), minlength=outputs) + np.bincount(b.ravel(), minlength=outputs)
    scores = [2 * both[n] / each[n] for n in range(1, outputs) if each[n] > 200]
    dice = f"Dice mean {np.mean(scores):.4f}, least {min(scores):.4f} of {len(scores)}"
    return f"{np.mean(a == b):.6f} of voxels, {dice}"


def compare(name: str, folder: Path, repeats: int, programs: list[str], device: str) -> None:
    """Run all programs in turn and print medians and ratios to nnU-Net."""
    import torch

    case = CASES[name]
    model, scan = folder / name, folder / f"{name}.nii.gz"
    weights = torch.load(folder / "fitted.pt", weights_only=True)
    engine_case.write_model(model, engine_case.widened(weights, case.outputs), case)
    engine_case.write_scan(scan, case)
    runs: dict[str, list[dict[str, Any]]] = {program: [] for program in programs}
    for _ in range(repeats):
        for program in programs:
            task = Task(model, scan, folder / f"{name}-{program}.nii.gz", device, case)
            found = measured(program, task, name)
            runs[program].append(found)
            print(program, found, file=sys.stderr)
    machine = f"{_processor()}, {os.cpu_count()} cores, {device}"
    size = "×".join(str(n) for n in sitk.ReadImage(str(scan)).GetSize())
    day = time.strftime("%Y-%m-%d")
    print(f"\n{name}: {size} voxels, {case.outputs} classes at {case.spacing} mm; {machine}; ")
    print(f"torch {torch.__version__}; {repeats} runs of each; {day}\n")
    report(folder, name, runs)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(": ")[2] for line in lines if "model name" in line), "unknown")


def report(folder: Path, name: str, runs: dict[str, list[dict[str, Any]]]) -> None:
    """Print a table of medians, ratios to nnU-Net and agreement with it."""
    keys = ("cold", "warm", "peak", "video")
    print("| program | ran | cold s | warm s | RAM GB | VRAM GB | cold ÷ | warm ÷ | RAM ÷ | same |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    middle: dict[str, dict[str, float]] = {}
    for program, found in runs.items():
        if any("failed" in one for one in found):
            after = f"failed after {found[-1]['after']:.0f} s at {found[-1]['peak']:.1f} GB"
            print(f"| {program} | {after} | | | | | | | | |")
            continue
        middle[program] = {key: statistics.median(one[key] for one in found) for key in keys}
    base = middle.get("nnunet")
    for program, values in middle.items():
        cells = [program, runs[program][0]["ran"], f"{values['cold']:.1f}", f"{values['warm']:.1f}"]
        cells += [f"{values['peak']:.2f}", f"{values['video']:.2f}"]
        if base is not None:
            cells += [f"{base[key] / values[key]:.2f}" for key in keys[:3]]
            pair = (folder / f"{name}-{program}.nii.gz", folder / f"{name}-nnunet.nii.gz")
            cells.append(agreement(*pair, CASES[name].outputs))
        print(f"| {' | '.join(cells)} |")


def main() -> None:
    """Read the arguments, fit the network if there is none, compare."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--case", choices=CASES, default="small")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--programs", default=",".join(PROGRAMS))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--folder", type=Path, default=Path("benchmark-engine"))
    parser.add_argument("--steps", type=int, default=1000, help="of fitting the network")
    parser.add_argument("--child", choices=PROGRAMS, help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--scan", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        case = CASES[given.case]
        child(given.child, Task(given.model, given.scan, given.out, given.device, case))
        return
    if not (given.folder / "fitted.pt").exists():
        engine_case.fit(given.folder, given.steps)
    compare(given.case, given.folder, given.repeats, given.programs.split(","), given.device)


if __name__ == "__main__":
    main()
