"""A series in words that cannot name the patient.

Series Description and Protocol Name are free text, into which names are typed; only words of the
craft are taken from them, and numbers with a unit.
"""

from __future__ import annotations

import re

from MedAssistLib.read.dicom.headers import Header

_WORDS = frozenset(
    word
    for line in (
        # Parts of the body
        "abd abdomen ankle aorta body bone brain breast cardiac carotid cervical chest coronary",
        "elbow facial femur foot hand head heart hip iac inner kidney knee liver lumbar lung",
        "lungs mediastinum neck orbit pancreas pelvis petrous prostate sacrum shoulder sinus skull",
        "spine tibia tissue thoracic thorax trunk vein wrist",
        # Planes and kinds of picture
        "2d 3d 4d ax axial cor coronal iso mip mpr oblique sag sagittal thick thin tra trans",
        "transverse volume whole",
        # Contrast and phases
        "arterial contrast delayed dyn dynamic gd inspiration expiration native noncontrast plain",
        "portal post pre rest resting stress venous late early phase breath hold bh",
        # Methods
        "adc angio asl bold bravo ciss ct cta ctp cube dixon dti dwi epi ep2d fat fgre fiesta fl2d",
        "fl3d flair flash fmri fs fse gre haste hr ir mp2rage mprage mra mri mrv nac ac pc pca pd",
        "perfusion pet propeller blade qsm recon routine se soft space spair spgr ssfp standard",
        "std stir swi t1 t1w t2 t2w tof trace tracew trufi tse vibe water sharp smooth sms",
    )
    for word in line.split()
)
_SPLIT = re.compile(r"[^0-9A-Za-z.]+")
_MEASURE = re.compile(r"\d{1,2}(\.\d{1,2})?mm", re.IGNORECASE)


def description(header: Header) -> str:
    """Return what a series shows, such as ``"T2 AX brain 5mm"``; empty if nothing is safe to say.

    Args:
        header: Any file of the series.
    """
    texts = (header.text("SeriesDescription"), header.text("ProtocolName"))
    for text in texts:
        words = [word for word in _SPLIT.split(text) if _is_safe(word)]
        if words:
            return " ".join(dict.fromkeys(words))
    return " ".join(w for w in _SPLIT.split(header.text("BodyPartExamined").lower()) if _is_safe(w))


def _is_safe(word: str) -> bool:
    return word.lower() in _WORDS or bool(_MEASURE.fullmatch(word))
