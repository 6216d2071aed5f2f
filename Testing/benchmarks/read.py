"""How fast DICOM is read, beside SimpleITK's series reader and dcm2niix, in the same run.

    python -m Testing.benchmarks.read [--slices 500] [--files 5000] [--rounds 5]

The programs take turns, so that a busy moment of the machine meets all of them; the figure is the
ratio of the medians. Needs the package ``dcm2niix``.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import dcm2niix
import numpy as np
import pydicom
import SimpleITK as sitk

from MedAssistLib.read import list_scans, read_scan


def write_series(folder: Path, uid: str, slices: int, side: int, seed: int) -> None:
    """Write a CT series of noise, one uncompressed 16-bit file a slice."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed)
    for number in range(slices):
        dataset = pydicom.Dataset()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        dataset.SOPClassUID = pydicom.uid.CTImageStorage
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.SOPInstanceUID = f"{uid}.{number + 1}"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.826.0.1", uid
        dataset.FrameOfReferenceUID = f"{uid}.0"
        dataset.PatientName, dataset.PatientID, dataset.Modality = "Bench", "1", "CT"
        dataset.StudyDate, dataset.StudyTime = "20260101", "120000"
        dataset.Manufacturer, dataset.SeriesDescription = "None", "Benchmark"
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.SeriesNumber, dataset.AcquisitionNumber = seed + 1, 1
        dataset.InstanceNumber = number + 1
        dataset.ImagePositionPatient = [-150.0, -150.0, 0.7 * number]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.PixelSpacing, dataset.SliceThickness = [0.6, 0.6], 0.7
        dataset.Rows = dataset.Columns = side
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
        dataset.PixelRepresentation = 1
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
        values = noise.integers(0, 2000, (side, side), dtype=np.int16)
        dataset.PixelData = values.tobytes()
        dataset.save_as(folder / f"{number:05d}.dcm", enforce_file_format=True)


def _ours(folder: Path) -> None:
    read_scan(folder)


def _simpleitk(folder: Path) -> None:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    reader.Execute()


def _simpleitk_told_the_order(folder: Path) -> None:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sorted(str(path) for path in folder.iterdir()))
    reader.Execute()


def _dcm2niix(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as out:
        command = [dcm2niix.bin, "-z", "n", "-b", "n", "-f", "x", "-o", out, str(folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


PROGRAMS: dict[str, Callable[[Path], None]] = {
    "MedAssist": _ours,
    "SimpleITK, names and Execute": _simpleitk,
    "SimpleITK, Execute alone": _simpleitk_told_the_order,
    "dcm2niix, uncompressed output": _dcm2niix,
}


def compare(folder: Path, rounds: int) -> dict[str, float]:
    """Return each program's median time in seconds; the first round is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for number in range(rounds + 1):
        for name, read in PROGRAMS.items():
            began = time.perf_counter()
            read(folder)
            if number:
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(times) for name, times in seconds.items()}


def main() -> None:
    """Make the files, time the programs, print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=500)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        series = Path(made, "series")
        write_series(series, "1.2.826.1", arguments.slices, 512, 0)
        medians = compare(series, arguments.rounds)
        ours = medians["MedAssist"]
        print(f"reading {arguments.slices} slices of 512×512, median of {arguments.rounds}")
        for name, seconds in medians.items():
            print(f"  {name:32} {seconds:6.2f} s   ours / this {ours / seconds:5.2f}")
        many = Path(made, "many")
        count = max(arguments.files // 10, 1)
        for number in range(10):
            write_series(many / str(number), f"1.2.826.2.{number}", count, 64, number)
        began = time.perf_counter()
        listing = list_scans(many)
        seconds = time.perf_counter() - began
        found = sum(scan.slices for scan in listing.scans)
        print(f"listing {found} files in {len(listing.scans)} series: {seconds:.2f} s")


if __name__ == "__main__":
    main()
