"""Which structures hold more than one tissue by nature."""

from __future__ import annotations

import re

from MedAssistLib.case import Segment

# Hollow organs, the heart's and the kidneys' contrast medium, and bones, which are shells (SCT).
_HOLLOW = frozenset(
    {
        "32849002", "38848004", "30315005", "71854001", "69695003",  # oesophagus to colon
        "28231008", "89837001", "44567001", "110726009", "4596009",  # gallbladder, bladder, airways
        "39607008", "45653009", "72481006", "90572001",  # lungs
        "80891009", "64033007", "51185008", "89545001",  # heart, kidneys, chest, face
    }
)  # fmt: skip
_BONES = re.compile(
    r"\b(vertebrae?|ribs?|bones?|sacrum|hips?|femur|humerus|scapula|clavicle|clavicula|skull|"
    r"sternum|mandible|maxilla|tooth|teeth|costal|tibia|fibula|radius|ulna|patella|carpus|"
    r"carpal|metacarpal|tarsal|metatarsal)\b"
)


def mixed(segment: Segment) -> bool:
    """Tell whether a structure holds more than one tissue by nature, as far as it is named."""
    words = f"{segment.type.meaning} {segment.name}".casefold().replace("_", " ")
    return segment.type.value in _HOLLOW or _BONES.search(words) is not None
