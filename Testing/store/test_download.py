"""Downloads: whatever server and network do, the file is the right one or there is none."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import threading
import time
from pathlib import Path

import pytest

from MedAssistLib.errors import CancelledError, ModelError
from MedAssistLib.models import catalogue, store
from MedAssistLib.models.catalogue import RemoteFile
from MedAssistLib.models.download import announced_size, fetch
from MedAssistLib.models.install import download
from MedAssistLib.progress import Cancellation, Progress
from Testing.store.file_server import FileServer
from Testing.store.parts import card, nothing_installed, zip_of


def test_a_file_arrives_whole_and_progress_is_told(server: FileServer, tmp_path: Path) -> None:
    told: list[float] = []
    job = Progress(lambda event: told.append(event.fraction)).part("Downloading", 0.0, 1.0)
    path, sha256 = fetch(RemoteFile(url=server.url("ranges")), tmp_path, job)
    assert path.read_bytes() == server.content
    assert sha256 == hashlib.sha256(server.content).hexdigest()
    assert len(told) > 2
    assert told[-1] == 1.0
    assert announced_size(server.url("ranges"), Progress()) == len(server.content)
    assert announced_size(server.url("whole"), Progress()) == len(server.content)


def test_a_connection_that_breaks_is_taken_up_where_it_broke(
    server: FileServer, tmp_path: Path
) -> None:
    server.failures = 5
    path, _ = fetch(RemoteFile(url=server.url("drops")), tmp_path, Progress())
    assert path.read_bytes() == server.content
    starts = [int(asked.removeprefix("bytes=").strip("-") or 0) for _, asked in server.asked]
    assert starts == sorted(set(starts))
    assert len(starts) == 6


def test_a_server_that_knows_no_ranges_is_asked_for_all_again(
    server: FileServer, tmp_path: Path
) -> None:
    server.failures = 2
    path, _ = fetch(RemoteFile(url=server.url("drops-whole")), tmp_path, Progress())
    assert path.read_bytes() == server.content


def test_a_file_that_changed_in_between_is_not_mixed_with_the_new_one(
    server: FileServer, tmp_path: Path
) -> None:
    stop = Cancellation()
    threading.Timer(0.3, stop.cancel).start()
    with pytest.raises(CancelledError):
        fetch(RemoteFile(url=server.url("slow")), tmp_path, Progress(None, stop))
    part = tmp_path / "model.zip.part"
    assert 0 < part.stat().st_size < len(server.content)
    note = json.loads((tmp_path / "model.zip.part.json").read_text())
    url = server.url("ranges")
    (tmp_path / "model.zip.part.json").write_text(json.dumps({**note, "url": url}))
    server.tag, server.content = '"second"', server.content[::-1]
    path, _ = fetch(RemoteFile(url=url), tmp_path, Progress())
    assert server.asked[-1][1].startswith("bytes=")
    assert path.read_bytes() == server.content


def test_a_busy_server_is_asked_again(server: FileServer, tmp_path: Path) -> None:
    server.failures = 3
    path, _ = fetch(RemoteFile(url=server.url("busy")), tmp_path, Progress())
    assert path.read_bytes() == server.content


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("gone", "404"),
        ("endless", "does not say how large"),
        ("short", "connection broke"),
        ("away", "not an encrypted web address"),
    ],
)
def test_a_server_that_gives_no_whole_file_is_named(
    server: FileServer, tmp_path: Path, kind: str, what: str
) -> None:
    with pytest.raises(ModelError, match=what):
        fetch(RemoteFile(url=server.url(kind)), tmp_path, Progress())


def test_a_redirection_on_this_computer_is_followed(server: FileServer, tmp_path: Path) -> None:
    path, _ = fetch(RemoteFile(url=server.url("moved")), tmp_path, Progress())
    assert path.read_bytes() == server.content


def test_another_size_or_hash_than_expected_is_refused_and_not_kept(
    server: FileServer, tmp_path: Path
) -> None:
    url = server.url("ranges")
    with pytest.raises(ModelError, match="bytes large on the server, not 5"):
        fetch(RemoteFile(url=url, size=5), tmp_path, Progress())
    with pytest.raises(ModelError, match="SHA-256 is"):
        fetch(RemoteFile(url=url, sha256="0" * 64), tmp_path, Progress())
    assert not (tmp_path / "model.zip.part").exists()


@pytest.mark.parametrize("url", ["ftp://x/y", "file:///etc/passwd", "http://x.org/y", "https://"])
def test_only_encrypted_addresses_are_asked(url: str) -> None:
    with pytest.raises(ModelError, match="not an encrypted web address"):
        RemoteFile(url=url)


@pytest.mark.alone
@pytest.mark.parametrize("kind", ["slow", "silent"])
def test_a_download_stops_within_a_second(server: FileServer, tmp_path: Path, kind: str) -> None:
    stop = Cancellation()
    threading.Timer(0.3, stop.cancel).start()
    began = time.monotonic()
    with pytest.raises(CancelledError):
        fetch(RemoteFile(url=server.url(kind)), tmp_path, Progress(None, stop))
    assert time.monotonic() - began < 1.3


def test_the_systems_proxy_is_asked(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", server.address)
    with pytest.raises(ModelError, match="403"):
        fetch(RemoteFile(url="https://models.invalid/model.zip"), tmp_path, Progress())
    assert server.tunnels[0] == "models.invalid:443"


def test_a_download_is_installed_and_its_hash_is_recorded_and_compared(
    server: FileServer, models: Path
) -> None:
    url = server.url("ranges")
    name, first = download(catalogue.entry(url), Progress())
    assert first == {url: True}
    found, record = store.stored(name)
    assert found.licence == "CC0-1.0"
    assert record.origins[0].sha256 == hashlib.sha256(server.content).hexdigest()
    assert not list(models.glob(".downloads/*"))
    store.remove(name)
    assert download(catalogue.entry(url), Progress())[1] == {url: False}
    store.remove(name)
    server.content = zip_of(models / "other.zip", {"model.json": card()}).read_bytes()
    with pytest.raises(ModelError, match="is another file than on"):
        download(catalogue.entry(url), Progress())
    assert store.stored_names() == []


def test_a_part_that_is_refused_does_not_cost_the_parts_that_arrived(
    server: FileServer, models: Path
) -> None:
    entry = dataclasses.replace(
        catalogue.entry(server.url("ranges")),
        files=(
            RemoteFile(url=server.url("ranges")),
            RemoteFile(url=server.address + "/gone/other.zip"),
        ),
    )
    with pytest.raises(ModelError, match="404"):
        download(entry, Progress())
    assert nothing_installed(models)
    assert store.occupied(entry.name) > len(server.content)
    server.asked.clear()
    download(dataclasses.replace(entry, files=entry.files[:1]), Progress())
    assert server.asked == []


def test_a_log_in_page_is_neither_installed_nor_remembered(
    server: FileServer, models: Path
) -> None:
    content, server.content = server.content, b"<html>Please log in</html>"
    with pytest.raises(ModelError, match="not a whole zip"):
        download(catalogue.entry(server.url("ranges")), Progress())
    assert nothing_installed(models)
    assert not list(models.glob(".downloads/*"))
    server.content = content
    download(catalogue.entry(server.url("ranges")), Progress())


def test_a_stopped_download_can_be_taken_up_or_removed(server: FileServer, models: Path) -> None:
    stop = Cancellation()
    threading.Timer(0.3, stop.cancel).start()
    with pytest.raises(CancelledError):
        download(catalogue.entry(server.url("slow")), Progress(None, stop))
    assert nothing_installed(models)
    assert store.occupied("model") > 1000
    store.remove("model")
    assert not list(models.glob(".downloads/*"))
