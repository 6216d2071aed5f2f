"""Every file that pydicom carries for its own tests: read, listed as no scan, or refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pydicom.data
import pytest

from MedAssistLib.errors import MedAssistError
from MedAssistLib.read import ReadOptions, list_scans, read_scan, read_segmentation

FOLDER = Path(pydicom.data.__file__).parent
CARRIED = sorted(path for path in FOLDER.rglob("*") if path.is_file() and path.suffix != ".pyc")
# What pydicom has fetched on this machine before: nothing is fetched here.
FETCHED = sorted((Path.home() / ".pydicom" / "data").glob("*.dcm"))
MOST_S = 60.0


def _name(path: Path) -> str:
    return str(path.relative_to(FOLDER)) if FOLDER in path.parents else path.name


@pytest.mark.parametrize("path", CARRIED + FETCHED, ids=_name)
@pytest.mark.filterwarnings("ignore")
def test_it_is_read_or_listed_or_refused_in_one_line(path: Path) -> None:
    told: list[str] = []
    thread = threading.Thread(target=lambda: told.append(_met(path)), daemon=True)
    thread.start()
    thread.join(MOST_S)
    assert told, f"{path} took more than {MOST_S} s or ended with a traceback"
    assert "\n" not in told[0]


def _met(path: Path) -> str:
    """Return what happened, as a user would meet it; anything but a plain refusal escapes."""
    try:
        listing = list_scans(path)
    except MedAssistError as error:
        return str(error)
    if not listing.scans:
        assert listing.others or listing.refused
        assert all(aside.reason for aside in (*listing.others, *listing.refused))
    return " ".join(
        _outcome(lambda read=read: read(path)) for read in (read_scan, read_segmentation)
    )


def _outcome(read: Callable[[], object]) -> str:
    try:
        read()
    except MedAssistError as error:
        return str(error)
    return "read"


@pytest.mark.filterwarnings("ignore")
def test_all_of_them_in_one_folder_are_listed_and_those_with_a_place_are_read() -> None:
    folder = FOLDER / "test_files"
    listing = list_scans(folder)
    told = [
        _outcome(lambda scan=scan: read_scan(folder, ReadOptions(series=str(scan.number))))
        for scan in listing.scans
    ]
    assert told.count("read") >= 2
    assert not any("\n" in line for line in told)
    kinds = {aside.reason for aside in listing.others}
    assert {"report", "radiotherapy dose", "segmentation", "waveform"} <= kinds
