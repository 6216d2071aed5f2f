"""Wall time, memory and agreement of MedAssist, nnU-Net and MONAI on the same weights and scan.

Run it in the environment that ``make test-parity`` makes, with ``../shared/data`` beside the
repository::

    .venv-parity/bin/python Testing/benchmarks/engine.py --case small --repeats 3

Every run is a process of its own, the programs in turn; "cold" is all of it with the imports,
"warm" a second run in the same process. The network (about 16 million parameters, 25 classes, 3 mm)
is fitted to the scan's reference labels for some minutes first and kept in ``--folder``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "ct"
CLASSES, SPACING, PATCH = 24, 3.0, 64
LOW, HIGH, MEAN, DEVIATION = -900.0, 600.0, 0.0, 250.0
SIZES = {"small": None, "full": (512, 512, 200)}
PROGRAMS = ("medassist", "medassist-reduced", "nnunet", "monai")
ARGUMENTS = {
    "n_stages": 5,
    "features_per_stage": [32, 64, 128, 256, 320],
    "conv_op": "torch.nn.modules.conv.Conv3d",
    "kernel_sizes": [[3, 3, 3]] * 5,
    "strides": [[1, 1, 1], *[[2, 2, 2]] * 4],
    "n_conv_per_stage": [2] * 5,
    "n_conv_per_stage_decoder": [2] * 4,
    "conv_bias": True,
    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
    "norm_op_kwargs": {"eps": 1e-5, "affine": True},
    "dropout_op": None,
    "dropout_op_kwargs": None,
    "nonlin": "torch.nn.LeakyReLU",
    "nonlin_kwargs": {"inplace": True},
}
CLASS_NAME = "dynamic_network_architectures.architectures.unet.PlainConvUNet"


def scan_and_labels() -> tuple[sitk.Image, sitk.Image]:
    """Return the small part of the trunk CT and its 24 largest structures, labelled 1 to 24."""
    scan = sitk.ReadImage(str(DATA / "example_ct_sm.nii.gz"))
    image = sitk.ReadImage(str(DATA / "example_seg.nii.gz"))
    labels = sitk.GetArrayFromImage(image)
    order = np.argsort(np.bincount(labels.ravel())[1:])[::-1][:CLASSES] + 1
    table = np.zeros(int(labels.max()) + 1, dtype=np.uint8)
    table[order] = np.arange(1, CLASSES + 1)
    small = sitk.GetImageFromArray(table[labels])
    small.CopyInformation(image)
    return scan, small


def fit(folder: Path, steps: int) -> None:
    """Fit the network to the labelled part and write it as nnU-Net would."""
    import torch
    from torch.nn import functional

    from MedAssistLib.models.networks import build_network

    scan, labels = (sitk.GetArrayFromImage(i) for i in scan_and_labels())
    values = torch.from_numpy((np.clip(scan, LOW, HIGH).astype(np.float32) - MEAN) / DEVIATION)
    truth = torch.from_numpy(labels.astype(np.int64))
    torch.manual_seed(0)
    network = build_network(CLASS_NAME, ARGUMENTS, inputs=1, outputs=CLASSES + 1)
    network = network.to_empty(device="cpu")
    for module in network.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    optimiser = torch.optim.AdamW(network.parameters(), 5e-4)
    random = np.random.default_rng(0)
    depth = min(48, values.shape[0] // 16 * 16)
    began = time.perf_counter()
    for step in range(steps):
        ends = zip(values.shape, (depth, 48, 48), strict=True)
        starts = [(int(random.integers(0, n - d + 1)), d) for n, d in ends]
        box = tuple(slice(start, start + d) for start, d in starts)
        scores = network(values[box][None, None])
        loss = functional.cross_entropy(scores, truth[box][None])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        if step % 10 == 0:
            seconds = time.perf_counter() - began
            print(f"fit: step {step}, loss {loss.item():.3f}, {seconds:.0f} s", file=sys.stderr)
    write_model(folder, dict(network.state_dict()))


def write_model(folder: Path, weights: dict[str, Any]) -> None:
    """Write the folder of a trained model in nnU-Net's format."""
    import torch

    splines = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    configuration = {
        "data_identifier": "nnUNetPlans_3d_fullres",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": [PATCH] * 3,
        "median_image_size_in_voxels": [112.0, 101.0, 122.0],
        "spacing": [SPACING] * 3,
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": splines,
        "resampling_fn_seg_kwargs": {**splines, "is_seg": True, "order": 1},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": {**splines, "order": 1},
        "architecture": {
            "network_class_name": CLASS_NAME,
            "arch_kwargs": ARGUMENTS,
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
        "batch_dice": False,
    }
    intensities = {
        "max": 1000.0, "mean": MEAN, "median": MEAN, "min": -1000.0,
        "percentile_00_5": LOW, "percentile_99_5": HIGH, "std": DEVIATION,
    }  # fmt: skip
    plans = {
        "dataset_name": "Dataset900_Trunk",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [SPACING] * 3,
        "original_median_shape_after_transp": [112, 101, 122],
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"3d_fullres": configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": intensities},
    }
    dataset = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, **{f"structure_{n}": n for n in range(1, CLASSES + 1)}},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    (folder / "fold_0").mkdir(parents=True, exist_ok=True)
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    checkpoint = {
        "network_weights": weights,
        "init_args": {"configuration": "3d_fullres"},
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": None,
    }
    torch.save(checkpoint, folder / "fold_0" / "checkpoint_final.pth")


def write_scan(path: Path, size: tuple[int, int, int] | None) -> None:
    """Write the trunk CT, resampled to ``size`` voxels of 0.7×0.7×1.7 mm if one is given."""
    scan = sitk.ReadImage(str(DATA / "example_ct.nii.gz"))
    if size is not None:
        grid = sitk.Image(size, sitk.sitkUInt8)
        grid.SetSpacing((0.7, 0.7, 1.7))
        grid.SetDirection(scan.GetDirection())
        extent = np.array(size) * (0.7, 0.7, 1.7)
        half = [(n - 1) / 2 for n in scan.GetSize()]
        middle = scan.TransformContinuousIndexToPhysicalPoint(half)
        turned = np.array(scan.GetDirection()).reshape(3, 3)
        grid.SetOrigin((np.array(middle) - turned @ (extent / 2)).tolist())
        spline = (sitk.Transform(), sitk.sitkBSpline, -1000.0, sitk.sitkInt16)
        scan = sitk.Resample(scan, grid, *spline)
    sitk.WriteImage(scan, str(path))


def run_medassist(model: Path, scan: Path, out: Path, *, reduced: bool) -> str:
    """Segment as ``medassist segment`` does; return what ran."""
    from MedAssistLib.export.images import write_labels
    from MedAssistLib.models import find
    from MedAssistLib.read import read_scan
    from MedAssistLib.segment import SegmentOptions, segment_in_detail

    options = SegmentOptions(device="cpu", reduced=reduced)
    result = segment_in_detail([read_scan(scan)], find(str(model)), options, load=_kept)
    write_labels(result.segmentation, out)
    return str(getattr(result, "backend", "torch"))


_MODELS: list[Any] = []


def _kept(card: Any, device: str) -> Any:
    """Keep the model between the cold and the warm run, as the worker does."""
    from MedAssistLib.worker.cache import ModelCache

    if not _MODELS:
        _MODELS.append(ModelCache())
    return _MODELS[0].load(card, device)


def _nnunet(model: Path) -> Any:
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    if not _MODELS:
        predictor = nnUNetPredictor(
            use_mirroring=False, device=torch.device("cpu"), perform_everything_on_device=False,
            verbose=False, allow_tqdm=False,
        )  # fmt: skip
        predictor.initialize_from_trained_model_folder(str(model), (0,), "checkpoint_final.pth")
        _MODELS.append(predictor)
    return _MODELS[0]


def run_nnunet(model: Path, scan: Path, out: Path) -> str:
    """Segment with nnU-Net's own predictor, in one process."""
    from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

    image, properties = SimpleITKIO().read_images([str(scan)])
    labels = _nnunet(model).predict_single_npy_array(image, properties, None, None, False)
    SimpleITKIO().write_seg(labels, str(out), properties)
    return "torch"


def run_monai(model: Path, scan: Path, out: Path) -> str:
    """Segment with MONAI's transforms and sliding window, as its bundles do."""
    import torch
    from monai.inferers import sliding_window_inference

    image = sitk.ReadImage(str(scan))
    extent = zip(image.GetSize(), image.GetSpacing(), strict=True)
    size = [round(n * s / SPACING) for n, s in extent]
    values = torch.from_numpy(sitk.GetArrayFromImage(image).astype(np.float32))[None, None]
    small = torch.nn.functional.interpolate(values, size[::-1], mode="trilinear")
    data = (small.clamp(LOW, HIGH) - MEAN) / DEVIATION
    network = _nnunet(model).network.eval()
    with torch.inference_mode():
        scores = sliding_window_inference(data, (PATCH,) * 3, 1, network, 0.5, mode="gaussian")
        whole = torch.nn.functional.interpolate(scores, values.shape[2:], mode="trilinear")
        labels = whole.argmax(1)[0].to(torch.uint8)
    result = sitk.GetImageFromArray(labels.numpy())
    result.CopyInformation(image)
    sitk.WriteImage(result, str(out))
    return "torch"


def child(program: str, model: Path, scan: Path, out: Path) -> None:
    """Run one program twice and print the warm time and what ran."""
    run = {
        "medassist": lambda: run_medassist(model, scan, out, reduced=False),
        "medassist-reduced": lambda: run_medassist(model, scan, out, reduced=True),
        "nnunet": lambda: run_nnunet(model, scan, out),
        "monai": lambda: run_monai(model, scan, out),
    }[program]
    began = time.perf_counter()
    backend = run()
    first = time.perf_counter() - began
    began = time.perf_counter()
    run()
    warm = time.perf_counter() - began
    print("RESULT " + json.dumps({"first": first, "warm": warm, "ran": backend}))


def measured(program: str, model: Path, scan: Path, out: Path) -> dict[str, Any]:
    """Run a program in a process of its own; return seconds and the peak of its memory in GB."""
    command = [sys.executable, __file__, "--child", program, "--model", str(model)]
    began = time.perf_counter()
    read, write = os.pipe()
    process = os.posix_spawn(
        sys.executable,
        [*command, "--scan", str(scan), "--out", str(out)],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, write, 1)],
    )
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as stream:
        text = stream.read()
    _, status, usage = os.wait4(process, 0)
    whole = time.perf_counter() - began
    lines = [line for line in text.splitlines() if line.startswith("RESULT ")]
    if status or not lines:
        return {"failed": os.waitstatus_to_exitcode(status)}
    told = json.loads(lines[-1].removeprefix("RESULT "))
    peak = usage.ru_maxrss / 1e6
    return {"cold": whole - told["warm"], "warm": told["warm"], "ran": told["ran"], "peak": peak}


def agreement(first: Path, second: Path) -> str:
    """Return the share of equal voxels, and the mean and least Dice over the structures."""
    a, b = (sitk.GetArrayFromImage(sitk.ReadImage(str(path))) for path in (first, second))
    scores = [
        2 * np.count_nonzero((a == n) & (b == n)) / total
        for n in range(1, CLASSES + 1)
        if (total := np.count_nonzero(a == n) + np.count_nonzero(b == n)) > 200
    ]
    dice = f"Dice mean {np.mean(scores):.4f}, least {min(scores):.4f}"
    return f"{np.mean(a == b):.6f} of voxels, {dice}"


def compare(case: str, folder: Path, repeats: int, programs: list[str]) -> None:
    """Run all programs in turn and print medians and ratios to nnU-Net."""
    import torch

    model, scan = folder / "model", folder / f"{case}.nii.gz"
    write_scan(scan, SIZES[case])
    runs: dict[str, list[dict[str, Any]]] = {program: [] for program in programs}
    for _ in range(repeats):
        for program in programs:
            found = measured(program, model, scan, folder / f"{case}-{program}.nii.gz")
            runs[program].append(found)
            print(program, found, file=sys.stderr)
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    size = "×".join(str(n) for n in sitk.ReadImage(str(scan)).GetSize())
    day = time.strftime("%Y-%m-%d")
    print(f"\n{case}: {size} voxels, {machine}, torch {torch.__version__}, {day}\n")
    report(folder, case, runs)


def report(folder: Path, case: str, runs: dict[str, list[dict[str, Any]]]) -> None:
    """Print a table of medians, ratios to nnU-Net and agreement with it."""
    print("| program | ran | cold s | warm s | peak GB | cold ÷ | warm ÷ | memory ÷ | same |")
    print("|---|---|---|---|---|---|---|---|---|")
    whole = {name: found for name, found in runs.items() if not any("failed" in r for r in found)}
    middle = {
        name: {key: statistics.median(r[key] for r in found) for key in ("cold", "warm", "peak")}
        for name, found in whole.items()
    }
    base = middle.get("nnunet")
    for name, values in middle.items():
        cells = [name, whole[name][0]["ran"]]
        cells += [f"{values['cold']:.1f}", f"{values['warm']:.1f}", f"{values['peak']:.2f}"]
        if base is not None:
            cells += [f"{base[key] / values[key]:.2f}" for key in ("cold", "warm", "peak")]
            pair = (folder / f"{case}-{name}.nii.gz", folder / f"{case}-nnunet.nii.gz")
            cells.append(agreement(*pair))
        print(f"| {' | '.join(cells)} |")


def main() -> None:
    """Read the arguments, fit the network if there is none, compare."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--case", choices=SIZES, default="small")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--programs", default=",".join(PROGRAMS))
    parser.add_argument("--folder", type=Path, default=Path("benchmark-engine"))
    parser.add_argument("--steps", type=int, default=120, help="of fitting the network")
    parser.add_argument("--child", choices=PROGRAMS, help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--scan", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.model, arguments.scan, arguments.out)
        return
    if not (arguments.folder / "model" / "plans.json").exists():
        fit(arguments.folder / "model", arguments.steps)
    compare(arguments.case, arguments.folder, arguments.repeats, arguments.programs.split(","))


if __name__ == "__main__":
    main()
