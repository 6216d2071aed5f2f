"""Zips that strangers made, and disks that fill: a clear error, and nothing left behind."""

from __future__ import annotations

import contextlib
import errno
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from MedAssistLib.errors import MedAssistError, ModelError, ResourceError
from MedAssistLib.models import archive
from MedAssistLib.models.install import add
from MedAssistLib.progress import Progress
from Testing.store.file_server import FileServer
from Testing.store.parts import WEIGHTS, card, nothing_installed
from Testing.test_cli import medassist


def _named(name: str, *, mode: int = 0, method: int = zipfile.ZIP_STORED) -> Callable[..., None]:
    def write(zipped: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo("x")
        info.filename = name
        info.external_attr = mode << 16
        info.compress_type = method
        zipped.writestr(info, b"harm")

    return write


def _stating(**lies: int) -> Callable[..., None]:
    def write(zipped: zipfile.ZipFile) -> None:
        zipped.writestr("model.json", card())
        for name, value in lies.items():
            setattr(zipped.filelist[0], name, value)

    return write


def _many(zipped: zipfile.ZipFile) -> None:
    for number in range(10_001):
        zipped.writestr(str(number), b"")


def _twice(zipped: zipfile.ZipFile) -> None:
    zipped.writestr("a", b"1")
    zipped.writestr("A", b"2")


HOSTILE = {
    "leads up": (_named("../x"), "leads out"),
    "leads up inside": (_named("a/../../x"), "leads out"),
    "leads up as in Windows": (_named("..\\x"), "leads out"),
    "absolute": (_named("/etc/x"), "leads out"),
    "drive": (_named("C:\\x"), "leads out"),
    "link": (_named("x", mode=0o120777), "link or device"),
    "pipe": (_named("x", mode=0o010644), "link or device"),
    "device of Windows": (_named("a/NUL.json"), "unusable name"),
    "stream of Windows": (_named("x.txt:y"), "unusable name"),
    "zero byte": (_named("x\0y"), "unusable name|not a whole zip"),
    "twice": (_twice, "twice"),
    "many files": (_many, "holds 10001 files"),
    "bomb": (_stating(file_size=3 * 10**9), "would grow"),
    "larger than any disk": (_stating(file_size=2**40), "would grow"),
    "states less than it holds": (_stating(file_size=10), "not a whole zip"),
    "locked": (_stating(flag_bits=1), "password"),
    "rare packing": (_named("x", method=zipfile.ZIP_LZMA), "few programs know"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_zip_is_refused_and_leaves_nothing(
    kind: str, tmp_path: Path, models: Path
) -> None:
    write, what = HOSTILE[kind]
    path = tmp_path / "hostile.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        write(zipped)
    before = {found for found in tmp_path.rglob("*") if models not in found.parents}
    with pytest.raises(ModelError, match=what):
        add([path], Progress())
    assert nothing_installed(models)
    assert {found for found in tmp_path.rglob("*") if models not in found.parents} - {
        models
    } == before


def test_a_damaged_zip_is_refused(model_zip: Path, models: Path) -> None:
    content = model_zip.read_bytes()
    for damaged in (content[:-100], content[: len(content) // 2], b"", b"<html>log in</html>"):
        model_zip.write_bytes(damaged)
        with pytest.raises(ModelError, match="not a whole zip"):
            add([model_zip], Progress())
    middle = len(content) // 2
    model_zip.write_bytes(content[:middle] + b"?" + content[middle + 1 :])
    with pytest.raises(ModelError, match="CRC"):
        add([model_zip], Progress())
    assert nothing_installed(models)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.lists(st.sampled_from(["..", ".", "/", "\\", "a", "C:", "~", " "])).map("".join))
def test_no_name_in_a_zip_leads_out_of_the_folder(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("names")
    with zipfile.ZipFile(place / "x.zip", "w") as zipped:
        _named(name)(zipped)
    (place / "deep" / "inside").mkdir(parents=True)
    with contextlib.suppress(MedAssistError):
        archive.unpack(place / "x.zip", place / "deep" / "inside", Progress())
    files = [path for path in place.rglob("*") if path.is_file()]
    assert all(path.name == "x.zip" or place / "deep/inside" in path.parents for path in files)


def test_a_disk_that_is_too_small_is_seen_before_writing(
    model_zip: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("MedAssistLib.archive.shutil.disk_usage", lambda _: usage)
    for source in (model_zip, model_zip.with_name("copy")):
        if source != model_zip:
            source.write_bytes(WEIGHTS)
        with pytest.raises(ResourceError, match="GB are needed"):
            add([source], Progress())
    assert nothing_installed(models)


def test_a_disk_that_fills_while_unpacking_leaves_nothing(
    model_zip: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("MedAssistLib.archive.os.fsync", full)
    with pytest.raises(ResourceError, match="not enough space"):
        add([model_zip], Progress())
    assert nothing_installed(models)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_download_that_fills_the_disk_ends_with_status_5_and_goes_on_later(
    server: FileServer, models: Path
) -> None:
    url = server.url("ranges")
    limited = (
        "import resource, sys; from MedAssistLib.cli import main;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY));"
        f"sys.exit(main(['models', 'download', '{url}', '--yes']))"
    )
    run = subprocess.run(
        [sys.executable, "-c", limited], capture_output=True, text=True, check=False
    )
    assert run.returncode == 5, run.stderr
    assert len(run.stderr.splitlines()) == 1
    assert "not enough space" in run.stderr
    assert nothing_installed(models)
    run = medassist("models", "download", url, "--yes", "--json")
    assert run.returncode == 0, run.stderr
    assert server.asked[-1][1] == "bytes=600000-"
    assert json.loads(run.stdout)["name"] == "model"
