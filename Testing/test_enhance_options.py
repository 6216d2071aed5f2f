"""Filters: each explains itself, keeps its options, and refuses bad ones in one line."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import SimpleITK as sitk

from MedAssistLib.enhance.itk import run
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.errors import InputError, UsageError
from MedAssistLib.progress import Progress
from Testing.filter_cases import KINDS, NAMES, applied


@pytest.mark.parametrize("kind", [KINDS[name] for name in NAMES], ids=lambda kind: kind.name)
def test_a_filter_explains_itself(kind: FilterKind) -> None:
    """The command line and the panel show only what is written here."""
    assert kind.help.endswith(".")
    assert "use it" in kind.help.lower()
    assert 0.0 < kind.tolerance <= 0.05
    for entry in dataclasses.fields(kind.options):
        about = kind.options.domains()[entry.name]
        assert about.help
        assert not about.help.endswith(".")
        assert about.unit not in ("voxel", "voxels", "px")
        assert about.limits()


@pytest.mark.parametrize("kind", [KINDS[name] for name in NAMES], ids=lambda kind: kind.name)
def test_options_are_read_back_as_they_are_written(kind: FilterKind) -> None:
    given = {"reference": "scan.nii.gz"} if kind.name == "contrast.match" else {}
    for modality in ("", "CT", "MR"):
        options = kind.options.make(given, modality)
        assert kind.options.make(options.texts(), modality) == options


def test_defaults_follow_the_modality_and_give_way_to_the_user() -> None:
    window = KINDS["contrast.window"].options
    assert (window.make({}, "CT").width, window.make({}, "MR").width) == (400.0, None)
    assert (window.make({"width": "auto"}, "CT").width, window.make({}, "CT").level) == (None, 40.0)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("denoise.gaussian", {"sigma": "-1"}, "sigma=-1 is out of range. Give a value from 0.1"),
        ("denoise.gaussian", {"sigma": "nan"}, "sigma=nan is out of range"),
        ("denoise.gaussian", {"sgma": "1"}, 'no option "sgma". Did you mean "sigma"'),
        ("structure.log", {"sigma": "auto"}, "sigma=auto is not a number"),
        ("denoise.flow", {"iterations": "2.5"}, "iterations=2.5 is not a whole number"),
        ("denoise.flow", {"iterations": 2.5}, "iterations=2.5 is not a whole number"),
        ("contrast.window", {"width": "0"}, "width=0 is out of range"),
        ("contrast.match", {}, "reference= is missing. Give the path of a file"),
        ("contrast.rescale", {"minimum": 2}, "minimum=2 is not below maximum=1"),
        ("morphology.tophat", {"side": "brigth"}, 'not possible. Did you mean "bright"'),
        ("geometry.reorient", {"orientation": "RAX"}, "orientation=RAX is not possible"),
        ("structure.vesselness", {"largest": 0.5}, "largest=0.5 is below smallest=1"),
    ],
)
def test_a_bad_option_is_one_line(name: str, given: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        KINDS[name].options.make(given)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_range_is_refused(head: sitk.Image, reference: Path) -> None:
    with pytest.raises(UsageError, match="from 50 to 20 is empty"):
        applied("contrast.gamma", head, reference, "low=50,high=20")


@pytest.mark.parametrize("content", [None, b"no image"])
def test_a_reference_that_is_no_image_is_named(
    head: sitk.Image, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "reference.nrrd"
    if content:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        applied("contrast.match", head, path)
    assert "reference.nrrd" in str(caught.value)


def test_an_error_of_itk_becomes_one_line() -> None:
    tiny = sitk.Image(2, 2, 2, sitk.sitkFloat32)
    with pytest.raises(InputError, match="cannot be used on this scan") as caught:
        run(sitk.SmoothingRecursiveGaussianImageFilter(), Progress(), tiny)
    assert "\n" not in str(caught.value)
