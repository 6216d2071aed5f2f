"""The folds of a cross-validation: whole, even, and never one patient in two of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from MedAssistLib.errors import InputError, UsageError
from MedAssistLib.train.dataset import LabelledCase
from MedAssistLib.train.split import folds, joined, read_folds, write_folds

_patients = st.lists(st.integers(0, 30), min_size=1, max_size=60)


def _cases(groups: list[int]) -> list[LabelledCase]:
    return [
        LabelledCase(name=f"case {n}", images=(Path("i"),), label=Path("l"), group=f"p{group}")
        for n, group in enumerate(groups)
    ]


@settings(max_examples=100, deadline=None)
@given(groups=_patients, number=st.integers(2, 6), seed=st.integers(0, 5), data=st.data())
def test_folds_are_whole_even_and_split_no_patient(
    groups: list[int], number: int, seed: int, data: st.DataObject
) -> None:
    cases = _cases(groups)
    if len(set(groups)) < number:
        with pytest.raises(UsageError, match=f"at least {number} patients"):
            folds(cases, number, seed)
        return
    held = folds(cases, number, seed)
    assert sorted(name for fold in held for name in fold) == sorted(case.name for case in cases)
    for group in set(groups):
        names = {case.name for case in cases if case.group == f"p{group}"}
        assert sum(bool(names & set(fold)) for fold in held) == 1
    largest = max(groups.count(group) for group in groups)
    sizes = [len(fold) for fold in held]
    assert min(sizes) > 0
    assert max(sizes) - min(sizes) <= largest
    assert folds(data.draw(st.permutations(cases)), number, seed) == held


def test_another_seed_gives_other_folds() -> None:
    cases = _cases(list(range(40)))
    assert folds(cases, 5, 0) != folds(cases, 5, 1)


def test_the_folds_stay_the_same_in_every_version() -> None:
    """A training that is resumed after an update must hold out the same cases."""
    expected = (("case 1", "case 5"), ("case 0", "case 2"), ("case 3", "case 4"))
    assert folds(_cases(list(range(6))), 3, 0) == expected


def test_one_fold_is_none() -> None:
    with pytest.raises(UsageError, match="1 folds are none"):
        folds(_cases([1, 2]), 1, 0)


def test_cases_that_show_the_same_become_one_group() -> None:
    """Duplicates under two patients' names would leak from training to validation."""
    cases = _cases([0, 1, 2, 3, 0])
    made = joined(cases, [("case 0", "case 2"), ("case 3", "case 2"), ("case 1", "gone")])
    groups = {case.name: case.group for case in made}
    assert groups["case 0"] == groups["case 2"] == groups["case 3"] == groups["case 4"]
    assert groups["case 1"] != groups["case 0"]


def test_folds_can_be_written_and_read(tmp_path: Path) -> None:
    cases = _cases(list(range(11)))
    held = folds(cases, 3, 0)
    write_folds(tmp_path / "splits.json", held, [case.name for case in cases])
    assert read_folds(tmp_path / "splits.json", cases) == held


def test_a_split_of_nnunet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "splits_final.json"
    path.write_text(
        '[{"train": ["case 1", "case 2"], "val": ["case 0"]},'
        ' {"train": ["case 0"], "val": ["case 1", "case 2"]}]'
    )
    assert read_folds(path, _cases([0, 1, 2])) == (("case 0",), ("case 1", "case 2"))


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([], "has no folds"),
        ({"train": []}, "is not a file of folds"),
        ([{"train": ["case 0"]}], "is not a file of folds"),
        ([{"train": "case 0", "val": ["case 1"]}], "is not a file of folds"),
        ([{"train": ["case 0"], "val": ["case 1", "other"]}], "not there, such as other"),
        ([{"train": [], "val": ["case 0"]}], "every case once in fold 0"),
        ([{"train": ["case 0", "case 1"], "val": ["case 0"]}], "every case once in fold 0"),
        ([{"train": ["case 0", "case 1"], "val": []}], "every case once in fold 0"),
        ([{"train": ["case 0"], "val": ["case 1"]}] * 2, 'holds out "case 1" in two folds'),
    ],
)
def test_a_split_that_does_not_fit_is_refused(tmp_path: Path, entries, says: str) -> None:
    path = tmp_path / "splits.json"
    path.write_text(json.dumps(entries))
    with pytest.raises(InputError, match=says):
        read_folds(path, _cases([0, 1]))
