"""UIDs that follow from what they name, so that two exports of one thing agree on them.

A UUID makes a valid UID (PS3.5 B.2), and one made of a name is the same each time (RFC 9562 5.5).
Only instances have UIDs of chance: each is written at another time, so that no two are equal.
"""

from __future__ import annotations

import uuid

_MEDASSIST = uuid.UUID("b7b590e4-6ee8-487a-b7db-1d0f61dd7e0a")


def derived_uid(*parts: str) -> str:
    """Return the UID of what the parts name together; the order matters.

    Example:
        >>> derived_uid("series", "1.2.3") == derived_uid("series", "1.2.3")
        True
    """
    name = "\n".join(f"{len(part)}:{part}" for part in parts)
    return f"2.25.{uuid.uuid5(_MEDASSIST, name).int}"
