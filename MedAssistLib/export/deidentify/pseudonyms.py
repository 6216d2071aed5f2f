"""New UIDs and patient names: the same for the same, and not to be traced back without the key."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Mapping

_REGISTERED = "1.2.840.10008."
_KEY_BYTES = 32
_NAME_DIGITS = 10


class Pseudonyms:
    """Gives new names for old ones.

    Args:
        key: The secret of a keyed hash (HMAC-SHA256); one is made up if it is empty.
        patients: Names by Patient ID that are given instead of made up.
        keep_uids: Whether UIDs stay.
    """

    def __init__(self, key: bytes, patients: Mapping[str, str], *, keep_uids: bool) -> None:
        self._key = key or secrets.token_bytes(_KEY_BYTES)
        self._patients = patients
        self._keep_uids = keep_uids

    def uid(self, old: str) -> str:
        """Return the new UID for an old one; those that the standard defines stay.

        It is a UUID's number below the arc 2.25 (PS3.5 section B.2).
        """
        old = old.strip("\0 ")
        if self._keep_uids or not old or old.startswith(_REGISTERED):
            return old
        return f"2.25.{uuid.UUID(bytes=self._hash('uid', old)[:16], version=4).int}"

    def patient(self, identifier: str, issuer: str, otherwise: str) -> str:
        """Return a patient's pseudonym.

        Args:
            identifier: Patient ID, may be empty.
            issuer: Who issued it, may be empty.
            otherwise: What tells patients apart that have no ID, such as their study's UID.
        """
        if identifier in self._patients:
            return self._patients[identifier]
        parts = ("patient", issuer, identifier) if identifier else ("no patient", otherwise)
        return f"ANON-{self._hash(*parts).hex()[:_NAME_DIGITS].upper()}"

    def _hash(self, *parts: str) -> bytes:
        text = "\0".join(parts).encode("utf-8", "surrogatepass")
        return hmac.new(self._key, text, hashlib.sha256).digest()
