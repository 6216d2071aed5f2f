"""Weights that others publish: what they are, under which licence, and where they are."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from MedAssistLib.errors import ModelError

_FILE = Path(__file__).with_name("catalogue.json")


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file that a server gives.

    Attributes:
        url: Where it is: https, or http on this computer.
        size: Its size in bytes; 0 if not known.
        sha256: Its SHA-256, 64 hexadecimal digits; empty if not known.

    Raises:
        ModelError: If the address is of another kind.
    """

    url: str
    size: int = 0
    sha256: str = ""

    def __post_init__(self) -> None:
        require_safe_address(self.url)

    @property
    def name(self) -> str:
        """The file name that the address ends with."""
        return PurePosixPath(unquote(urlsplit(self.url).path)).name or "download"


def require_safe_address(url: str) -> None:
    """Refuse addresses that anybody on the way could answer, and those that are no web address.

    Raises:
        ModelError: If it is neither https nor http on this computer.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and _is_this_computer(parts.hostname or ""):
        return
    hint = "Give an address that begins with https://"
    raise ModelError("is not an encrypted web address", where=url, hint=hint)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A model that can be downloaded.

    Attributes:
        name: What it is called once it is installed.
        title: What it segments.
        version: Version of the weights, as the publisher names it; may be empty.
        modality: DICOM modality that it is for; empty if not known.
        licence: Licence of the weights, as an SPDX identifier where there is one; empty if only
            the model's own files may say.
        terms: What else a user must know before using it; may be empty.
        source: Who publishes it; may be empty.
        files: What to download; empty for weights that only their publisher hands out.
        folder: Where the publisher's own program puts those.
    """

    name: str
    title: str
    version: str
    modality: str
    licence: str
    terms: str
    source: str
    files: tuple[RemoteFile, ...]
    folder: str = ""

    @property
    def size(self) -> int:
        """Bytes to download; 0 if the catalogue does not know."""
        sizes = [file.size for file in self.files]
        return sum(sizes) if all(sizes) else 0


@cache
def entries() -> tuple[Entry, ...]:
    """Return the catalogue."""
    fields = json.loads(_FILE.read_text(encoding="utf-8"))["entries"]
    return tuple(
        Entry(**{**entry, "files": tuple(RemoteFile(**file) for file in entry["files"])})
        for entry in fields
    )


def entry(name_or_url: str) -> Entry:
    """Return the entry of that name or address, or make one for an address that nobody described.

    Raises:
        ModelError: If there is no such entry and it is no safe web address.
    """
    for known in entries():
        if name_or_url == known.name or [name_or_url] == [file.url for file in known.files]:
            return known
    if "://" not in name_or_url:
        hint = "See: medassist models list --catalogue; or give a web address"
        raise ModelError(f'the catalogue has no "{name_or_url}"', hint=hint)
    file = RemoteFile(url=name_or_url)
    return Entry(
        name=PurePosixPath(file.name).stem,
        title="",
        version="",
        modality="",
        licence="",
        terms="Not in MedAssist's catalogue: its publisher decides what you may do with it",
        source="",
        files=(file,),
    )


def recognised(sources: Sequence[Path]) -> Entry | None:
    """Return the entry whose files, or folders unpacked from them, these are, if there is one."""
    given = {path.resolve().name.removesuffix(".zip"): path for path in sources}
    for known in entries():
        sizes = {file.name.removesuffix(".zip"): file.size for file in known.files}
        if known.folder:
            sizes[PurePosixPath(known.folder).name] = 0
        if sizes.keys() == given.keys() and all(
            path.is_dir() or sizes[name] in (0, path.stat().st_size) for name, path in given.items()
        ):
            return known
    return None


def _is_this_computer(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
