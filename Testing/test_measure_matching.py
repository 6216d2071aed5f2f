"""Which structure is compared with which: never the wrong one, and none is lost."""

from __future__ import annotations

import itertools

import pytest

from MedAssistLib.case import TISSUE, Code, Segment
from MedAssistLib.measure.agreement.matching import match

LEFT, RIGHT = Code("7771000", "SCT", "Left"), Code("24028007", "SCT", "Right")
KIDNEY, LIVER = Code("64033007", "SCT", "Kidney"), Code("10200004", "SCT", "Liver")


def segment(label: int, name: str, type_: Code = TISSUE, modifier: Code | None = None) -> Segment:
    return Segment(label=label, name=name, colour=(1, 2, 3), type=type_, modifier=modifier)


def pairs(
    predicted: list[Segment], reference: list[Segment]
) -> dict[str, tuple[int | None, int | None]]:
    """Return the labels of what is compared, by the name that is told."""
    return {
        name: (
            found.predicted.label if found.predicted else None,
            found.reference.label if found.reference else None,
        )
        for name, found in match(predicted, reference).items()
    }


def test_the_code_counts_whatever_name_and_label_are() -> None:
    """Two hospitals name and number their structures as they like."""
    predicted = [segment(1, "kidney_left", KIDNEY, LEFT), segment(2, "Leber", LIVER)]
    reference = [segment(1, "liver", LIVER), segment(2, "Left kidney", KIDNEY, LEFT)]
    assert pairs(predicted, reference) == {"liver": (2, 1), "Left kidney": (1, 2)}


def test_left_is_never_compared_with_right() -> None:
    predicted = [segment(1, "Kidney", KIDNEY, RIGHT)]
    reference = [segment(1, "Kidney", KIDNEY, LEFT)]
    assert pairs(predicted, reference) == {
        "Kidney (Left)": (None, 1),
        "Kidney (Right)": (1, None),
    }


@pytest.mark.parametrize("name", ["left kidney", "LEFT_KIDNEY", "kidney_left", "Kidney, left"])
def test_a_name_counts_in_any_spelling_where_there_is_no_code(name: str) -> None:
    assert pairs([segment(4, name)], [segment(2, "Left kidney", KIDNEY, LEFT)]) == {
        "Left kidney": (4, 2)
    }


def test_structures_of_one_code_are_told_apart_by_name() -> None:
    """Front and back of the hippocampus have one code."""
    code = Code("5366008", "SCT", "Hippocampus")
    predicted = [segment(1, "Back", code), segment(2, "Front", code)]
    reference = [segment(1, "Front", code), segment(2, "Back", code), segment(3, "Tail", code)]
    expected = {"Front": (2, 1), "Back": (1, 2), "Tail": (None, 3)}
    for order in itertools.permutations(reference):
        assert pairs(predicted, list(order)) == expected


def test_a_code_that_several_share_pairs_nothing() -> None:
    predicted = [segment(1, "Hippocampus", KIDNEY)]
    reference = [segment(1, "Front", KIDNEY), segment(2, "Back", KIDNEY)]
    found = pairs(predicted, reference)
    assert found == {"Front": (None, 1), "Back": (None, 2), "Hippocampus": (1, None)}


def test_labels_pair_what_has_no_name_with_what_has_one() -> None:
    """Most references are label images without names."""
    predicted = [segment(1, "Front"), segment(2, "Back")]
    reference = [segment(1, "Label 1"), segment(3, "Label 3")]
    assert pairs(predicted, reference) == {"Front": (1, 1), "Label 3": (None, 3), "Back": (2, None)}
    (front, *_) = match(predicted, reference).values()
    assert front.note == '"Front" was compared with "Label 1": the same label value'


def test_labels_never_pair_two_names() -> None:
    """Label 1 is the liver here and the spleen there."""
    assert pairs([segment(1, "Spleen")], [segment(1, "Liver")]) == {
        "Liver": (None, 1),
        "Spleen": (1, None),
    }


def test_plain_label_images_are_paired_by_label_without_ado() -> None:
    both = [segment(1, "Label 1"), segment(2, "Label 2")]
    assert pairs(both[::-1], both) == {"Label 1": (1, 1), "Label 2": (2, 2)}
    assert not any(found.note for found in match(both, both).values())


def test_two_structures_of_one_name_are_both_kept() -> None:
    """A table by name would show one of them."""
    both = [segment(1, "Kidney", KIDNEY, LEFT), segment(2, "Kidney", KIDNEY, RIGHT)]
    assert pairs(both, both) == {"Kidney (Left)": (1, 1), "Kidney (Right)": (2, 2)}
    lesions = [segment(1, "Lesion"), segment(2, "Lesion")]
    assert pairs(lesions, lesions[:1]) == {
        "Lesion (label 1)": (None, 1),
        "Lesion (label 1) 2": (1, None),
        "Lesion (label 2)": (2, None),
    }


def test_a_pair_by_code_of_other_names_is_told() -> None:
    (found,) = match([segment(1, "Leber", LIVER)], [segment(7, "Liver", LIVER)]).values()
    assert found.note == '"Leber" was compared with "Liver": the same code'
