"""The fingerprint: true numbers, whatever way the scans are stored, and no names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.errors import InputError
from MedAssistLib.train.dataset import LabelledCase, TrainingSet
from MedAssistLib.train.dataset.cases import exclusive, regions
from MedAssistLib.train.dataset.content import intensities
from MedAssistLib.train.dataset.shapes import structure_facts
from MedAssistLib.train.facts import CaseFacts, case_facts
from MedAssistLib.train.fingerprint import fingerprint, read_fingerprint, write_fingerprint
from Testing.labelled_sets import SIZE, SPACING, block_case, write
from Testing.orientations import ALL, stored

_STRUCTURES = exclusive({1: "Bright", 2: "Dark"})


def _facts(folder: Path, name: str, image: sitk.Image, labels: sitk.Image) -> CaseFacts:
    paths = [
        write(folder / f"{name}_{kind}.nii.gz", made)
        for kind, made in (("image", image), ("label", labels))
    ]
    case = LabelledCase(name=name, images=(paths[0],), label=paths[1], group=name)
    return case_facts(case, _STRUCTURES)


def _set(facts: list[CaseFacts]) -> TrainingSet:
    return TrainingSet(
        name="set",
        title="Set",
        channels=("T1",),
        modality="MR",
        structures=_STRUCTURES,
        cases=tuple(known.case for known in facts),
        licence="",
        source="",
        folder=Path("set"),
    )


def test_sizes_and_intensities_are_true(tmp_path: Path) -> None:
    pairs = [block_case(seed) for seed in range(5)]
    facts = [_facts(tmp_path, f"case {n}", *pair) for n, pair in enumerate(pairs)]
    found = fingerprint(_set(facts), facts)
    assert found.cases == 5
    assert [along.median for along in found.spacing] == pytest.approx(SPACING)
    assert tuple(along.median for along in found.size) == SIZE
    extent = [size * spacing for size, spacing in zip(SIZE, SPACING, strict=True)]
    assert [along.maximum for along in found.extent] == pytest.approx(extent)
    arrays = [[sitk.GetArrayFromImage(made) for made in pair] for pair in pairs]
    # Each case weighs the same, however large its structures are.
    within = [array[labels > 0].astype(float) for array, labels in arrays]
    mean = np.mean([values.mean() for values in within])
    deviation = np.sqrt(np.mean([np.square(values).mean() for values in within]) - mean**2)
    (channel,) = found.channels
    assert (channel.mean, channel.standard_deviation) == pytest.approx((mean, deviation))
    assert channel.minimum == min(values.min() for values in within)
    assert channel.maximum == max(values.max() for values in within)
    voxels = [int((labels == 2).sum()) for _, labels in arrays]
    dark = found.structures[1]
    assert (dark.name, dark.cases) == ("Dark", 5)
    assert (dark.voxels.minimum, dark.voxels.median) == (min(voxels), np.median(voxels))
    assert dark.volume_ml.median == pytest.approx(np.median(voxels) * 1.8 / 1000.0)


@pytest.mark.parametrize(("order", "flips"), ALL[1::7], ids=str)
def test_it_is_the_same_whatever_way_a_scan_is_stored(
    tmp_path: Path, order: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    """The plan must not depend on which axis a scanner writes first."""
    image, labels = block_case(3)
    facts = [
        _facts(tmp_path / "a", "one", image, labels),
        _facts(tmp_path / "b", "one", stored(image, order, flips), stored(labels, order, flips)),
    ]
    first, second = (fingerprint(_set([known]), [known]) for known in facts)
    assert first == second


def test_the_hash_tells_the_data_apart(tmp_path: Path) -> None:
    pairs = [block_case(seed) for seed in range(3)]
    facts = [_facts(tmp_path, f"case {n}", *pair) for n, pair in enumerate(pairs)]
    data = fingerprint(_set(facts), facts).data
    assert fingerprint(_set(facts), facts[::-1]).data == data
    assert fingerprint(_set(facts), facts[1:]).data != data
    image, labels = pairs[0]
    labels[5, 5, 5] = 0 if labels[5, 5, 5] else 1
    changed = [_facts(tmp_path / "changed", "case 0", image, labels), *facts[1:]]
    assert fingerprint(_set(facts), changed).data != data


def test_it_can_be_written_and_read_and_names_nobody(tmp_path: Path) -> None:
    """It goes into the model's card, which is handed on."""
    facts = [_facts(tmp_path, name, *block_case(n)) for n, name in enumerate(("Doe", "Roe"))]
    found = fingerprint(_set(facts), facts)
    write_fingerprint(tmp_path / "fingerprint.json", found)
    text = (tmp_path / "fingerprint.json").read_text(encoding="utf-8")
    assert read_fingerprint(tmp_path / "fingerprint.json") == found
    assert "Doe" not in text
    assert str(tmp_path) not in text


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cases": 1}', "[" * 100_000])
def test_what_is_no_fingerprint_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "fingerprint.json").write_text(text)
    with pytest.raises(InputError, match="not the fingerprint"):
        read_fingerprint(tmp_path / "fingerprint.json")


def test_a_structure_and_labels_that_are_missing(tmp_path: Path) -> None:
    image, labels = block_case(0)
    bright = _facts(tmp_path, "bright", image, sitk.ChangeLabel(labels, {2: 0}))
    empty = _facts(tmp_path, "empty", image, labels * 0)
    found = fingerprint(_set([bright, empty]), [bright, empty])
    assert [structure.cases for structure in found.structures] == [1, 0]
    assert found.structures[1].volume_ml is None
    write_fingerprint(tmp_path / "fingerprint.json", found)
    assert read_fingerprint(tmp_path / "fingerprint.json") == found
    assert fingerprint(_set([empty]), [empty]).channels == ()


def test_a_set_without_a_usable_case_is_refused(tmp_path: Path) -> None:
    image, labels = block_case(0)
    off = _facts(tmp_path, "off", image, labels[2:, :, :])
    with pytest.raises(InputError, match="no case to learn from"):
        fingerprint(_set([off]), [off])


def test_the_box_leaves_out_the_empty_rim(tmp_path: Path) -> None:
    """Heads without their skull lie in a large box of zeros, which a plan must not count."""
    image, labels = block_case(0)
    empty = sitk.Image(30, 40, 50, sitk.sitkInt16)
    empty.CopyInformation(sitk.ConstantPad(image, (5, 9, 20), (5, 9, 12), 0))
    framed = sitk.Paste(empty, image, SIZE, destinationIndex=(5, 9, 20))
    around = sitk.ConstantPad(labels, (5, 9, 20), (5, 9, 12), 0)
    facts = _facts(tmp_path, "framed", framed, around)
    found = fingerprint(_set([facts]), [facts])
    assert tuple(along.median for along in found.size) == (30, 40, 50)
    assert tuple(along.median for along in found.content) == SIZE


def test_a_million_voxels_stand_for_more() -> None:
    """A column that a regular step would hit again and again must not decide."""
    values = np.zeros((200, 100, 100), dtype=np.int16)
    values[..., ::2] = 100
    values[7, 7, 7] = -1000
    found = intensities(values)
    assert found.mean == pytest.approx(50.0, abs=0.5)
    assert found.quantiles[0] == -1000
    assert found.quantiles[-1] == 100


def test_parts_and_sides_of_regions_are_counted() -> None:
    """The axes of this image go to the left, to the front and up."""
    array = np.zeros((8, 9, 10), dtype=np.uint8)
    array[2:4, 3:6, 9] = 1
    array[2:4, 3:6, 8] = 2
    array[7, 0, 0] = 2
    image = sitk.GetImageFromArray(array)
    image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
    both, second = structure_facts(image, regions({"Both": [1, 2], "Second": [2]}, [1, 2]))
    assert (both.parts, second.parts) == ((12, 1), (6, 1))
    assert both.faces == {"L": 6, "R": 1, "P": 1, "S": 1}
    assert set(second.faces) == {"R", "P", "S"}
    assert image.TransformPhysicalPointToIndex(both.places[1]) == (0, 0, 7)
    assert image.TransformPhysicalPointToIndex(both.contact)[0] == 9


def test_it_agrees_with_nnunet_on_real_hippocampi(shared_data: Path) -> None:
    """nnU-Net 2.8.1 draws voxels at random, so that its own numbers vary by about 0.1."""
    from MedAssistLib.train.dataset import read_dataset

    dataset = read_dataset(shared_data / "hippocampus")
    dataset = replace(dataset, cases=dataset.cases[:5])
    found = fingerprint(dataset, [case_facts(c, dataset.structures) for c in dataset.cases])
    (channel,) = found.channels
    assert channel.mean == pytest.approx(335.20, abs=0.2)
    assert channel.standard_deviation == pytest.approx(186.23, abs=0.2)
    assert (channel.minimum, channel.maximum) == pytest.approx((21.0, 1090.4377), rel=1e-6)
    assert channel.percentile_00_5 == pytest.approx(36.0, abs=0.2)
    assert channel.median == pytest.approx(345.62027, abs=0.2)
    assert channel.percentile_99_5 == pytest.approx(893.667, abs=0.5)
    assert [along.median for along in found.size] == [35, 52, 35]
