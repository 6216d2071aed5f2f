"""The models that can be chosen: searching them, and saying what one is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from MedAssistLib.enhance import without_unit
from MedAssistLib.panel.text import tr as _

_GIGABYTE, _MEGABYTE = 1e9, 1e6
_SHOWN_LABELS = 6


@dataclass(frozen=True)
class Model:
    """A model, at hand or to be had.

    Attributes:
        facts: What the worker says of it.
        here: Whether its weights are on this computer.
    """

    facts: Mapping[str, Any]
    here: bool

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.facts["name"])

    @property
    def channels(self) -> tuple[str, ...]:
        """Its inputs; one if that is not known yet."""
        return tuple(self.facts.get("channels") or ("",))

    @property
    def labels(self) -> tuple[str, ...]:
        """The structures that it finds; empty if that is not known yet."""
        return tuple(self.facts.get("labels") or ())

    @property
    def row(self) -> str:
        """Its line in the list."""
        modality = self.facts.get("modality") or "?"
        if self.here:
            return f"{self.name} ({modality})"
        return _("{name} ({modality}), to download").format(name=self.name, modality=modality)

    def matches(self, words: Sequence[str]) -> bool:
        """Tell whether all words are somewhere in what is known of it."""
        parts = [self.facts.get(key) for key in ("name", "title", "modality", "licence", "labels")]
        text = " ".join(str(part) for part in parts).casefold()
        return all(word in text for word in words)

    @property
    def about(self) -> str:
        """What it is, in a few lines."""
        facts = self.facts
        lines = [str(facts["title"])]
        if self.labels:
            more = len(self.labels) - _SHOWN_LABELS
            names = ", ".join(self.labels[:_SHOWN_LABELS])
            lines.append(
                _("Finds {names} and {n} more").format(names=names, n=more)
                if more > 0
                else _("Finds {names}").format(names=names)
            )
        spacing = " × ".join(f"{mm:.3g}" for mm in facts.get("spacing", ()) if mm)
        if spacing:
            lines.append(_("Works at {spacing} mm").format(spacing=spacing))
        licence = facts.get("licence") or _("not stated")
        lines.append(_("Licence: {licence}").format(licence=licence))
        if facts.get("terms"):
            lines.append(str(facts["terms"]))
        return "\n".join(lines)

    def doubts(self, enhancement: Sequence[str]) -> list[str]:
        """Return warnings of what was done to a volume that this model is to be run on."""
        lost = without_unit(enhancement) if self.facts["modality"] == "CT" else ()
        if not lost:
            return []
        text = _("⚠ The values are no Hounsfield units after {filters}: take the scan as it was.")
        return [text.format(filters=", ".join(lost))]


@dataclass(frozen=True)
class ModelList:
    """All models, those at hand first.

    Attributes:
        models: The models.
        folder: Where the user's own are.
        unreadable: Names of models that are left out, each with why.
    """

    models: tuple[Model, ...] = ()
    folder: str = ""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    _by_name: dict[str, Model] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_name.update({model.name: model for model in self.models})

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> ModelList:
        """Return the list that the worker's verb ``models`` gives."""
        here = [Model(facts, bool(facts["installed"])) for facts in answer["models"]]
        offered = [Model(facts, False) for facts in answer["offered"]]
        return cls((*here, *offered), str(answer["folder"]), dict(answer["unreadable"]))

    @property
    def left_out(self) -> list[str]:
        """A line that says which models are not in the list and why; none if all are."""
        if not self.unreadable:
            return []
        names = ", ".join(f"{name} ({why})" for name, why in self.unreadable.items())
        return [_("⚠ Left out of the list: {names}").format(names=names)]

    def get(self, name: str) -> Model | None:
        """Return a model by its name."""
        return self._by_name.get(name)

    def search(self, text: str) -> list[Model]:
        """Return the models that have all words of a text in what is known of them."""
        words = text.casefold().split()
        found = [model for model in self.models if model.matches(words)]
        return sorted(found, key=lambda model: not model.here)


def memory_text(estimate: Mapping[str, Any], device: str) -> str:
    """Return what a run needs and what there is, from the worker's verb ``estimate``."""
    cards = estimate["machine"]["cards"]
    if device != "cpu" and cards:
        need, there, where = estimate["card"], cards[0]["free"], cards[0]["name"]
    else:
        need, there, where = estimate["main"], estimate["machine"]["memory"], _("main memory")
    text = _("Needs up to {need} of {where}; {there} are free.").format(
        need=size_text(need), where=where, there=size_text(there)
    )
    if there and need > there:
        text += " " + _("That may be too little: it will take smaller steps, or choose a region.")
    return text


def size_text(size: float) -> str:
    """Return a number of bytes in words."""
    if size >= _GIGABYTE:
        return _("{n} GB").format(n=f"{size / _GIGABYTE:.1f}")
    return _("{n} MB").format(n=round(size / _MEGABYTE))
