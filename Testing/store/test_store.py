"""The store: what a user adds is there whole or not at all, and stays as it was."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from MedAssistLib.errors import ModelError, UsageError
from MedAssistLib.models import store
from MedAssistLib.models.install import add
from MedAssistLib.progress import Progress
from Testing.nnunet_models import write_model
from Testing.store.parts import WEIGHTS, card, nothing_installed, zip_of
from Testing.test_cli import medassist


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"XDG_DATA_HOME": "{home}/data"}, "data/MedAssist/models"),
        ("linux", {"XDG_DATA_HOME": "not/absolute"}, ".local/share/MedAssist/models"),
        ("darwin", {}, "Library/Application Support/MedAssist/models"),
        ("win32", {"LOCALAPPDATA": "{home}/Local"}, "Local/MedAssist/models"),
    ],
)
def test_models_lie_where_the_system_keeps_a_users_data(
    platform: str,
    variables: dict[str, str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(store.FOLDER_VARIABLE)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(home=tmp_path))
    assert store.models_folder() == tmp_path / expected


MARK = {"sha256": "", "size": 1}
SHIPPED = ["brain", "hippocampus"]


def test_a_folder_is_added_and_found_by_its_name(folder: Path, models: Path) -> None:
    name = add([folder], Progress())
    assert name == "Liver-quick"
    found = store.find(name)
    assert found.name == name
    assert found.spacing == (1.5, 1.5, 3.0)
    assert (found.folder / "weights.pt").read_bytes() == WEIGHTS
    assert [entry.name for entry in store.known()] == [*SHIPPED, name]
    assert store.verify(name, Progress()) == ""
    assert [path.name for path in models.iterdir()] == [name]


def test_a_zip_from_a_colleague_just_works_without_the_litter_of_a_mac(model_zip: Path) -> None:
    name = add([model_zip], Progress(), name="liver")
    assert name == "liver"
    files = [path.name for path in store.models_folder().rglob("*") if path.is_file()]
    assert sorted(files) == ["installed.json", "model.json", "weights.pt"]


def test_a_file_of_weights_is_added_with_its_card(folder: Path) -> None:
    parts = [folder / "model.json", folder / "weights.pt"]
    assert store.find(add(parts, Progress())).segments[0].name == "Liver"


def test_a_published_nnunet_zip_gets_the_name_and_licence_of_the_catalogue(tmp_path: Path) -> None:
    trained = write_model(tmp_path / "trained", folds=(0,))
    files = {
        f"Dataset258_lung_vessels_248subj/{path.relative_to(trained.parent)}": path.read_bytes()
        for path in trained.rglob("*")
        if path.is_file()
    }
    path = zip_of(tmp_path / "Dataset258_lung_vessels_248subj.zip", files)
    name = add([path], Progress())
    found = store.find(name)
    assert name == "totalsegmentator-lung_vessels_LEGACY"
    assert (found.licence, found.format) == ("Apache-2.0", "totalsegmentator")
    assert found.spacing == (1.25, 1.5, 3.0)
    assert [segment.label for segment in found.segments] == [1, 2]
    shown = medassist("models", "show", name).stdout
    assert "1.25, 1.5, 3.0" in shown
    assert "doi:10.1148/ryai.230024" in shown


def test_results_of_patients_that_a_training_left_are_not_copied(folder: Path) -> None:
    left = folder / "fold_0" / "validation"
    left.mkdir(parents=True)
    (left / "Meier_Hans.nii.gz").write_bytes(b"scan")
    (left / "summary.json").write_text("{}")
    (folder / "fold_0" / "training_log_2024_1.txt").write_text("/home/x")
    name = add([folder], Progress())
    copied = {path.name for path in (store.models_folder() / name).rglob("*") if path.is_file()}
    assert copied == {"installed.json", "model.json", "weights.pt", "summary.json"}


def test_a_name_is_given_once(folder: Path, models: Path) -> None:
    add([folder], Progress(), name="liver")
    for taken in ("liver", "Liver", "brain"):
        with pytest.raises(ModelError, match="already"):
            add([folder], Progress(), name=taken)
    for impossible in ("../liver", "a/b", ".hidden", "dot.", "ü", "a" * 101):
        with pytest.raises(UsageError, match="cannot be the name"):
            add([folder], Progress(), name=impossible)
    assert store.stored_names() == ["liver"]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"weights": {"files": {"net": {"path": "../../x", **MARK}}}}, "are not in it"),
        ({"weights": {"files": {"net": {"path": "gone.pt", **MARK}}}}, "are not in it"),
        ({"weights": {"files": {"net": {"path": "weights.pt", **MARK}}}}, "are not those"),
        ({"weights": {"package": "deepbet", "files": {}}}, "Python package"),
        ({"segments": [{"label": 0, "name": "x", "colour": [0, 0, 0]}]}, "not a valid card"),
    ],
)
def test_a_card_that_does_not_fit_its_folder_is_refused(
    folder: Path, models: Path, changes: dict[str, object], what: str
) -> None:
    (folder / "model.json").write_bytes(card(**changes))
    with pytest.raises(ModelError, match=what):
        add([folder], Progress())
    assert nothing_installed(models)


def test_weights_that_are_not_those_of_the_card_are_refused(folder: Path, models: Path) -> None:
    (folder / "weights.pt").write_bytes(WEIGHTS[::-1])
    with pytest.raises(ModelError, match="not those that its card means"):
        add([folder], Progress())
    assert nothing_installed(models)


def test_what_is_no_model_is_refused(tmp_path: Path, models: Path) -> None:
    for source in (zip_of(tmp_path / "a.zip", {"readme": b"hello"}), tmp_path / "missing"):
        with pytest.raises(ModelError):
            add([source], Progress())
    assert nothing_installed(models)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets few users make links")
def test_a_link_in_a_folder_is_refused(folder: Path, models: Path) -> None:
    (folder / "passwords").symlink_to("/etc/passwd")
    with pytest.raises(ModelError, match="is a link"):
        add([folder], Progress())
    assert nothing_installed(models)


def test_verify_names_what_is_not_as_installed(folder: Path) -> None:
    name = add([folder], Progress())
    content = store.find(name).folder
    (content / "weights.pt").write_bytes(WEIGHTS[:-1] + b"?")
    assert store.verify(name, Progress()) == "changed: Some model/weights.pt"
    (content / "weights.pt").unlink()
    (content / "new.py").write_text("")
    found = store.verify(name, Progress())
    assert "missing: Some model/weights.pt" in found
    assert "not installed by MedAssist: Some model/new.py" in found
    run = medassist("models", "verify")
    assert run.returncode == 4
    assert "weights.pt" in run.stderr


def test_a_damaged_model_does_not_hide_the_others(folder: Path) -> None:
    add([folder], Progress(), name="good")
    (store.find(add([folder], Progress(), name="bad")).folder / "model.json").write_text("{")
    assert [entry.name for entry in store.known()] == [*SHIPPED, "good"]
    listed = json.loads(medassist("models", "list", "--json").stdout)["models"]
    assert {entry["name"]: entry["state"] for entry in listed} == {
        **dict.fromkeys(SHIPPED, "installed"),
        "good": "installed",
        "bad": "damaged",
    }


def test_only_names_that_are_there_are_removed(folder: Path, tmp_path: Path) -> None:
    add([folder], Progress(), name="liver")
    for name in ("brain", "../Some model", "", ".", "kidney"):
        with pytest.raises(ModelError):
            store.remove(name)
    store.remove("liver")
    assert folder.is_dir()
    assert list(store.models_folder().iterdir()) == []
