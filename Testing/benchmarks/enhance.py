"""How well and how fast the denoisers and presets work on real scans with noise of known strength.

Run it with ``../shared/data`` beside the repository; it writes ``ENHANCE.md`` beside itself::

    python Testing/benchmarks/enhance.py

The scan as it is counts as free of noise, though each has some of its own, so that the figures are
a lower bound. Noise is Gaussian for CT, Rician for MR; its strength is a share of the range between
the 0.5th and the 99.5th percentile of the scan, which is also the peak of PSNR and SSIM. Both are
taken inside the body only: air would decide them, as it fills most of a scan. Sharpness is how
steep the scan's own strongest 5 % of edges still are, along the scan's own gradient.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from MedAssistLib import geometry
from MedAssistLib.case import Scan
from MedAssistLib.enhance import Chain, Preview, enhance, filter_kinds, make_step, presets
from MedAssistLib.volumes import Mask, fill_holes, largest_component

Values = npt.NDArray[np.float32]

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
MNI = "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
SEED = 20261123
STEEPEST = 95.0
# Of Wang et al. 2004, doi:10.1109/TIP.2003.819861.
SSIM_SIGMA, SSIM_K1, SSIM_K2 = 1.5, 0.01, 0.03

WHY_NOT = """Gains under 3 dB, and why:

- `denoise.median`: its least neighbourhood, 3×3×3 voxels, is wider than the detail of t1_head and
  of a CT of 3 mm; it is meant for single wrong voxels.
- all but `denoise.nonlocal` on t1_head: the scan is sampled as finely as its detail, so that what
  they blur (see sharpness) costs more; on a block of 96³ voxels, stronger diffusion did worse.
- `denoise.gaussian`: it blurs edges as much as noise, by design.
- `denoise.flow`: it rounds what is thinner than its spread; fewer iterations leave more noise.
- `denoise.nonlocal` with Rician noise also takes away the brightness that noise adds to the dark.
"""


def scans() -> dict[str, Scan]:
    """Return the real scans by name."""
    files = {
        "MNI head (T1, 1 mm)": (Path(str(metadata.distribution("nilearn").locate_file(MNI))), "MR"),
        "t1_head (T1, 0.88 mm)": (DATA / "mr" / "t1_head.nii.gz", "MR"),
        "trunk CT (3 mm)": (DATA / "ct" / "example_ct.nii.gz", "CT"),
    }
    return {
        name: Scan(image=sitk.ReadImage(str(path), sitk.sitkFloat32), modality=modality)
        for name, (path, modality) in files.items()
    }


def peak_of(values: Values) -> float:
    """Return the range that noise, PSNR and SSIM are measured against."""
    low, high = np.percentile(values, (0.5, 99.5))
    return float(high - low) or 1.0


def with_noise(scan: Scan, share: float) -> Scan:
    """Return the scan with noise of a standard deviation of ``share`` of its range."""
    clean = sitk.GetArrayFromImage(scan.image)
    random = np.random.default_rng(SEED)
    sigma = share * peak_of(clean)
    first = clean + random.normal(0.0, sigma, clean.shape)
    noisy = (
        first if scan.modality == "CT" else np.hypot(first, random.normal(0, sigma, clean.shape))
    )
    image = geometry.from_array(noisy.astype(np.float32), scan.image)
    return Scan(image=image, modality=scan.modality)


def body_of(scan: Scan) -> Mask:
    """Return where the body is: above Otsu's threshold, with what it encloses."""
    inside: Mask = sitk.GetArrayFromImage(sitk.OtsuThreshold(scan.image, 0, 1)) > 0
    return fill_holes(largest_component(inside))


def psnr(made: Values, clean: Values, body: Mask, peak: float) -> float:
    """Return the ratio of peak to error in dB."""
    return float(10.0 * np.log10(peak**2 / np.square(made - clean, dtype=np.float64)[body].mean()))


def ssim(made: Values, clean: Values, body: Mask, peak: float) -> float:
    """Return the mean structural similarity in 3-D, with Gaussian weights."""

    def mean(values: Values) -> Values:
        return ndimage.gaussian_filter(values, SSIM_SIGMA)

    a, b = made.astype(np.float64), clean.astype(np.float64)
    mean_a, mean_b = mean(a), mean(b)
    of_a, of_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    both = mean(a * b) - mean_a * mean_b
    c1, c2 = (SSIM_K1 * peak) ** 2, (SSIM_K2 * peak) ** 2
    above = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    return float((above / ((mean_a**2 + mean_b**2 + c1) * (of_a + of_b + c2)))[body].mean())


def sharpness(made: Values, clean: Values) -> float:
    """Return how steep the clean image's strongest edges are in another, as a share."""
    own = np.stack(np.gradient(clean))
    steepness = np.sqrt(np.square(own).sum(axis=0))
    edges = steepness > np.percentile(steepness[steepness > 0], STEEPEST)
    along = (np.stack([g[edges] for g in np.gradient(made)]) * own[:, edges]).sum(axis=0)
    return float((along / steepness[edges]).sum() / steepness[edges].sum())


def figures(made: Values, clean: Values, body: Mask) -> list[float]:
    """Return PSNR, SSIM and sharpness."""
    peak = peak_of(clean)
    return [psnr(made, clean, body, peak), ssim(made, clean, body, peak), sharpness(made, clean)]


def voxels(scan: Scan, chain: Chain) -> tuple[Values, float]:
    """Return the enhanced scan's voxels and how long it took, in seconds."""
    began = time.perf_counter()
    image = enhance(scan, chain).image if chain else scan.image
    return sitk.GetArrayFromImage(image), time.perf_counter() - began


def denoiser_rows(name: str, scan: Scan, share: float) -> list[str]:
    """Return the table's rows of one scan."""
    clean, noisy = sitk.GetArrayFromImage(scan.image), with_noise(scan, share)
    body = body_of(scan)
    before = figures(sitk.GetArrayFromImage(noisy.image), clean, body)
    rows = [row([name, f"{share:.0%}", "(noisy)", *before, float("nan"), float("nan")])]
    for kind in filter_kinds():
        if not kind.startswith("denoise."):
            continue
        made, seconds = voxels(noisy, (make_step(kind, {}, scan.modality),))
        after = figures(made, clean, body)
        rows.append(row([name, f"{share:.0%}", kind, *after, after[0] - before[0], seconds]))
        print(rows[-1], flush=True)
    return rows


def preset_rows(name: str, scan: Scan, share: float) -> list[str]:
    """Return how much nearer a preset with its denoiser is to that of the scan without noise."""
    rows, noisy, body = [], with_noise(scan, share), body_of(scan)
    for preset in presets().values():
        if preset.modality != scan.modality:
            continue
        rest = tuple(s for s in preset.chain if not s.kind.name.startswith("denoise."))
        wanted = voxels(scan, rest)[0]
        before = figures(voxels(noisy, rest)[0], wanted, body)
        made, seconds = voxels(noisy, preset.chain)
        after = figures(made, wanted, body)
        pairs = [figure for pair in zip(before, after, strict=True) for figure in pair]
        rows.append(row([preset.name, name, *pairs, after[0] - before[0], seconds]))
        print(rows[-1], flush=True)
    return rows


def preview_rows() -> list[str]:
    """Return how long the middle slice of 512×512 takes, in ms, for each filter and preset."""
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(DATA / "dicom/ct_abdomen_20slices"))
    scan = Scan(image=sitk.ReadImage(names, sitk.sitkInt16), modality="CT")
    chains = {
        name: (make_step(name, {}, "CT"),) for name in filter_kinds() if name != "contrast.match"
    }
    chains |= {p.name: p.chain for p in presets().values() if p.modality == "CT"}
    rows = []
    for name, chain in chains.items():
        with Preview(scan) as preview:
            began = time.perf_counter()
            preview.draft(chain, "axial", 8)
            cold = 1000.0 * (time.perf_counter() - began)
            preview.slice(chain, "axial", 8)
            first, exact = [], []
            for index in (9, 10, 11, 12, 13):
                began = time.perf_counter()
                taken = [
                    1000.0 * (time.perf_counter() - began)
                    for _ in preview.show(chain, "axial", index)
                ]
                first.append(taken[0])
                exact.append(taken[-1])
        rows.append(f"| {name} | {cold:.0f} | {np.median(first):.0f} | {np.median(exact):.0f} |")
        print(rows[-1], flush=True)
    return rows


def row(cells: list[str | float]) -> str:
    """Return a row of a table; figures with three significant digits."""
    texts = [c if isinstance(c, str) else ("" if np.isnan(c) else f"{c:.3g}") for c in cells]
    return f"| {' | '.join(texts)} |"


def head(*columns: str) -> str:
    """Return the two lines above a table's rows."""
    return f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}"


def report(share: float) -> str:
    """Return the whole report as Markdown."""
    found = scans()
    libraries = ("SimpleITK", "numpy", "torch")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in libraries)
    parts = [
        "# Enhancement: measured\n",
        (f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, {versions}; no graphics card. Made by "
        "`Testing/benchmarks/enhance.py`, whose head says what the columns mean. Other programs "
        "may have run at the same time, so that times are upper bounds.\n"),
        "## Denoisers with their defaults\n",
        head("scan", "noise", "filter", "PSNR dB", "SSIM", "sharpness", "gain dB", "s"),
        *[line for name, scan in found.items() for line in denoiser_rows(name, scan, share)],
        f"\n{WHY_NOT.rstrip()}",
        "\n## Presets\n",
        (f"Noise of {share:.0%}; compared with the preset, less its denoiser, of the scan without "
        "added noise. Before: without the denoiser; after: with it. The noise also misleads the "
            "bias field of MR, and so the PSNR before.\n"),
        head(
            "preset", "scan", "PSNR before", "after", "SSIM before", "after", "sharpness before",
            "after", "gain dB", "s",
        ),
        *[line for name, scan in found.items() for line in preset_rows(name, scan, share)],
        "",
    ]  # fmt: skip
    return "\n".join(parts) + preview_report()


def preview_report() -> str:
    """Return the part of the report that is about previews."""
    others = os.getloadavg()[0]
    parts = [
        "\n## Preview of one axial slice of 512×512 (abdomen CT, 20 slices)\n",
        ("New: the draft of a chain that was not seen before. First picture (a draft unless it "
        "equals the last) and exact slice: once the filters have seen the whole scan; medians of "
        f"five slices. In the minute before, {others:.1f} other programs on average wanted the "
        f"{os.cpu_count()} cores.\n"),
        head("chain", "new, ms", "first, ms", "exact, ms"),
        *preview_rows(),
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--noise", type=float, default=0.05, help="share of the scan's range")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("ENHANCE.md"))
    parser.add_argument("--preview", action="store_true", help="only that part; old ones stay")
    arguments = parser.parse_args()
    if arguments.preview:
        before = arguments.output.read_text(encoding="utf-8").partition("\n## Preview")[0]
        made = before + preview_report()
    else:
        made = report(arguments.noise)
    arguments.output.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
