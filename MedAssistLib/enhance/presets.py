"""Presets: chains for what a person wants to see, chosen on real scans; see ``presets.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

from MedAssistLib.enhance.chain import Chain
from MedAssistLib.enhance.options import unknown
from MedAssistLib.enhance.saved import chain_of


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A chain with a name.

    Attributes:
        name: Its name, such as ``"ct-lung"``.
        help: One sentence: what it shows.
        modality: The DICOM modality that it is for.
        chain: Its filters.
    """

    name: str
    help: str
    modality: str
    chain: Chain


@cache
def presets() -> MappingProxyType[str, Preset]:
    """Return all presets by name."""
    text = resources.files(__package__).joinpath("presets.json").read_text("utf-8")
    found = {}
    for name, entry in json.loads(text).items():
        chain = chain_of({"medassist_chain": 1, "filters": entry["filters"]}, entry["modality"])
        found[name] = Preset(name=name, help=entry["help"], modality=entry["modality"], chain=chain)
    return MappingProxyType(found)


def preset(name: str) -> Preset:
    """Return a preset.

    Raises:
        UsageError: If there is none of that name.
    """
    if name not in presets():
        raise unknown("preset", name, tuple(presets()))
    return presets()[name]
