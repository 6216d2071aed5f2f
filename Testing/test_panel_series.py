"""What the panel says of a DICOM series that Slicer loaded: its reader forgets what was odd."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest

from MedAssistLib.panel.trial import bright_box
from MedAssistLib.progress import Progress
from MedAssistLib.worker.cache import ModelCache
from MedAssistLib.worker.series_jobs import oddities
from Testing.dicom_series import found_in, rules, up, write_series

if TYPE_CHECKING:
    from Testing.panel_bench import Bench

pytest_plugins = ("Testing.panel_bench",)

INSTANCES = "DICOM.instanceUIDs"


class Database:
    """Slicer's DICOM database, as far as the panel asks it; each answer may take a while."""

    def __init__(self, files: Sequence[Path], seconds: float = 0.0) -> None:
        self.files = {pydicom.dcmread(path).SOPInstanceUID: str(path) for path in files}
        self.seconds = seconds

    def fileForInstance(self, uid: str) -> str:  # noqa: N802 - Qt's name
        time.sleep(self.seconds)
        return self.files.get(uid, "")


def series(folder: Path, zs: Sequence[float] = (0, 2, 4, 8, 10), **more: Any) -> list[Path]:
    """Write a series, of which by default a slice is missing."""
    values = np.random.default_rng(3).integers(0, 99, (len(zs), 6, 7), dtype=np.int16)
    return sorted(write_series(folder, values, up(zs), **more).iterdir())


def loaded(bench: Bench, monkeypatch: pytest.MonkeyPatch, database: Database) -> Any:
    """Put a volume into the scene that says which files it came from."""
    import slicer

    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    volume = bench.add_volume(bright_box(20)[0])
    volume.SetAttribute(INSTANCES, " ".join(database.files))
    bench.panel.refresh()
    return volume


def asked(paths: Sequence[Path]) -> list[str]:
    request = {"files": [str(path) for path in paths]}
    return oddities(request, ModelCache(), Progress())["odd"]


def test_what_is_odd_about_a_series_is_said_in_the_panel(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slicer closes the gap without a word: everything above it measures too short."""
    volume = loaded(bench, monkeypatch, Database(series(bench.folder / "series")))
    text = bench.panel.input.ui.oddities
    bench.host.wait(lambda: "One slice is missing, at z = 6.0 mm." in text.text, what="the finding")
    volume.SetAttribute(INSTANCES, None)
    bench.panel.refresh()
    assert "missing" not in text.text


def test_a_real_gantry_tilt_is_said(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, shared_data: Path
) -> None:
    """Shown as a straight stack, a tilted head is sheared."""
    files = sorted((shared_data / "dicom" / "ct_gantry_tilt_ge").glob("*.dcm"))
    loaded(bench, monkeypatch, Database(files))
    text = bench.panel.input.ui.oddities
    bench.host.wait(lambda: "The slices are tilted by" in text.text, what="the finding")


@pytest.mark.alone
def test_a_slow_database_never_makes_the_window_wait(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand slices, asked for one after the other, took a second of a frozen window."""
    from MedAssistLib.panel.series_oddities import SeriesOddities

    turns = []
    search = SeriesOddities._search

    def timed(self: Any) -> None:
        began = time.monotonic()
        search(self)
        turns.append(time.monotonic() - began)

    monkeypatch.setattr(SeriesOddities, "_search", timed)
    bench.panel.input._series = SeriesOddities(bench.panel.context, bench.panel.refresh)
    files = series(bench.folder / "series", [2.0 * n for n in range(40) if n != 7])
    loaded(bench, monkeypatch, Database(files, seconds=0.004))
    text = bench.panel.input.ui.oddities
    bench.host.wait(lambda: "missing" in text.text, what="the finding")
    assert len(turns) > 5
    assert np.median(turns) < 0.05


def test_nothing_is_said_where_a_file_is_not_to_be_had(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slice of a file that was moved would seem to be missing."""
    files = series(bench.folder / "series")
    database = Database(files)
    gone = files[2]
    database.files = {uid: name for uid, name in database.files.items() if name != str(gone)}
    volume = loaded(bench, monkeypatch, database)
    uids = [str(pydicom.dcmread(path).SOPInstanceUID) for path in files]
    volume.SetAttribute(INSTANCES, " ".join(uids))
    bench.panel.refresh()
    bench.host.process(0.3)
    assert "missing" not in bench.panel.input.ui.oddities.text
    assert asked(files) == ["One slice is missing, at z = 6.0 mm."]
    assert asked([*files[:2], bench.folder / "gone.dcm", *files[3:]]) == []


def test_only_the_geometry_is_told_and_that_it_is_several_volumes(tmp_path: Path) -> None:
    """What MedAssist makes of the values is not what Slicer made of them."""
    pet = series(tmp_path / "pet", [0, 2, 4, 6], modality="PT")
    assert rules(found_in(tmp_path / "pet").volumes[0]) == ["scan.no-suv"]
    assert asked(pet) == []
    twice = [0.0, 2.0, 4.0, 0.0, 2.0, 4.0]

    def echo(number: int, data: pydicom.Dataset) -> None:
        data.EchoTime = 10.0 if number < 3 else 90.0

    (told,) = asked(series(tmp_path / "mr", twice, modality="MR", change=echo))
    assert told.startswith("Its files make 2 volumes, not one: ")
