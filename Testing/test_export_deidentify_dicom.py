"""De-identified DICOM: nobody is named in it, and it is the same scan as before."""

from __future__ import annotations

import json
from pathlib import Path

import pydicom
import pytest
from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from MedAssistLib.errors import UsageError
from MedAssistLib.export.deidentify import DeidentifyOptions, deidentify, profile
from Testing.deidentify_cases import (
    MARK,
    MARK_DATE,
    MARK_UID,
    fill,
    holds,
    mr_image,
    read,
    save,
)

KEY = b"a key for tests, of no worth"
_CODES = {
    "D": "D_TAGS",
    "Z": "Z_TAGS",
    "X": "X_TAGS",
    "U": "U_TAGS",
    "Z/D": "Z_D_TAGS",
    "X/Z": "X_Z_TAGS",
    "X/D": "X_D_TAGS",
    "X/Z/D": "X_Z_D_TAGS",
    "X/Z/U*": "X_Z_U_STAR_TAGS",
}
_STANDARD = [
    int(tag, 16)
    for tag in json.loads(Path(profile.__file__).with_suffix(".json").read_text("utf-8"))[
        "attributes"
    ]
]


def cleaned(data: Dataset, folder: Path, **options: object) -> tuple[Dataset, bytes]:
    """Return a dataset after de-identification, and the bytes of its file."""
    source, target = save(data, folder / "before.dcm"), folder / "after.dcm"
    deidentify([source], target, DeidentifyOptions(key=KEY, **options))
    return read(target), target.read_bytes()


def test_the_profile_is_the_standards_own_table() -> None:
    """A wrong or missing line of Table E.1-1 would let an attribute pass."""
    stored = json.loads(Path(profile.__file__).with_suffix(".json").read_text("utf-8"))
    ours = {(int(t[:4], 16), int(t[4:], 16)): c for t, (c, _) in stored["attributes"].items()}
    theirs = {tag: code for code, name in _CODES.items() for tag in getattr(table, name)}
    ranges = {tag for tag in theirs if len(tag) > 2}
    assert ours == {tag: code for tag, code in theirs.items() if tag not in ranges}
    assert stored["edition"] == table.__name__[-5:]
    for group, element, *_ in ranges:  # Curves and overlays.
        assert profile.action_for(group << 16 | element) is profile.Action.REMOVE


@pytest.mark.parametrize(
    "syntax",
    [
        uid.ExplicitVRLittleEndian,
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
        uid.DeflatedExplicitVRLittleEndian,
    ],
    ids=lambda syntax: syntax.name,
)
def test_no_value_of_the_profiles_attributes_is_left(syntax: uid.UID, tmp_path: Path) -> None:
    """Every attribute of the table, on top and nested in what is kept, in every encoding."""
    document, no_groups = 0x00420011, (0x0000, 0x0002, 0x0004)
    tags = [tag for tag in _STANDARD if tag >> 16 not in no_groups and tag != document]
    nested = fill(Dataset(), tags)
    nested.add_new(0x00091001, "LO", MARK)
    data = fill(mr_image(), tags)
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.AnatomicRegionSequence = Sequence([nested])
    data.file_meta.TransferSyntaxUID = syntax
    data.file_meta.SourceApplicationEntityTitle = MARK
    data.preamble = MARK.encode().ljust(128, b"\0")
    before = save(data, tmp_path / "before.dcm").read_bytes()
    assert holds(before, MARK) or syntax.is_deflated
    after, raw = cleaned(data, tmp_path, blank_text=True)
    plain = str(after).encode()  # Of the deflated one, what is packed in it.
    for secret in (MARK, MARK_DATE, MARK_UID, "ID94794"):
        assert not holds(raw, secret)
        assert not holds(plain, secret)
    assert after.file_meta.TransferSyntaxUID == syntax
    assert after.PixelData == data.PixelData


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Jörgquax^Änne"),
        ("ISO_IR 144", "Люкceмбypг^Иван"),
        ("ISO_IR 126", "Διονυσιος^Νίκος"),
        ("ISO_IR 192", "Ångström-Ødegård^Þór"),
        ("GB18030", "王小东国^李"),
        (["", "ISO 2022 IR 87"], "Yamadax^Tarox=山田川口^太郎二=やまだかわ^たろう"),
        (["", "ISO 2022 IR 149"], "Hongq^Gildongq=洪吉東山^吉洞"),
    ],
)
def test_names_in_every_script_are_gone(charset: object, name: str, tmp_path: Path) -> None:
    """A name is bytes of some encoding; taking out its ASCII form alone would leave it."""
    data = mr_image(SpecificCharacterSet=charset)
    data.PatientName = name
    data.SegmentLabel = f"Tumour of {name.partition('^')[0]}"
    item = Dataset()
    item.OperatorsName = name
    data.AnatomicRegionSequence = Sequence([item])
    _, raw = cleaned(data, tmp_path)
    before = (tmp_path / "before.dcm").read_bytes()
    parts = [part for part in name.replace("=", "^").split("^") if len(part) > 1]
    assert any(holds(before, part) for part in parts)
    assert [part for part in parts if holds(raw, part)] == []


def test_a_name_in_an_attribute_that_is_kept_is_found(tmp_path: Path) -> None:
    """The profile keeps labels and the like, into which people type names all the same."""
    data = mr_image(PatientName="Doe^Jane", AccessionNumber="A-4711")
    data.SequenceName, data.ManufacturerModelName = "t1 for JANE", "Magnetom (A-4711)"
    data.ScanOptions, data.PulseSequenceName = "FS", "doetse"
    region = Dataset()
    region.CodeValue, region.CodingSchemeDesignator = "1", "SCT"
    region.CodeMeaning = "Doe of the forest"
    data.AnatomicRegionSequence = Sequence([region])
    after, _ = cleaned(data, tmp_path)
    assert (after.SequenceName, after.ManufacturerModelName) == ("REMOVED", "REMOVED")
    assert (after.ScanOptions, after.PulseSequenceName) == ("FS", "doetse")
    # A published code names a thing, not a person.
    assert after.AnatomicRegionSequence[0].CodeMeaning == "Doe of the forest"


def test_uids_are_new_and_the_same_for_the_same(tmp_path: Path) -> None:
    """References within a study must lead to the same images as before."""
    first, second = mr_image(), mr_image(SOPInstanceUID=f"{MARK_UID}.9")
    reference = Dataset()
    reference.ReferencedSOPClassUID = uid.MRImageStorage
    reference.ReferencedSOPInstanceUID = first.SOPInstanceUID
    second.ReferencedImageSequence = Sequence([reference])
    one, _ = cleaned(first, tmp_path / "1")
    two, _ = cleaned(second, tmp_path / "2")
    assert two.ReferencedImageSequence[0].ReferencedSOPInstanceUID == one.SOPInstanceUID
    assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID
    assert one.StudyInstanceUID == two.StudyInstanceUID != one.SeriesInstanceUID
    assert one.SOPInstanceUID != two.SOPInstanceUID
    assert one.SOPClassUID == uid.MRImageStorage
    assert all(uid.UID(value).is_valid for value in (one.SOPInstanceUID, one.StudyInstanceUID))
    assert one.PatientID == two.PatientID == str(one.PatientName)


def test_without_the_key_names_and_uids_are_others_each_time(tmp_path: Path) -> None:
    """Otherwise anybody could try all Patient IDs and find whose pseudonym it is."""
    source = save(mr_image(), tmp_path / "before.dcm")
    for name in ("a.dcm", "b.dcm"):
        deidentify([source], tmp_path / name)
    one, two = read(tmp_path / "a.dcm"), read(tmp_path / "b.dcm")
    assert one.PatientID != two.PatientID
    assert one.StudyInstanceUID != two.StudyInstanceUID


def test_uids_are_kept_if_asked(tmp_path: Path) -> None:
    after, _ = cleaned(mr_image(), tmp_path, keep_uids=True)
    assert after.SOPInstanceUID == f"{MARK_UID}.1"
    assert "113110" in codes_of(after)


def codes_of(data: Dataset) -> list[str]:
    return [item.CodeValue for item in data.DeidentificationMethodCodeSequence]


def dated(**changes: object) -> Dataset:
    """Return an image with dates of every kind."""
    data = mr_image(
        StudyDate="20240229",
        StudyTime="101112",
        PatientBirthDate=MARK_DATE,
        AcquisitionDateTime="20241231235959.5+0100",
        SeriesDate="20240229",
        TimezoneOffsetFromUTC="+0100",
        ContentDate="about noon",
    )
    item = Dataset()
    item.FrameReferenceDateTime = "20240301000000"
    data.FrameContentSequence = Sequence([item])
    for keyword, value in changes.items():
        setattr(data, keyword, value)
    return data


def test_dates_go_by_default(tmp_path: Path) -> None:
    after, raw = cleaned(dated(), tmp_path)
    assert b"2024" not in raw
    assert MARK_DATE.encode() not in raw
    assert after.LongitudinalTemporalInformationModified == "REMOVED"
    assert after.PatientIdentityRemoved == "YES"
    assert codes_of(after) == ["113100"]


def test_dates_are_kept_if_asked_but_not_that_of_birth(tmp_path: Path) -> None:
    after, raw = cleaned(dated(), tmp_path, keep_dates=True)
    assert (after.StudyDate, after.StudyTime) == ("20240229", "101112")
    assert after.AcquisitionDateTime == "20241231235959.5+0100"
    assert after.FrameContentSequence[0].FrameReferenceDateTime == "20240301000000"
    assert not after.PatientBirthDate
    assert b"noon" not in raw  # No date, so it may be anything.
    assert after.LongitudinalTemporalInformationModified == "UNMODIFIED"
    assert codes_of(after) == ["113100", "113106"]


def test_dates_are_shifted_together(tmp_path: Path) -> None:
    """Intervals must stay: a follow-up scan is as many days later as before."""
    after, raw = cleaned(dated(), tmp_path, shift_days=-61)
    assert (after.StudyDate, after.StudyTime) == ("20231230", "101112")
    assert after.AcquisitionDateTime == "20241031235959.5+0100"
    assert after.FrameContentSequence[0].FrameReferenceDateTime == "20231231000000"
    assert b"20240229" not in raw
    assert after.LongitudinalTemporalInformationModified == "MODIFIED"
    assert codes_of(after) == ["113100", "113107"]


def test_a_shift_out_of_the_calendar_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="out of the calendar"):
        cleaned(dated(), tmp_path, shift_days=4_000_000)


def test_dates_once_shifted_stay_called_shifted(tmp_path: Path) -> None:
    data = dated(LongitudinalTemporalInformationModified="MODIFIED")
    after, _ = cleaned(data, tmp_path, keep_dates=True)
    assert after.LongitudinalTemporalInformationModified == "MODIFIED"


def test_patients_get_the_names_that_were_given(tmp_path: Path) -> None:
    after, _ = cleaned(mr_image(), tmp_path, patients={"ID94794": "CASE-01"})
    assert (after.PatientID, str(after.PatientName)) == ("CASE-01", "CASE-01")


def test_only_private_numbers_that_reading_needs_are_kept(tmp_path: Path) -> None:
    """Without its b-value a diffusion scan is worth nothing; a text in its place is a risk."""
    data = mr_image()
    block = data.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", "1000")
    block.add_new(0x08, "CS", MARK.upper())
    other = data.private_block(0x0043, "GEMS_PARM_01", create=True)
    other.add_new(0x39, "LO", MARK)
    after, raw = cleaned(data, tmp_path)
    assert after.private_block(0x0019, "SIEMENS MR HEADER")[0x0C].value == 1000
    assert [e.tag for e in after if e.tag.is_private] == [0x00190010, 0x0019100C]
    assert not holds(raw, MARK)
    assert "113111" in codes_of(after)


@pytest.mark.parametrize("vr", ["US", "OW"])
def test_a_table_of_values_is_kept_however_it_is_written(vr: str, tmp_path: Path) -> None:
    """The standard lets writers choose; without the table the values mean something else."""
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [4, 0, 16], "US"
    table.add_new(0x00283006, vr, [1, 2, 3, 4] if vr == "US" else bytes(range(8)))
    data = mr_image()
    data.ModalityLUTSequence = Sequence([table])
    after, _ = cleaned(data, tmp_path)
    assert after.ModalityLUTSequence[0].LUTData == table.LUTData


def test_overlays_and_curves_are_gone_even_from_within_pixels(tmp_path: Path) -> None:
    """Old scanners drew the patient's name into bits of the pixels that no viewer shows."""
    data = mr_image()
    values = [0x0ABC | 0xF000] * 16
    data.PixelData = b"".join(value.to_bytes(2, "little") for value in values)
    data.add_new(0x60000100, "US", 16)
    data.add_new(0x60000102, "US", 12)
    data.add_new(0x60020010, "US", 4)
    data.add_new(0x60023000, "OW", MARK.encode())
    data.add_new(0x50003000, "OW", MARK.encode())
    after, raw = cleaned(data, tmp_path)
    assert after.PixelData == b"\xbc\x0a" * 16
    assert [e.tag for e in after if e.tag.group >= 0x5000 and e.tag.group < 0x7000] == []
    assert not holds(raw, MARK)


def test_cleaning_twice_changes_nothing_more_but_the_pseudonym(tmp_path: Path) -> None:
    first, _ = cleaned(dated(), tmp_path / "1")
    second, _ = cleaned(first, tmp_path / "2")
    changed = {e.keyword for e in second if first.get(e.tag) != e}
    assert all("UID" in word or word in ("PatientName", "PatientID") for word in changed), changed
    assert pydicom.dcmread(tmp_path / "2" / "after.dcm").PixelData == first.PixelData
