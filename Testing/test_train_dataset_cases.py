"""What labels mean, and that a case's voxels come as the training needs them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from MedAssistLib.errors import InputError
from MedAssistLib.train.dataset import IGNORED, LabelledCase, Structures
from MedAssistLib.train.dataset.cases import exclusive, regions
from MedAssistLib.train.dataset.reading import read_case
from Testing.labelled_sets import block_case, write
from Testing.orientations import ALL, stored

_BLOCKS = exclusive({1: "Bright", 2: "Dark"})
_values = st.lists(st.integers(1, 65_535), min_size=2, max_size=8, unique=True)


@settings(max_examples=50, deadline=None)
@given(values=_values, data=st.data())
def test_indices_lead_back_to_the_label_values(values: list[int], data: st.DataObject) -> None:
    ignore, *rest = values
    structures = exclusive({value: f"structure {value}" for value in rest}, ignore)
    drawn = data.draw(st.lists(st.sampled_from([0, *values]), min_size=1, max_size=30))
    labels = np.array(drawn, dtype=np.uint16)
    indices = structures.indexed(labels)
    assert indices.dtype == np.int16
    assert ((indices == IGNORED) == (labels == ignore)).all()
    kept = indices != IGNORED
    assert (np.array(structures.values)[indices[kept]] == labels[kept]).all()


@settings(max_examples=50, deadline=None)
@given(value=st.integers(-(2**31), 2**31 - 1).filter(lambda value: value not in (0, 1, 2)))
def test_an_unknown_label_is_never_taken_for_another(value: int) -> None:
    with pytest.raises(InputError, match=rf"label {value},"):
        _BLOCKS.indexed(np.array([0, 1, value, 2], dtype=np.int32))


def test_every_value_of_eight_bits_can_be_asked() -> None:
    """Label images are 8 bits mostly, which the table of values must not overflow."""
    structures = exclusive({255: "Last"})
    assert structures.indexed(np.array([0, 255], dtype=np.uint8)).tolist() == [0, 1]


def test_structures_that_exclude_one_another_have_an_output_each_after_background() -> None:
    structures = exclusive({7: "Seventh", 3: "Third"})
    assert structures.names == ("Third", "Seventh")
    assert structures.values == (0, 3, 7)
    assert not structures.overlapping
    assert np.array_equal(structures.membership(), np.eye(3, dtype=bool))


def test_regions_have_an_output_each_and_no_background() -> None:
    """Of nnU-Net's brain tumours: whole, core and enhancing, painted over one another."""
    structures = regions({"Whole": [3, 1, 2], "Core": [2, 3], "Enhancing": [3]}, [1, 2, 3])
    assert structures.overlapping
    expected = [[0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]]
    assert structures.membership().astype(int).tolist() == expected


def test_two_values_that_make_one_structure_are_a_region() -> None:
    assert regions({"Both": [1, 2], "Third": [3]}, [1, 2]).overlapping


@pytest.mark.parametrize(
    ("names", "members", "painted", "ignore", "says"),
    [
        ((), (), (), None, "no structure to learn"),
        (("A", "A"), ((1,), (2,)), (1, 2), None, 'two structures are called "A"'),
        (("A", " "), ((1,), (2,)), (1, 2), None, "has no name"),
        (("A",), ((1,), (2,)), (1,), None, "one label value each"),
        (("A",), ((0,),), (1,), None, "not whole numbers from 1"),
        (("A",), ((),), (1,), None, "not whole numbers from 1"),
        (("A",), ((70_000,),), (1,), None, "not whole numbers from 1"),
        (("A",), ((1,),), (1,), 1, "left out, but means something"),
    ],
)
def test_labels_that_make_no_sense_are_refused(names, members, painted, ignore, says) -> None:
    with pytest.raises(InputError, match=says):
        Structures(names=names, members=members, painted=painted, ignore=ignore)


def _case(folder: Path, images: list[sitk.Image], labels: sitk.Image) -> LabelledCase:
    paths = [write(folder / f"image{n}.nii.gz", image) for n, image in enumerate(images)]
    label = write(folder / "label.nii.gz", labels)
    return LabelledCase(name="one", images=tuple(paths), label=label, group="one")


@pytest.mark.parametrize(("order", "flips"), ALL[::5], ids=str)
def test_labels_and_channels_come_in_the_order_of_the_first_image(
    tmp_path: Path, order: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    """A label image that is stored in another order would teach the mirror image."""
    image, labels = block_case(1)
    other = stored(image * 2, order, flips)
    case = _case(tmp_path, [image, other], stored(labels, order, flips))
    scans, indexed = read_case(case, _BLOCKS)
    assert np.array_equal(indexed, sitk.GetArrayFromImage(labels))
    first, second = (sitk.GetArrayFromImage(scan.image) for scan in scans)
    assert np.array_equal(second, 2 * first)


def test_a_case_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    image, labels = block_case(0)
    moved = sitk.Image(labels)
    moved.SetOrigin((0.0, 0.0, 0.0))
    with pytest.raises(InputError, match="not on the scan's grid"):
        read_case(_case(tmp_path / "a", [image], moved), _BLOCKS)
    with pytest.raises(InputError, match="not on the grid of the first channel"):
        read_case(_case(tmp_path / "b", [image, image[:, :, 2:]], labels), _BLOCKS)
    with pytest.raises(InputError, match=r"label.nii.gz: has voxels of label 2"):
        read_case(_case(tmp_path / "d", [image], labels), exclusive({1: "Bright"}))


def test_a_segment_that_the_set_does_not_know_is_refused(tmp_path: Path) -> None:
    """In silence its voxels would be learned as another structure, or as background."""
    image, labels = block_case(0)
    for number, name in enumerate(("Dark", "Tumour")):
        labels.SetMetaData(f"Segment{number}_ID", f"Segment_{number + 1}")
        labels.SetMetaData(f"Segment{number}_Name", name)
        labels.SetMetaData(f"Segment{number}_LabelValue", str(number + 1))
    path = write(tmp_path / "image.nii.gz", image)
    label = write(tmp_path / "label.seg.nrrd", labels)
    case = LabelledCase(name="one", images=(path,), label=label, group="one")
    with pytest.raises(InputError, match='segment "Tumour", which is none of Bright, Dark'):
        read_case(case, _BLOCKS)
