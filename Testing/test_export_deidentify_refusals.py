"""What de-identification refuses, leaves out, and does to DICOM that nobody thought of."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import uid
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from MedAssistLib.errors import InputError, UsageError
from MedAssistLib.export.deidentify import DeidentifyOptions, deidentify, profile
from MedAssistLib.export.deidentify.dataset import Cleaner
from MedAssistLib.export.deidentify.identity import Identity
from MedAssistLib.export.deidentify.profile import action_for
from MedAssistLib.export.deidentify.pseudonyms import Pseudonyms
from MedAssistLib.export.deidentify.values import moved
from Testing.deidentify_cases import MARK, fill, holds, marked, mr_image, read, save


def refused(data: Dataset, folder: Path, **options: object) -> str:
    """Return why a dataset is refused; nothing may be written."""
    source, target = save(data, folder / "in" / "a.dcm"), folder / "out"
    with pytest.raises(InputError) as caught:
        deidentify([source], target, DeidentifyOptions(**options))
    assert [path.name for path in folder.iterdir()] == ["in"]
    return str(caught.value)


def report(text: str = "") -> Dataset:
    """Return a structured report with a measurement, a person and perhaps a text."""
    data = mr_image(SOPClassUID=uid.EnhancedSRStorage, Modality="SR", ValueType="CONTAINER")
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    del data.PixelData
    number, person, words = Dataset(), Dataset(), Dataset()
    number.ValueType, person.ValueType, words.ValueType = "NUM", "PNAME", "TEXT"
    value = Dataset()
    value.NumericValue = "12.5"
    number.MeasuredValueSequence = Sequence([value])
    person.PersonName = f"{MARK}^Reader"
    words.TextValue = text
    number.ContentSequence = Sequence([words] if text else [])
    data.ContentSequence = Sequence([number, person])
    return data


def document() -> Dataset:
    data = mr_image(SOPClassUID=uid.EncapsulatedPDFStorage, Modality="DOC")
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    del data.PixelData
    data.EncapsulatedDocument = b"%PDF" + MARK.encode()
    return data


def test_a_document_is_refused(tmp_path: Path) -> None:
    assert "document within a DICOM file" in refused(document(), tmp_path)


def test_a_report_with_text_is_refused_or_written_without_it(tmp_path: Path) -> None:
    """Radiologists write names into the text; numbers and codes name nobody."""
    assert "--blank-text" in refused(report(f"{MARK} has a cough"), tmp_path)
    source, target = tmp_path / "in" / "a.dcm", tmp_path / "b.dcm"
    deidentify([source], target, DeidentifyOptions(blank_text=True))
    after = read(target)
    number, person = after.ContentSequence
    assert not holds(target.read_bytes(), MARK)
    assert number.MeasuredValueSequence[0].NumericValue == 12.5
    assert number.ContentSequence[0].TextValue == "REMOVED"
    assert person.PersonName == "REMOVED"
    assert "113104" in [item.CodeValue for item in after.DeidentificationMethodCodeSequence]


def test_a_report_without_text_is_written(tmp_path: Path) -> None:
    source = save(report(), tmp_path / "a.dcm")
    assert deidentify([source], tmp_path / "b.dcm").files == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"BurnedInAnnotation": "YES"},
        {"SOPClassUID": uid.SecondaryCaptureImageStorage},
        {"SOPClassUID": uid.UltrasoundImageStorage},
        {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]},
    ],
    ids=str,
)
def test_a_picture_that_may_show_a_name_is_refused_unless_somebody_looked(
    changes: dict[str, object], tmp_path: Path
) -> None:
    """Ultrasound and screenshots carry the patient's name in their pixels."""
    data = mr_image(**changes)
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    assert "--allow-burned-in" in refused(data, tmp_path)
    options = DeidentifyOptions(allow_burned_in=True)
    made = deidentify([tmp_path / "in" / "a.dcm"], tmp_path / "b.dcm", options)
    assert any("drawn into" in warning for warning in made.warnings)


def test_a_picture_that_says_it_shows_no_text_is_written(tmp_path: Path) -> None:
    data = mr_image(SOPClassUID=uid.UltrasoundImageStorage, BurnedInAnnotation="NO")
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    assert deidentify([save(data, tmp_path / "a.dcm")], tmp_path / "b.dcm").files == 1


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        ({"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, True),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "SECONDARY"]}, False),
        ({"ImageType": ["DERIVED", "SECONDARY", "MPR"], "BurnedInAnnotation": "NO"}, False),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, True),
        ({}, False),
    ],
    ids=str,
)
def test_made_pictures_that_do_not_say_that_they_are_free_of_text_are_warned_of(
    changes: dict[str, object], warned: bool, tmp_path: Path
) -> None:
    """Renderings and fused images carry names often enough; to refuse them all helps nobody."""
    made = deidentify([save(mr_image(**changes), tmp_path / "a.dcm")], tmp_path / "b.dcm")
    assert any("free of text" in warning for warning in made.warnings) is warned


def test_a_name_in_the_comment_of_a_jpeg_is_refused(tmp_path: Path) -> None:
    data = mr_image(Modality="OT")
    data.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    data.PixelData = encapsulate(
        [b"\xff\xd8\xff\xfe\x00\x20" + MARK.upper().encode() + b"\xff\xd9"]
    )
    data["PixelData"].VR = "OB"
    data["PixelData"].is_undefined_length = True
    assert "within its compressed pixels" in refused(data, tmp_path)


def test_a_cut_off_file_is_refused(tmp_path: Path) -> None:
    source = save(mr_image(), tmp_path / "a.dcm")
    source.write_bytes(source.read_bytes()[:-10])
    with pytest.raises(InputError, match="cut off"):
        deidentify([source], tmp_path / "b.dcm")
    assert not (tmp_path / "b.dcm").exists()


def test_what_cannot_be_cleaned_is_left_out_if_asked(tmp_path: Path) -> None:
    """One report among a thousand slices must not keep the slices back, nor slip through."""
    save(mr_image(), tmp_path / "in" / "1.dcm")
    save(document(), tmp_path / "in" / "2.dcm")
    with pytest.raises(InputError, match="document"):
        deidentify([tmp_path / "in"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    made = deidentify([tmp_path / "in"], tmp_path / "out", DeidentifyOptions(leave_out=True))
    assert made.files == 1
    assert [one.path.name for one in made.left_out] == ["2.dcm"]
    assert "document" in made.left_out[0].reason


@pytest.mark.parametrize(
    "options",
    [
        {"keep_dates": True, "shift_days": 3},
        {"key": b"short"},
        {"brain": Path("brain.nii")},
        {"patients": {"1": "../../etc"}},
        {"patients": {"1": "A", "2": "A"}},
    ],
    ids=str,
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        DeidentifyOptions(**options)


_TAGS = st.one_of(
    st.sampled_from([tag for tag in profile._STANDARD if tag >> 16 > 0x0006]),
    st.integers(0x00080000, 0xFFFCFFFC),
)
_VRS = st.sampled_from(
    ("AE", "AS", "CS", "DA", "DS", "DT", "LO", "PN", "SQ", "ST", "UI", "UT", "UN", "OB", "FD")
)


def _dataset(depth: int) -> st.SearchStrategy[Dataset]:
    """Return datasets of any attributes under any value representation, nested."""
    inner = _dataset(depth - 1) if depth else st.just(Dataset())
    return st.lists(st.tuples(_TAGS, _VRS, inner), max_size=4).map(_made)


def _made(parts: list[tuple[int, str, Dataset]]) -> Dataset:
    data = Dataset()
    for number, vr, item in parts:
        tag = Tag(number)
        if vr == "SQ" and (not dictionary_has_tag(tag) or dictionary_VR(tag) == "SQ"):
            data.add_new(tag, vr, Sequence([item]))
            continue
        value = marked(vr)
        raw = value if isinstance(value, bytes) else f"{value} {MARK} ".encode()
        # As a file holds it: whatever the bytes, under whatever value representation.
        data[tag] = RawDataElement(tag, vr, len(raw), raw, 0, False, True)
    return data


@given(_dataset(2), st.sampled_from([None, 0, 40]))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_dataset_makes_it_fail_or_leave_a_name(data: Dataset, days: int | None) -> None:
    """Wrong value representations, private blocks without owners, sequences in sequences."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        named = Dataset()
        named.PatientName = MARK
        cleaner = Cleaner(Identity(named), Pseudonyms(b"", {}, keep_uids=False), days)
        cleaner.clean(data)
        for element in data.iterall():
            assert not element.tag.is_private
            # What the standard keeps as a code or as bytes is not text that somebody typed.
            kept = action_for(element.tag) is None
            if not kept or dictionary_VR(element.tag).split(" ")[0] not in ("SQ", "CS", "OB", "OW"):
                assert MARK.casefold() not in str(element.value).casefold(), element


@given(st.dates().map(lambda date: date.strftime("%Y%m%d").zfill(8)), st.integers(-400, 400))
def test_a_shift_can_be_undone(date: str, days: int) -> None:
    """If it could not, two scans would no longer be as far apart as they were."""
    try:
        there = moved("DA", date, days)
    except UsageError:
        return
    assert there is not None
    assert moved("DA", there, -days) == date


@given(st.text(max_size=30))
def test_only_dates_pass_as_dates(text: str) -> None:
    for vr in ("DA", "DT", "TM", "SH"):
        kept = moved(vr, text, 0)
        assert kept is None or set(kept) <= set("0123456789.+-")


def test_an_attribute_that_no_dictionary_knows_is_removed() -> None:
    """A newer standard may have attributes for names that this one does not know."""
    unknown = 0x00101FFE
    with pytest.raises(KeyError):
        dictionary_VR(unknown)
    data = fill(Dataset(), [unknown])
    Cleaner(Identity(data), Pseudonyms(b"", {}, keep_uids=False), None).clean(data)
    assert not data
