"""Draw every filter on one CT and one MR slice: ``python -m Testing.benchmarks.contact_sheet``.

The CT is the trunk of ``../shared/data/ct`` (Apache-2.0), the MR the MNI152 head that nilearn
carries. The picture is ``Resources/Screenshots/filters.png``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from PIL import Image, ImageDraw, ImageFont

from MedAssistLib.case import Scan
from MedAssistLib.enhance.filters import filter_kinds
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.progress import Progress
from MedAssistLib.read import ReadOptions, read_scan

REPOSITORY = Path(__file__).resolve().parents[2]
CT = REPOSITORY.parent / "shared" / "data" / "ct" / "example_ct.nii.gz"
MNI = "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
OUTPUT = REPOSITORY / "Resources" / "Screenshots" / "filters.png"

TILE = 190
LABEL = 18
ACROSS = 4
AROUND = 16
CT_WINDOW = (-160.0, 240.0)
BACKGROUND, INK = 24, 235

Grey = npt.NDArray[np.uint8]


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--ct", type=Path, default=CT)
    parser.add_argument(
        "--mr", type=Path, default=Path(metadata.distribution("nilearn").locate_file(MNI))
    )
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    scans = [
        middle(read_scan(arguments.ct, ReadOptions(modality="CT"))),
        middle(read_scan(arguments.mr, ReadOptions(modality="MR"))),
    ]
    with tempfile.TemporaryDirectory() as folder:
        reference = Path(folder) / "reference.nrrd"
        sitk.WriteImage(scans[1].image, reference)
        rows = [("the scan itself", [picture(None, scan.image, scan) for scan in scans])]
        for kind in filter_kinds().values():
            given = {"reference": str(reference)} if kind.name == "contrast.match" else {}
            rows.append((kind.name, [drawn(kind, scan, given) for scan in scans]))
    sheet(rows).save(arguments.output, optimize=True)
    print(f"wrote {arguments.output}")


def middle(scan: Scan) -> Scan:
    """Return the slices around the middle one, enough for every filter's context."""
    depth = scan.image.GetSize()[2]
    first = max(depth // 2 - AROUND, 0)
    return replace(scan, image=scan.image[:, :, first : depth // 2 + AROUND + 1])


def drawn(kind: FilterKind, scan: Scan, given: dict[str, str]) -> Grey:
    """Return the middle slice of a scan after a filter with the defaults of its modality."""
    options = kind.options.make(given, scan.modality)
    began = time.perf_counter()
    result = kind.apply(sitk.Cast(scan.image, sitk.sitkFloat32), options, Progress())
    print(f"{kind.name:22s} {scan.modality} {time.perf_counter() - began:6.2f} s", flush=True)
    return picture(kind, result, scan)


def picture(kind: FilterKind | None, image: sitk.Image, scan: Scan) -> Grey:
    """Return the axial slice through the middle of the scan, seen from the feet, as grey values."""
    upright = sitk.DICOMOrient(image, "LPS")
    centre = scan.image.TransformContinuousIndexToPhysicalPoint(
        [(n - 1) / 2 for n in scan.image.GetSize()]
    )
    k = upright.TransformPhysicalPointToIndex(centre)[2]
    values = sitk.GetArrayFromImage(upright)[k]
    low, high = window(kind, values, scan)
    greys = np.clip((values - low) / (high - low or 1.0), 0.0, 1.0) * 255.0
    sizes = [n * s for n, s in zip(upright.GetSize(), upright.GetSpacing(), strict=True)]
    width, height = sizes[:2]
    scale = TILE / max(width, height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = Image.fromarray(greys.astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
    tile = Image.new("L", (TILE, TILE), 0)
    tile.paste(small, ((TILE - size[0]) // 2, (TILE - size[1]) // 2))
    return np.asarray(tile)


def window(
    kind: FilterKind | None, values: npt.NDArray[np.float32], scan: Scan
) -> tuple[float, float]:
    """Return black and white: the scan's own for filters that keep its unit, else the result's."""
    keeps_unit = kind is None or kind.name.split(".")[0] in {"denoise", "sharpen", "geometry"}
    keeps_unit = keeps_unit or (
        kind is not None and kind.name in {"morphology.opening", "morphology.closing"}
    )
    if keeps_unit and scan.modality == "CT":
        return CT_WINDOW
    shown = sitk.GetArrayViewFromImage(scan.image) if keeps_unit else values
    low, high = np.percentile(shown, (0.5, 99.7))
    return float(low), float(high)


def sheet(rows: list[tuple[str, list[Grey]]]) -> Image.Image:
    """Return the sheet: for each filter its name above the CT and the MR."""
    deep = -(-len(rows) // ACROSS)
    cell = (2 * TILE + 8, TILE + LABEL + 8)
    page = Image.new("L", (ACROSS * cell[0] + 8, deep * cell[1] + 8), BACKGROUND)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(14)
    for number, (name, tiles) in enumerate(rows):
        x, y = 8 + number % ACROSS * cell[0], 4 + number // ACROSS * cell[1]
        pen.text((x, y), name, fill=INK, font=font)
        for column, tile in enumerate(tiles):
            page.paste(Image.fromarray(tile), (x + column * TILE, y + LABEL))
    return page


if __name__ == "__main__":
    main()
