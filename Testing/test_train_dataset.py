"""Training sets of every layout are read as they are meant, and nothing is lost in silence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.errors import CancelledError, InputError
from MedAssistLib.progress import Cancellation, Progress
from MedAssistLib.train.dataset import read_dataset
from MedAssistLib.train.dataset.reading import read_case
from Testing.labelled_sets import (
    LABELS,
    block_case,
    change,
    decathlon,
    nnunet,
    pairs,
    write,
    write_json,
)


def _titles(found) -> str:
    return " ".join(finding.title for finding in found.findings)


def _names(found) -> list[str]:
    return [case.name for case in found.cases]


def test_a_decathlon_folder_is_read(tmp_path: Path) -> None:
    found = read_dataset(decathlon(tmp_path / "Task99_Blocks", 3))
    assert (found.name, found.title) == ("two-blocks", "A bright and a dark block")
    assert (found.licence, found.source) == ("CC0-1.0", "Made up")
    assert (found.channels, found.modality) == (("MRI",), "MR")
    assert found.structures.names == ("Bright", "Dark")
    assert found.structures.values == (0, 1, 2)
    assert _names(found) == ["blocks_000", "blocks_001", "blocks_002"]
    assert found.cases[1].label == tmp_path / "Task99_Blocks/labelsTr/blocks_001.nii.gz"
    assert found.findings == ()


def test_the_description_can_be_given_instead_of_its_folder(tmp_path: Path) -> None:
    folder = decathlon(tmp_path, 2)
    assert _names(read_dataset(folder / "dataset.json")) == _names(read_dataset(folder))


def test_a_4d_image_holds_the_channels_of_its_case(tmp_path: Path) -> None:
    """The Decathlon's brain tumours have their four MR sequences in one file."""
    folder = decathlon(tmp_path, 2)
    image, _ = block_case(0)
    for name in ("blocks_000.nii.gz", "blocks_001.nii.gz"):
        stacked = sitk.JoinSeries([image, image * 3])
        write(folder / "imagesTr" / name, stacked)
    change(folder / "dataset.json", modality={"0": "FLAIR", "1": "T1w"})
    found = read_dataset(folder)
    assert (found.channels, found.modality) == (("FLAIR", "T1w"), "MR")
    scans, labels = read_case(found.cases[0], found.structures)
    first, second = (sitk.GetArrayFromImage(scan.image) for scan in scans)
    assert np.array_equal(first, sitk.GetArrayFromImage(image))
    assert np.array_equal(second, 3 * first)
    assert labels.shape == first.shape


def test_files_that_make_no_case_are_told(tmp_path: Path) -> None:
    """A Mac leaves hidden files with image suffixes in every folder that it copies."""
    folder = decathlon(tmp_path, 4)
    (folder / "imagesTr/._blocks_000.nii.gz").write_bytes(b"\0\5\26\7")
    (folder / "labelsTr/notes.txt").write_text("the third is hard to see")
    write(folder / "imagesTr/forgotten.nii.gz", block_case(9)[0])
    (folder / "labelsTr/blocks_003.nii.gz").unlink()
    found = read_dataset(folder)
    assert len(found.cases) == 3
    told = _titles(found)
    assert "1 × hidden file (._blocks_000.nii.gz)" in told
    assert "1 × file that is no image (notes.txt)" in told
    assert "1 × case of which a file is missing (blocks_003)" in told
    assert "forgotten.nii.gz" in told


def test_an_nnunet_folder_is_read(tmp_path: Path) -> None:
    found = read_dataset(nnunet(tmp_path / "Dataset099_Blocks", 3))
    assert (found.name, found.channels, found.modality) == ("two-blocks", ("T1", "FLAIR"), "MR")
    assert [path.name for path in found.cases[2].images] == [
        "blocks_002_0000.nii.gz",
        "blocks_002_0001.nii.gz",
    ]
    scans, labels = read_case(found.cases[2], found.structures)
    assert np.array_equal(
        sitk.GetArrayFromImage(scans[1].image), 2 * sitk.GetArrayFromImage(scans[0].image)
    )
    assert np.array_equal(labels, sitk.GetArrayFromImage(block_case(2)[1]))
    assert found.findings == ()


def test_nnunet_cases_that_are_not_whole_are_told(tmp_path: Path) -> None:
    folder = nnunet(tmp_path, 5)
    (folder / "imagesTr/blocks_001_0001.nii.gz").unlink()
    (folder / "labelsTr/blocks_002.nii.gz").unlink()
    for channel in (0, 1):
        (folder / f"imagesTr/blocks_003_000{channel}.nii.gz").unlink()
    (folder / "imagesTr/blocks_004.nii.gz").write_bytes(
        (folder / "labelsTr/blocks_004.nii.gz").read_bytes()
    )
    found = read_dataset(folder)
    assert _names(found) == ["blocks_000", "blocks_004"]
    told = _titles(found)
    assert "1 × case without all of its 2 channels (blocks_001)" in told
    assert "1 × image without a label (blocks_002)" in told
    assert "1 × label without an image (blocks_003.nii.gz)" in told
    assert "1 × image file that no case has (blocks_004.nii.gz)" in told


def test_nnunet_regions_and_the_ignored_label(tmp_path: Path) -> None:
    folder = nnunet(tmp_path, 2)
    labels = {"background": 0, "Whole": [1, 2], "Core": 2, "ignore": 3}
    change(folder / "dataset.json", labels=labels, regions_class_order=[1, 2])
    found = read_dataset(folder).structures
    assert found.names == ("Whole", "Core")
    assert (found.members, found.painted) == (((1, 2), (2,)), (1, 2))
    assert (found.ignore, found.overlapping) == (3, True)


def test_nnunet_names_without_a_description(tmp_path: Path) -> None:
    """All cases were left out, each half because the other was missing."""
    nnunet(tmp_path, 3)
    (tmp_path / "dataset.json").unlink()
    for path in tmp_path.glob("imagesTr/*_0001.nii.gz"):
        path.unlink()
    found = read_dataset(tmp_path)
    assert [case.name for case in found.cases] == ["blocks_000", "blocks_001", "blocks_002"]
    assert found.findings == ()


def test_nnunet_paths_that_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """nnU-Net lets images lie anywhere: listed by name, relative, whole, or by a variable."""
    folder = nnunet(tmp_path / "set", 2)
    shutil.move(folder / "imagesTr", tmp_path / "elsewhere")
    monkeypatch.setenv("BLOCKS", str(tmp_path / "elsewhere"))
    listed = {
        "first": {
            "images": [f"../elsewhere/blocks_000_000{channel}.nii.gz" for channel in (0, 1)],
            "label": "labelsTr/blocks_000.nii.gz",
        },
        "second": {
            "images": [f"$BLOCKS/blocks_001_000{channel}.nii.gz" for channel in (0, 1)],
            "label": str(folder / "labelsTr/blocks_001.nii.gz"),
        },
        "third": {"images": ["$BLOCKS/nowhere.nii.gz"], "label": "labelsTr/blocks_000.nii.gz"},
    }
    change(folder / "dataset.json", dataset=listed)
    found = read_dataset(folder)
    assert _names(found) == ["first", "second"]
    assert all(len(read_case(case, found.structures)[0]) == 2 for case in found.cases)
    assert "(third)" in _titles(found)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_with_patients(tmp_path: Path, delimiter: str) -> None:
    """Two scans of one patient are one group; files of one name are told apart by their folder."""
    lines = [["Image", "Label", "Patient"]]
    for seed, visit in enumerate(("a/visit1", "a/visit2", "b/visit1")):
        image, labels = block_case(seed)
        write(tmp_path / visit / "t1.nii.gz", image)
        write(tmp_path / visit / "drawn.nrrd", labels)
        lines.append([f"{visit}/t1.nii.gz", f"{visit}/drawn.nrrd", visit[0]])
    lines += [["", "", ""], ["a/visit1/t1.nii.gz", "", "a"]]
    table = tmp_path / "cases.csv"
    text = "\r\n".join(delimiter.join(line) for line in lines)
    table.write_text(text, encoding="utf-8-sig", newline="")
    write_json(tmp_path / "cases.json", {"labels": LABELS, "channel_names": {"0": "T1w"}})
    found = read_dataset(table)
    assert _names(found) == ["a_visit1_t1", "a_visit2_t1", "b_visit1_t1"]
    assert [case.group for case in found.cases] == ["a", "a", "b"]
    assert (found.name, found.modality, found.folder) == ("cases", "MR", tmp_path)
    assert "1 × line without an image or a label (line 6)" in _titles(found)
    assert read_case(found.cases[0], found.structures)[1].max() == 2


def test_a_table_with_channels_and_no_description(tmp_path: Path) -> None:
    for seed in range(2):
        image, labels = block_case(seed)
        write(tmp_path / f"{seed}_t1.nii.gz", image)
        write(tmp_path / f"{seed}_t2.nii.gz", image * 2)
        write(tmp_path / f"{seed}_drawn.nii.gz", labels)
    rows = [f"{n}_t1.nii.gz,{n}_t2.nii.gz,{n}_drawn.nii.gz,case {n}" for n in range(2)]
    (tmp_path / "set.csv").write_text("\n".join(["image_T1,image_T2,label,name", *rows]))
    found = read_dataset(tmp_path / "set.csv")
    assert (found.channels, found.modality) == (("t1", "t2"), "MR")
    assert _names(found) == ["case 0", "case 1"]
    assert found.structures.names == ("Label 1", "Label 2")


def test_a_folder_of_pairs(tmp_path: Path) -> None:
    folder = pairs(tmp_path, 3)
    write(folder / "images/sub-01_ses-2.nii.gz", block_case(3)[0])
    write(folder / "labels/sub-01_ses-2_seg.nii.gz", block_case(3)[1])
    write(folder / "images/unlabelled.nii.gz", block_case(4)[0])
    found = read_dataset(folder)
    assert _names(found) == ["case_00", "case_01", "case_02", "sub-01_ses-2"]
    assert found.cases[3].group == "sub-01"
    assert "1 × image without a label (unlabelled.nii.gz)" in _titles(found)


@pytest.mark.parametrize("mark", ["_seg", "-label", "_Mask", ".seg", "_segmentation"])
def test_pairs_side_by_side(tmp_path: Path, mark: str) -> None:
    """Images and labels in one folder, as a person saves them from Slicer."""
    for seed in range(2):
        image, labels = block_case(seed)
        write(tmp_path / f"scan {seed}.nrrd", image)
        write(tmp_path / f"scan {seed}{mark}.nrrd", labels)
    found = read_dataset(tmp_path)
    assert _names(found) == ["scan 0", "scan 1"]
    assert found.structures.names == ("Label 1", "Label 2")
    assert found.findings == ()


def test_slicer_files_are_understood_by_the_names_of_their_segments(tmp_path: Path) -> None:
    """Each .seg.nrrd may number the same structures in another way."""
    for seed, order in enumerate((("Bright", "Dark"), ("Dark", "Bright"))):
        image, labels = block_case(seed)
        drawn = labels if order[0] == "Bright" else sitk.ChangeLabel(labels, {1: 2, 2: 1})
        for number, name in enumerate(order):
            drawn.SetMetaData(f"Segment{number}_ID", f"Segment_{number + 1}")
            drawn.SetMetaData(f"Segment{number}_Name", name)
            drawn.SetMetaData(f"Segment{number}_LabelValue", str(number + 1))
        write(tmp_path / f"scan{seed}.nrrd", image)
        write(tmp_path / f"scan{seed}.seg.nrrd", drawn)
    found = read_dataset(tmp_path)
    assert found.structures.names == ("Bright", "Dark")
    for seed, case in enumerate(found.cases):
        _, labels = read_case(case, found.structures)
        assert np.array_equal(labels, sitk.GetArrayFromImage(block_case(seed)[1]))


def test_the_real_hippocampi(shared_data: Path) -> None:
    found = read_dataset(shared_data / "hippocampus")
    assert (len(found.cases), found.findings) == (208, ())
    assert found.structures.names == ("Anterior", "Posterior")
    assert (found.modality, found.licence) == ("MR", "CC-BY-SA 4.0")
    _, labels = read_case(found.cases[0], found.structures)
    assert set(np.unique(labels)) == {0, 1, 2}


def _unreadable(path: Path) -> None:
    (path / "dataset.json").write_text('{"training": [')


def _two_labels_of_one_value(path: Path) -> None:
    nnunet(path, 1)
    change(path / "dataset.json", labels={"background": 0, "A": 1, "B": 1})


def _regions_without_order(path: Path) -> None:
    nnunet(path, 1)
    change(path / "dataset.json", labels={"background": 0, "A": [1, 2], "B": 2})


def _half_a_label(path: Path) -> None:
    nnunet(path, 1)
    change(path / "dataset.json", labels={"background": 0, "A": 1.5})


def _labels_without_names(path: Path) -> None:
    nnunet(path, 1)
    change(path / "dataset.json", labels=[1, 2])


def _no_structures(path: Path) -> None:
    nnunet(path, 1)
    change(path / "dataset.json", labels={"background": 0})


def _gap_in_the_channels(path: Path) -> None:
    nnunet(path, 1)
    change(path / "dataset.json", channel_names={"0": "T1", "2": "T2"})


def _entry_of_another_kind(path: Path) -> None:
    decathlon(path, 1)
    change(path / "dataset.json", training=[7])


def _twice(path: Path) -> None:
    decathlon(path, 1)
    listed = json.loads((path / "dataset.json").read_text())["training"]
    change(path / "dataset.json", training=listed * 2)


def _no_labels_folder(path: Path) -> None:
    nnunet(path, 1)
    shutil.rmtree(path / "labelsTr")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "no case with an image and a label"),
        (_unreadable, "not readable JSON"),
        (_two_labels_of_one_value, 'gives "A" and "B" one label'),
        (_regions_without_order, "regions_class_order"),
        (_half_a_label, "label 1.5"),
        (_labels_without_names, "does not give each label a name"),
        (_no_structures, "no structure to learn"),
        (_gap_in_the_channels, "channels [0, 2]"),
        (_entry_of_another_kind, "makes no sense"),
        (_twice, '2 cases called "blocks_000"'),
        (_no_labels_folder, "labelsTr: cannot be read"),
    ],
)
def test_a_set_that_cannot_be_used_says_why(tmp_path: Path, make, says: str) -> None:
    make(tmp_path)
    with pytest.raises(InputError) as raised:
        read_dataset(tmp_path)
    assert says in str(raised.value)
    assert str(tmp_path) in raised.value.where


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("image,mask\na,b", "no column label"),
        ("image,label,label\na,b,c", "two columns of one name"),
        ("image,label\na,b,c", "more fields than columns in line 2"),
        ("image,label\na.nii,b.nii", "no case with an image and a label"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "set.csv").write_text(text)
    with pytest.raises(InputError, match=says):
        read_dataset(tmp_path / "set.csv")


def test_what_is_no_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_dataset(tmp_path / "nowhere")
    (tmp_path / "scan.txt").write_text("no set")
    with pytest.raises(InputError, match="is no training set"):
        read_dataset(tmp_path / "scan.txt")


def test_reading_labels_to_find_the_structures_can_be_stopped(tmp_path: Path) -> None:
    folder = pairs(tmp_path, 4)
    (folder / "dataset.json").unlink()
    stop = Cancellation()
    stop.cancel()
    with pytest.raises(CancelledError):
        read_dataset(folder, Progress(cancellation=stop))
