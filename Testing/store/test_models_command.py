"""``medassist models`` and its catalogue, as users and scripts meet them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from MedAssistLib.cli import asking
from MedAssistLib.errors import CancelledError, ModelError
from MedAssistLib.models import catalogue, store
from MedAssistLib.models.install import download
from MedAssistLib.progress import Progress
from Testing.store.file_server import FileServer
from Testing.test_cli import medassist


def test_every_entry_says_what_it_is_and_what_one_may_do_with_it() -> None:
    entries = catalogue.entries()
    assert len({entry.name.casefold() for entry in entries}) == len(entries) >= 50
    for entry in entries:
        assert entry.title
        assert entry.licence
        assert entry.source
        assert entry.files or (entry.folder and entry.terms)
        assert all(file.url.startswith("https://github.com/") for file in entry.files)
        assert all(len(file.sha256) in (0, 64) for file in entry.files)
        if "NC" in entry.licence or entry.licence in ("not stated", "see terms"):
            assert entry.terms, entry.name


def test_weights_under_a_licence_are_not_downloaded_but_told_how_to_get() -> None:
    with pytest.raises(ModelError, match="licence number") as caught:
        download(catalogue.entry("totalsegmentator-face"), Progress())
    assert "medassist models add" in str(caught.value)


def test_a_published_zip_from_a_colleague_is_recognised(tmp_path: Path) -> None:
    wanted = catalogue.entry("totalsegmentator-lung_vessels_LEGACY")
    path = tmp_path / wanted.files[0].name
    path.write_bytes(b"size not known to the catalogue")
    assert catalogue.recognised([path]) == wanted
    sized = catalogue.entry("totalsegmentator-total-3mm")
    (tmp_path / sized.files[0].name).write_bytes(b"of another size")
    assert catalogue.recognised([tmp_path / sized.files[0].name]) is None
    unpacked = tmp_path / sized.files[0].name.removesuffix(".zip")
    unpacked.mkdir()
    assert catalogue.recognised([unpacked]) == sized
    assert catalogue.recognised([unpacked, path]) is None


def test_an_offered_model_that_is_not_installed_is_told_how_to_get() -> None:
    with pytest.raises(ModelError, match="medassist models download totalsegmentator-total"):
        store.find("totalsegmentator-total")


def test_the_command_adds_shows_verifies_and_removes(folder: Path) -> None:
    added = medassist("models", "add", folder, "--name", "liver")
    assert added.returncode == 0, added.stderr
    for shown in ("CC0-1.0", "1.5, 1.5, 3.0", "Liver", "1.0 MB"):
        assert shown in added.stdout
    assert medassist("models", "verify", "liver").stdout == "liver  as installed\n"
    assert medassist("models", "remove", "liver").returncode == 2
    assert store.stored_names() == ["liver"]
    assert medassist("models", "remove", "liver", "--yes").returncode == 0
    assert store.stored_names() == []


def test_nothing_is_downloaded_that_nobody_agreed_to(server: FileServer, models: Path) -> None:
    run = medassist("models", "download", server.url("ranges"))
    assert run.returncode == 2
    assert "--yes" in run.stderr
    assert server.asked == []
    assert not models.exists()
    run = medassist("models", "download", server.url("ranges"), "--yes")
    assert run.returncode == 0, run.stderr
    assert "SHA-256 recorded for next time" in run.stdout


class _Terminal:
    def __init__(self, answer: str) -> None:
        self._answer = answer

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self._answer


@pytest.mark.parametrize(("answer", "agreed"), [("y\n", True), ("Yes\n", True), ("n\n", False)])
def test_a_person_is_asked(answer: str, agreed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", _Terminal(answer))
    if agreed:
        asking.require_yes("Download it?", agreed=False)
    else:
        with pytest.raises(CancelledError):
            asking.require_yes("Download it?", agreed=False)


def test_no_answer_is_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", _Terminal(""))
    with pytest.raises(CancelledError):
        asking.require_yes("Delete it?", agreed=False)


def test_the_models_of_monai_auto3dseg_are_offered() -> None:
    """Users of the extension would have to find and download their weights themselves."""
    assert catalogue.entry("auto3dseg-lungs-v2.0.1").files
    assert "auto3dseg-lungs-v2.0.1" in medassist("models", "list", "--catalogue").stdout
