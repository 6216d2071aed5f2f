"""Odd but legal data, plans that somebody edited, and trainings that go on with something else."""

from __future__ import annotations

import csv
import json
import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from MedAssistLib.cli.main import main
from MedAssistLib.errors import InputError, ResourceError, UsageError
from MedAssistLib.measure.agreement import evaluate
from MedAssistLib.models.plan import Normalisation, Scheme
from MedAssistLib.progress import Cancellation, Progress
from MedAssistLib.read import read_scan, read_segmentation
from MedAssistLib.segment import segment
from MedAssistLib.train import TrainOptions, planning, validate
from MedAssistLib.train.augment import Augmentation, Intensity, Spatial
from MedAssistLib.train.dataset.cases import regions
from MedAssistLib.train.dataset.folder import group_of
from MedAssistLib.train.dataset.threads import in_threads
from MedAssistLib.train.plan import read_plan
from MedAssistLib.train.preparation import PLAN, WORK
from MedAssistLib.train.run import train
from MedAssistLib.train.sides import are_sided
from MedAssistLib.worker import train_jobs
from Testing.labelled_sets import LABELS, change, pairs, write
from Testing.train_cases import Told, put_plan

CPU = TrainOptions(device="cpu")
AGAIN = replace(CPU, resume=True)
SHORT = {"epochs": 1, "steps": 2}


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pairs(tmp_path_factory.mktemp("blocks"), 6)


def table(data: Path, columns: str, *rows: str) -> Path:
    """Write a CSV of the cases of a folder of pairs; ``rows`` are the columns after the paths."""
    lines = [f"images/case_{n:02d}.nii.gz,labels/case_{n:02d}.nii.gz" for n in range(len(rows))]
    path = data / f"{columns.replace(',', '_')}_{len(set(rows))}.csv"
    filled = [f"{line},{row}" for line, row in zip(lines, rows, strict=True)]
    path.write_text("\n".join([f"image,label,{columns}", *filled]), encoding="utf-8")
    path.with_suffix(".json").write_text(json.dumps({"labels": LABELS}))
    return path


def began(data: Path, output: Path, **changes: Any) -> Path:
    """Begin a training and end it before its model is written; return its folder."""
    stop = Cancellation()
    put_plan(output, **changes)
    with pytest.raises(BaseException, match="cancelled"):
        train(data, output, CPU, Progress(None, stop), lambda r: stop.cancel() if r.epoch else None)
    return output


# --- data -----------------------------------------------------------------------------------


def test_label_values_need_not_follow_one_another(tmp_path: Path) -> None:
    """FreeSurfer's hippocampi are 17 and 53: the training ended with a model that nothing runs."""
    data = pairs(tmp_path / "data", 5)
    for path in (data / "labels").iterdir():
        labels = sitk.ReadImage(str(path))
        write(path, sitk.Cast(labels == 1, sitk.sitkUInt8) * 53 + (labels == 2) * 17)
    named = {"background": 0, "Left hippocampus": 17, "Right hippocampus": 53}
    change(data / "dataset.json", labels=named)
    result = train(data, put_plan(tmp_path / "model", steps=20, epochs=3), CPU)
    assert {e.label: e.name for e in result.card.segments} == {
        1: "Left hippocampus",
        2: "Right hippocampus",
    }
    assert result.measured.dice()["Right hippocampus"] > 0.5
    found = segment(read_scan(data / "images/case_00.nii.gz"), result.card).labels
    truth = sitk.GetArrayFromImage(sitk.ReadImage(str(data / "labels/case_00.nii.gz")))
    assert (sitk.GetArrayFromImage(found)[truth == 53] == 2).mean() > 0.5


def test_few_patients_make_fewer_folds(blocks: Path, tmp_path: Path) -> None:
    """Ten scans of three patients could not be learned from at all, whatever --folds was given."""
    data = table(blocks, "patient", *("a", "b", "c") * 2)
    made = train(data, put_plan(tmp_path / "three", **SHORT), CPU).prepared
    assert [set(fold) for fold in made.held_out] == [
        {f"case_{n:02d}", f"case_{n + 3:02d}"} for n in (int(f[0][-1]) for f in made.held_out)
    ]
    with pytest.raises(UsageError, match="5 networks, but only 3 folds"):
        train(data, put_plan(tmp_path / "five", **SHORT), replace(CPU, folds=5))
    told = Told()
    train(data, tmp_path / "five", replace(CPU, folds=2), tell=told)  # nothing is in the way
    assert "is used as it is" in told.text
    with pytest.raises(InputError, match="of one patient") as refused:
        train(table(blocks, "patient", *["a"] * 6), put_plan(tmp_path / "one", **SHORT), CPU)
    assert "column patient" in refused.value.hint


def test_scans_of_one_patient_by_their_names_are_held_out_together(tmp_path: Path) -> None:
    """The heart's phases of ACDC lay in several folds: the cross-validation was too good."""
    data = pairs(tmp_path / "data", 6)
    for path in data.glob("*/case_*"):
        number = int(path.name[5:7])
        path.rename(
            path.with_name(f"patient{number // 2:03d}_frame{number % 2 * 11 + 1:02d}.nii.gz")
        )
    result = train(data, put_plan(tmp_path / "model", **SHORT), CPU)
    folds = result.prepared.held_out
    assert all(len({name[:10] for name in fold}) == 1 for fold in folds)
    assert result.prepared.audit is not None
    told = [flag.finding.title for flag in result.prepared.audit.flags]
    assert any("6 cases are of 3 patients" in title for title in told)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("sub-01_ses-2_T1w", "sub-01"),
        ("Patient-001_week-044", "Patient-001"),
        ("P7 visit 2", "P7"),
        ("liver_12_post", "liver_12"),
        # None of these says that two cases are of one patient.
        ("hippocampus_123", "hippocampus_123"),
        ("study_scan12", "study_scan12"),
        ("case_1_t1", "case_1_t1"),
        ("img_1_editor", "img_1_editor"),
    ],
)
def test_what_a_name_says_of_the_patient(name: str, group: str) -> None:
    assert group_of(name) == group


def test_why_cases_cannot_be_read_is_told_also_of_many(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It said "6 of 6 cases cannot be read", and nowhere why."""
    data = pairs(tmp_path / "data", 6)
    for path in data.glob("*/*.nii.gz"):
        write(path, sitk.ReadImage(str(path))[:, :, 4:5])
    assert main(["train", str(data), "-o", str(tmp_path / "m"), "--device", "cpu"]) == 3
    assert "is a single slice" in capsys.readouterr().err


def test_names_never_become_formulas(tmp_path: Path) -> None:
    """A spreadsheet would run what a case's name says."""
    data = pairs(tmp_path / "data", 6)
    names = ["=cmd|' /C calc'!A1", "@a", "+b", "-c", "-1.5", "plain"]
    cases = table(data, "name", *names)
    (data / "labels/case_00.nii.gz").write_bytes(b"")
    train(cases, put_plan(tmp_path / "model", **SHORT), CPU)
    with (tmp_path / "model" / WORK / "audit.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["cases"] for row in rows if row["rule"] == "dataset.unreadable"] == [f"'{names[0]}"]
    for name in names[1:]:
        write(
            tmp_path / "ref" / f"{name}.nii.gz", sitk.ReadImage(str(data / "labels/case_01.nii.gz"))
        )
    out = tmp_path / "scores.csv"
    assert main(["evaluate", str(tmp_path / "ref"), str(tmp_path / "ref"), "-o", str(out)]) == 0
    with out.open(encoding="utf-8", newline="") as stream:
        found = {row["case"] for row in csv.DictReader(stream)}
    assert found == {"'@a", "'+b", "'-c", "-1.5", "plain"}


def test_what_does_not_fit_on_the_disk_is_said_before_it_is_prepared(
    blocks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand CT scans fill a disk after hours."""
    told, much = Told(), put_plan(tmp_path / "much", **SHORT)
    monkeypatch.setattr(planning, "_MUCH", 1000)
    train(blocks, much, CPU, tell=told)
    assert "the 6 prepared cases take 0.0 GB" in told.text
    output = put_plan(tmp_path / "full", spacing=(0.001, 0.001, 0.001), **SHORT)
    with pytest.raises(ResourceError, match=r"342144\.0 GB are needed"):
        train(blocks, output, CPU)
    assert not (output / WORK / "cases").exists()


def test_reading_is_stopped_at_once() -> None:
    """Cancelling waited for scans of half a gigabyte to be read to their ends."""
    stop, gate = Cancellation(), threading.Event()
    threading.Timer(0.1, stop.cancel).start()
    start = time.monotonic()
    with pytest.raises(BaseException, match="cancelled"):
        in_threads(lambda _item: gate.wait(20.0), [1, 2, 3], Progress(None, stop))
    gate.set()
    assert time.monotonic() - start < 1.0


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Left kidney",
            "l_hippocampus",
            "lh.cortex",
            "Left Thing",
            "kidney L",
            "LV",
            "TumourLeft",
        ),
        *("Rechte Niere", "rein gauche", "左肾", "leftlung", "Label 17"),
    ],
)
def test_what_has_a_side_is_never_mirrored(name: str) -> None:
    """Names that no atlas knows were mirrored: the network learned that left is right."""
    assert are_sided(["Tumour", name])


def test_what_has_no_side_may_be_mirrored() -> None:
    assert not are_sided(
        ["Anterior", "Bright", "vertebrae_L1", "Spleen", "tumour core", "lesion 2"]
    )


# --- what is measured -----------------------------------------------------------------------


def test_the_card_says_what_the_user_gets(tmp_path: Path) -> None:
    """Networks were measured with mirrored patches averaged, which nobody gets unasked."""
    data = pairs(tmp_path / "data", 5)
    for path in data.glob("*/*.nii.gz"):
        image = sitk.ReadImage(str(path))
        image.SetSpacing((0.2, 0.2, 0.2))
        write(path, image)
    mirrored = Augmentation(spatial=Spatial(mirror=(2,)), intensity=Intensity())
    plan = {"spacing": (0.2, 0.2, 0.2), "augmentation": mirrored, "steps": 10, "epochs": 2}
    result = train(data, put_plan(tmp_path / "model", **plan), CPU)
    assert result.measured.held_out
    for held in result.measured.held_out:
        found = segment(read_scan(data / f"images/{held.case}.nii.gz"), result.card)
        truth = read_segmentation(data / f"labels/{held.case}.nii.gz")
        for name, one in evaluate(found, truth).structures.items():
            assert held.structures[name].dice == pytest.approx(one.dice, abs=2e-3)
            assert held.structures[name].nsd_1mm == pytest.approx(one.nsd_1mm, abs=2e-3)


def test_a_region_is_measured_whole_and_its_label_says_what_is_left(tmp_path: Path) -> None:
    """What was called the whole tumour was the oedema alone, in the card and in Slicer."""
    data = pairs(tmp_path / "data", 5)
    named = {"background": 0, "Both": [1, 2], "Dark": [2]}
    change(data / "dataset.json", labels=named, regions_class_order=[1, 2])
    result = train(data, put_plan(tmp_path / "model", steps=20, epochs=2), CPU)
    assert [entry.name for entry in result.card.segments] == ["Both without dark", "Dark"]
    (held,) = result.measured.held_out
    truth = sitk.GetArrayFromImage(sitk.ReadImage(str(data / f"labels/{held.case}.nii.gz")))
    millilitres = float(np.prod(result.card.spacing)) / 1000.0
    assert held.structures["Both"].reference_ml == pytest.approx((truth > 0).sum() * millilitres)
    found = segment(read_scan(data / f"images/{held.case}.nii.gz"), result.card).labels
    size = (sitk.GetArrayFromImage(found) > 0).sum() * millilitres
    assert held.structures["Both"].predicted_ml == pytest.approx(size, rel=0.01)


def test_labels_that_show_a_region() -> None:
    """As nnU-Net counts them; and a part of two regions belongs to both."""
    nested = regions({"whole": (1, 2, 3), "core": (2, 3), "enhancing": (3,)}, (1, 2, 3))
    assert nested.shown == ((1, 2, 3), (2, 3), (3,))
    assert nested.titles == ("whole without core", "core without enhancing", "enhancing")
    apart = regions({"a": (1, 2), "b": (2, 3)}, (1, 2))
    assert apart.shown == ((1,), (2,))


def test_looking_at_large_cases_does_not_eat_the_time(
    blocks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight whole CT scans on a processor took all of a short training."""
    asked: list[bool] = []
    real = validate.run_tiled

    def counted(scans: Any, model: Any, options: Any, progress: Any) -> Any:
        asked.append(options.probabilities)
        return real(scans, model, options, progress)

    monkeypatch.setattr(validate, "run_tiled", counted)
    monkeypatch.setattr(validate, "_GLANCE_VOXELS", 1)
    train(blocks, put_plan(tmp_path / "slow", epochs=2, steps=2), CPU)
    # One case is looked at after each epoch; both that were held out are examined at the end.
    assert asked == [False, False, True, True]


# --- a plan that somebody edited ------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("patch", [15, 16, 16]),
        ("patch", [16, 16]),
        ("patch", 16),
        ("batch", 2.5),
        ("steps", "4"),
        ("epochs", True),
        ("orientation", "RAX"),
        ("spacing", [1.0, 0.0, 1.0]),
        ("arguments", {}),
        ("arguments", {"strides": 2}),
        ("normalisation", [{"scheme": "none of ours"}]),
        ("normalisation", {"scheme": "ct"}),
        ("augmentation", {"spatial": {"mirror": [3]}}),
        ("augmentation", {"spatial": {"scale": [0.0, 1.0]}}),
        ("augmentation", {"intensity": {"gamma": [1.0, 0.5]}}),
        ("augmentation", None),
        ("learning_rate", None),
    ],
)
def test_a_plan_that_cannot_be_is_refused_in_words(tmp_path: Path, entry: str, value: Any) -> None:
    """A slip of the pen ended in a traceback of PyTorch's after hours of preparing."""
    path = put_plan(tmp_path) / WORK / PLAN
    change(path, **{entry: value})
    with pytest.raises(InputError, match="is no plan of a training") as told:
        read_plan(path)
    assert "Correct it" in told.value.hint


@settings(max_examples=20, deadline=None)
@given(
    patch=st.tuples(*[st.integers(1, 20).map(lambda n: 2 * n)] * 3),
    batch=st.integers(1, 9),
    low=st.none() | st.floats(-1e3, 1e3),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, patch: Any, batch: int, low: float | None
) -> None:
    """A training could not go on with its own plan."""
    then = None if low is None else Normalisation(scheme=Scheme.CT, low=low)
    first = Normalisation(scheme=Scheme.Z_SCORE, then=then)
    output = put_plan(
        tmp_path_factory.mktemp("plan"), patch=patch, batch=batch, normalisation=(first,)
    )
    read = read_plan(output / WORK / PLAN)
    assert (read.patch, read.batch, read.normalisation) == (patch, batch, (first,))


# --- going on -------------------------------------------------------------------------------


def test_cases_that_were_changed_meanwhile_are_refused_and_copies_are_not(tmp_path: Path) -> None:
    """Half of it was learned from other labels than the card's fingerprint says."""
    data = pairs(tmp_path / "data", 5)
    output = began(data, tmp_path / "model", epochs=2)
    label = data / "labels/case_02.nii.gz"
    before = label.read_bytes()
    os.utime(label, (1, 1))
    train(data, output, AGAIN)  # a copy of the same, with another time
    (output / "model.json").unlink()
    write(label, sitk.ReadImage(str(label)) * 0)
    with pytest.raises(InputError, match=r"case_02.nii.gz: was changed since") as told:
        train(data, output, AGAIN)
    assert "Put it back" in told.value.hint
    label.write_bytes(before)
    train(data, output, AGAIN)


def test_other_structures_or_channels_are_refused(tmp_path: Path) -> None:
    """It ended in a traceback: the network's last layer had another size."""
    data = pairs(tmp_path / "data", 5)
    output = began(data, tmp_path / "model", epochs=2)
    change(data / "dataset.json", labels={**LABELS, "Third": 3})
    with pytest.raises(UsageError, match="were Bright, Dark and are now Bright, Dark, Third"):
        train(data, output, AGAIN)
    change(data / "dataset.json", labels=LABELS, channel_names={"0": "T1", "1": "T2"})
    with pytest.raises(UsageError, match="the channels were T1 and are now T1, T2"):
        train(data, output, AGAIN)


def test_a_second_training_does_not_change_what_the_first_was_asked_for(
    blocks: Path, tmp_path: Path
) -> None:
    """Going on with the first one in the panel would have learned from the second one's data."""
    output = began(blocks, tmp_path / "model", epochs=2)
    asked = output / WORK / train_jobs.REQUEST
    asked.write_text("of the first", encoding="utf-8")
    request = {"source": str(tmp_path), "output": str(output), "options": {"device": "cpu"}}
    with pytest.raises(UsageError, match="holds a training already"):
        train_jobs.train(request, Progress(), print)
    assert asked.read_text(encoding="utf-8") == "of the first"


def test_nothing_to_go_on_with_is_said(blocks: Path, tmp_path: Path) -> None:
    """With a slip in the folder's name, days of training would begin anew unnoticed."""
    told = Told()
    train(blocks, put_plan(tmp_path / "model", **SHORT), AGAIN, tell=told)
    assert "there is no training in" in told.text
