"""What can go wrong in a training: each is told in words, and no work that was done is lost."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from MedAssistLib import files
from MedAssistLib.cli.main import main
from MedAssistLib.errors import CancelledError, InputError, ResourceError, UsageError
from MedAssistLib.models.checkpoints import read_checkpoint
from MedAssistLib.progress import Cancellation, Progress
from MedAssistLib.train import TrainOptions, loop, validate
from MedAssistLib.train.loop import Training
from MedAssistLib.train.plan import read_plan
from MedAssistLib.train.preparation import PLAN, WORK
from MedAssistLib.train.run import Report, train
from MedAssistLib.train.work import Work
from Testing.conftest import REPOSITORY
from Testing.labelled_sets import pairs
from Testing.train_cases import Told, put_plan, same_weights

CPU = TrainOptions(device="cpu")
AGAIN = replace(CPU, resume=True)
LIMIT = 60_000  # bytes: a prepared case is smaller, the state of the training is larger


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return pairs(tmp_path / "data", 6)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose training on the same data nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    return train(pairs(folder / "data", 6), put_plan(folder / "model"), CPU).card.folder


def test_a_full_disk_ends_the_training_with_words_and_it_goes_on_later(
    data: Path, whole: Path, tmp_path: Path
) -> None:
    """A night's work would be lost, or end in a riddle of PyTorch's."""
    resource = pytest.importorskip("resource", reason="needs a limit of file sizes (not Windows)")
    output = put_plan(tmp_path / "full")
    command = [sys.executable, "-m", "MedAssistLib", "train", str(data), "-o", str(output)]
    run = subprocess.run(
        [*command, "--device", "cpu"],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT)),
    )
    assert run.returncode == 5, run.stderr
    assert "fold_0.pt: there is not enough space to write it" in run.stderr
    assert not list(output.rglob("*.pt"))
    assert not list(output.rglob(".medassist-*"))
    train(data, output, AGAIN)
    assert same_weights(whole, output)


def test_a_disk_that_is_full_at_the_end_leaves_no_half_model(
    data: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model without all of its weights would be offered."""
    output, flush = put_plan(tmp_path / "full"), files._flush

    def full(path: Path) -> None:
        if path.name == "model.json":
            raise OSError(28, "No space left on device")
        flush(path)

    monkeypatch.setattr(files, "_flush", full)
    with pytest.raises(ResourceError, match="not enough space"):
        train(data, output, CPU)
    assert not (output / "model.json").exists()
    monkeypatch.undo()
    train(data, output, AGAIN)
    assert same_weights(whole, output)


def test_a_case_that_vanishes_while_it_learns_costs_nothing_but_its_score(
    data: Path, whole: Path, tmp_path: Path
) -> None:
    """Hours of learning would be lost for one file that a network drive has lost."""
    told, output = Told(), put_plan(tmp_path / "model")
    held_out = json.loads((whole / WORK / "splits.json").read_text())[0]["val"]

    def vanish(report: Report) -> None:
        told(report)
        if report.epoch and report.epoch.number == 2:
            (data / "images" / f"{held_out[0]}.nii.gz").unlink()

    result = train(data, output, CPU, tell=vanish)
    assert f"{held_out[0]} was held out and is left out now" in told.text
    assert [held.case for held in result.measured.held_out] == held_out[1:]
    assert same_weights(whole, output)


def test_a_case_that_vanishes_before_it_is_prepared_is_named(
    data: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person would not know which of a thousand files to look for."""
    lost, safe = data / "labels/case_03.nii.gz", tmp_path / "case_03.nii.gz"
    examples = Work.examples

    def vanish(self: Work, progress: Progress) -> Any:
        shutil.move(lost, safe)
        return examples(self, progress)

    output = put_plan(tmp_path / "model")
    with monkeypatch.context() as patch:
        patch.setattr(Work, "examples", vanish)
        with pytest.raises(InputError) as raised:
            train(data, output, CPU)
    assert raised.value.where == str(lost)
    with pytest.raises(InputError, match="1 cases of the training are not there any more, such as"):
        train(data, output, AGAIN)
    shutil.move(safe, lost)
    train(data, output, AGAIN)
    assert same_weights(whole, output)


@pytest.mark.parametrize("at", [1, 6])
def test_less_is_done_at_once_when_memory_runs_out(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """The training would end, or forget what it had learned by then."""
    output, told, steps = put_plan(tmp_path / "model"), Told(), []
    backward = Training._backward

    def scarce(self: Training, *given: torch.Tensor) -> torch.Tensor:
        steps.append(len(given[0]))
        if len(steps) == at:
            raise torch.OutOfMemoryError
        return backward(self, *given)

    monkeypatch.setattr(Training, "_backward", scarce)
    result = train(data, output, CPU, tell=told)
    assert read_plan(output / WORK / PLAN).batch == 1
    assert "memory was short: now 1 patches of 16×16×16 voxels a batch" in told.text
    kept = (at - 1) // 4  # epochs of four steps that were whole by then
    assert steps[at:] == [1] * (12 - 4 * kept)
    assert [epoch.number for epoch in result.epochs[0]] == [1, 2, 3]
    assert (output / "model.json").is_file()


def test_probabilities_that_do_not_fit_into_memory_do_not_end_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system ended it at the last step: a hundred structures of a whole CT take 40 GB."""
    monkeypatch.setattr(validate, "free_memory", lambda: 100_000)
    told = Told()
    result = train(data, put_plan(tmp_path / "large", epochs=1), CPU, tell=told)
    assert told.text.count("no memory for the probabilities") == 1
    assert len(result.measured.held_out) == 2
    assert result.measured.confidence == {}


def test_memory_that_never_suffices_is_said(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scarce(*_given: object) -> torch.Tensor:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(Training, "_backward", scarce)
    with pytest.raises(ResourceError, match="smaller patches"):
        train(data, put_plan(tmp_path / "model"), CPU)


def test_values_that_are_no_numbers_end_it_and_the_last_good_state_stays(
    data: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that answers nothing would be published."""
    output, calls = put_plan(tmp_path / "model"), []
    usual = loop.loss

    def broken(*given: Any, **more: Any) -> torch.Tensor:
        calls.append(1)
        found = usual(*given, **more)
        return found * float("nan") if len(calls) > 4 else found

    monkeypatch.setattr(loop, "loss", broken)
    with pytest.raises(InputError, match="no numbers"):
        train(data, output, CPU)
    assert not (output / "model.json").exists()
    state = read_checkpoint(output / WORK / "fold_0.pt")
    assert state["steps"] == 4
    assert all(bool(value.isfinite().all()) for value in state["weights"].values())
    monkeypatch.undo()
    train(data, output, AGAIN)
    assert same_weights(whole, output)


def test_a_scan_of_values_that_are_no_numbers_is_named(data: Path, tmp_path: Path) -> None:
    path = data / "images/case_02.nii.gz"
    image = sitk.Cast(sitk.ReadImage(str(path)), sitk.sitkFloat32)
    image[3:9, 3:9, 3:9] = float("nan")
    sitk.WriteImage(image, str(path))
    told = Told()
    try:
        train(data, put_plan(tmp_path / "model"), CPU, tell=told)
    except InputError as error:
        told.append(Report(message=str(error)))
    assert "case_02" in told.text


def test_a_cancelled_training_goes_on(data: Path, whole: Path, tmp_path: Path) -> None:
    output, cancellation, told = put_plan(tmp_path / "model"), Cancellation(), Told()

    def cancel(report: Report) -> None:
        if report.epoch:
            cancellation.cancel()

    with pytest.raises(CancelledError):
        train(data, output, CPU, Progress(None, cancellation), cancel)
    train(data, output, AGAIN, tell=told)
    (back,) = [report for report in told if report.earlier]
    assert back.message == "network 1 goes on after epoch 1"
    assert [epoch.number for epoch in back.earlier] == [1]
    assert same_weights(whole, output)


@pytest.mark.alone
def test_a_time_limit_is_kept(data: Path, tmp_path: Path, capsys: Any) -> None:
    """Half an hour would become a night."""
    output = put_plan(tmp_path / "model", steps=3)
    arguments = ["train", str(data), "-o", str(output), "--time", "2s", "--folds", "2"]
    assert main([*arguments, "--device", "cpu"]) == 0
    for fold in (0, 1):
        state = read_checkpoint(output / WORK / f"fold_{fold}.pt")
        # Looking at cases is part of it; one step or look may be under way at the end.
        assert 1.0 <= state["seconds"] < 2.5
        assert state["seconds"] >= sum(epoch["seconds"] for epoch in state["history"])


def test_another_training_is_not_overwritten(data: Path, tmp_path: Path) -> None:
    """Days of learning would be gone because of one forgotten option."""
    output = put_plan(tmp_path / "model")
    train(data, output, CPU)
    with pytest.raises(UsageError, match="holds a model already"):
        train(data, output, CPU)
    (output / "model.json").unlink()
    with pytest.raises(UsageError, match="holds a training already"):
        train(data, output, CPU)
    with pytest.raises(UsageError, match="began with another plan, seed or model"):
        train(data, output, replace(AGAIN, seed=1))


def test_two_trainings_do_not_work_in_one_folder(data: Path, whole: Path, tmp_path: Path) -> None:
    """Resumed twice by mistake, both would write over each other's checkpoints."""
    output = put_plan(tmp_path / "model")

    refused: list[str] = []

    def resumed_meanwhile(report: Report) -> None:
        if report.epoch and not refused:
            with pytest.raises(UsageError, match="another training is at work there") as error:
                train(data, output, AGAIN)
            refused.append(str(error.value))

    model = train(data, output, CPU, tell=resumed_meanwhile)
    assert refused
    assert same_weights(model.card.folder, whole)


def test_what_is_odd_about_the_data_is_told(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A copied case would be learned from and tested on, and nobody would know."""
    shutil.copy(data / "images/case_01.nii.gz", data / "images/copy.nii.gz")
    shutil.copy(data / "labels/case_01.nii.gz", data / "labels/copy.nii.gz")
    sitk.WriteImage(sitk.Image([4, 4, 4], sitk.sitkUInt8), str(data / "labels/case_05.nii.gz"))
    output = put_plan(tmp_path / "model", epochs=1)
    assert main(["train", str(data), "-o", str(output), "--device", "cpu"]) == 0
    said = capsys.readouterr().err
    assert "case_01, copy have the same image voxels." in said
    assert "1 of 7 cases are left out: case_05" in said
    table = output / WORK / "audit.csv"
    assert f"see {table}" in said
    assert "dataset.duplicates" in table.read_text()
    held = json.loads((output / WORK / "splits.json").read_text())
    assert all(("case_01" in fold["val"]) == ("copy" in fold["val"]) for fold in held)


def test_a_leak_in_a_split_of_ones_own_is_told(data: Path, tmp_path: Path) -> None:
    """The Dice would be that of cases that were learned from."""
    shutil.copy(data / "images/case_01.nii.gz", data / "images/copy.nii.gz")
    shutil.copy(data / "labels/case_01.nii.gz", data / "labels/copy.nii.gz")
    sitk.WriteImage(sitk.Image([4, 4, 4], sitk.sitkUInt8), str(data / "labels/case_05.nii.gz"))
    names = [*(f"case_{n:02d}" for n in range(6)), "copy"]
    val = ["case_01", "case_05"]
    splits, told = tmp_path / "splits.json", Told()
    splits.write_text(json.dumps([{"train": [n for n in names if n not in val], "val": val}]))
    output = put_plan(tmp_path / "model", epochs=1)
    options = replace(CPU, splits=splits)
    result = train(data, output, options, tell=told)
    assert "case_01, copy show the same, but lie in the folds 0, 1." in told.text
    # The case that is left out is gone from the split too; the rest is as it was given.
    assert result.prepared.held_out == (("case_01",),)
    assert [held.case for held in result.measured.held_out] == ["case_01"]
    again = train(data, output, AGAIN)
    assert again.prepared.held_out == (("case_01",),)
    assert len(again.prepared.dataset.cases) == 6
    with pytest.raises(UsageError, match="only 1 folds"):
        train(data, put_plan(tmp_path / "two"), replace(options, folds=2))
    assert np.isfinite(result.epochs[0][0].loss)
