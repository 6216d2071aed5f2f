"""What a new DICOM object takes over from its source: whose it is and to which study it belongs.

Attributes of the modules Patient, General Study, Patient Study and Clinical Trial (PS3.3 C.7.1,
C.7.2) and of the frame of reference. What the source left empty or wrote wrongly stays away, so
that its faults are not repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from MedAssistLib.read.dicom.headers import PARSE_ERRORS

if TYPE_CHECKING:
    from pydicom import DataElement, Dataset

# Whose it is: taken over even where it is longer than allowed.
_IDENTITY = ("PatientName", "PatientID", "StudyInstanceUID", "StudyID", "AccessionNumber")
# These have to be there, if only empty.
_EXPECTED = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyID", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName"),
)
_TAKEN = (
    *("IssuerOfPatientID", "TypeOfPatientID", "IssuerOfPatientIDQualifiersSequence"),
    *("PatientBirthDate", "PatientSex", "OtherPatientIDsSequence", "OtherPatientNames"),
    *("EthnicGroup", "PatientComments", "PatientSpeciesDescription", "PatientSpeciesCodeSequence"),
    *("PatientBreedDescription", "PatientBreedCodeSequence", "BreedRegistrationSequence"),
    *("ResponsiblePerson", "ResponsiblePersonRole", "ResponsibleOrganization"),
    *("PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence"),
    *("QualityControlSubject", "StudyDate", "StudyTime", "StudyDescription"),
    *("ReferringPhysicianName", "PhysiciansOfRecord", "NameOfPhysiciansReadingStudy"),
    *("IssuerOfAccessionNumberSequence", "ProcedureCodeSequence"),
    *("PatientAge", "PatientSize", "PatientWeight", "PregnancyStatus", "SmokingStatus"),
    *("AdmittingDiagnosesDescription", "AdditionalPatientHistory", "PatientSexNeutered"),
    *("ClinicalTrialSponsorName", "ClinicalTrialProtocolID", "ClinicalTrialProtocolName"),
    *("ClinicalTrialSiteID", "ClinicalTrialSiteName", "ClinicalTrialSubjectID"),
    *("ClinicalTrialSubjectReadingID", "ClinicalTrialTimePointID"),
    *("LongitudinalTemporalInformationModified", "PositionReferenceIndicator"),
    *("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
)
_SEXES = ("M", "F", "O")
# Where identity was removed, one has to say how.
_METHODS = {"DeidentificationMethod", "DeidentificationMethodCodeSequence"}


def study_of(source: Dataset) -> Dataset:
    """Return the attributes of patient and study of one of the source's files.

    Args:
        source: All attributes of the file but the pixels; its texts are decoded in place.

    Returns:
        What DICOM expects to be there, empty if the source does not say, and what it says besides.
    """
    from pydicom import Dataset

    study = Dataset()
    for keyword in _EXPECTED:
        setattr(study, keyword, "")
    for element in _elements(source):
        study.add(element)
    if study.PatientSex not in _SEXES:
        study.PatientSex = ""
    if study.get("PatientIdentityRemoved", "") == "YES" and not _METHODS & set(study.dir()):
        study.DeidentificationMethod = "not stated"
    return study


def _elements(source: Dataset) -> Iterator[DataElement]:
    with suppress(*PARSE_ERRORS):  # Texts in an unknown character set stay as they can be read.
        source.decode()
    for keyword in (*_IDENTITY, *_TAKEN):
        with suppress(*PARSE_ERRORS):
            if keyword in source and not source[keyword].is_empty:
                element = source[keyword]
                yield element if keyword in _IDENTITY else _valid(element)


def _valid(element: DataElement) -> DataElement:
    """Return an element; raises ValueError if its value is none that DICOM allows there."""
    from pydicom import DataElement, config

    value: Any = element.value
    return DataElement(element.tag, element.VR, value, validation_mode=config.RAISE)
