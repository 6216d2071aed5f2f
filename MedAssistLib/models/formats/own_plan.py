"""How a model with a card of ours is run, from the card."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from MedAssistLib.errors import ModelError
from MedAssistLib.models.card import CARD_NAME, ModelCard
from MedAssistLib.models.formats.nnunet_plans import reading
from MedAssistLib.models.plan import InferencePlan, Normalisation, Resampling, Scheme

# JSON has no infinity: what is not clipped has the bound null there.
_UNBOUND = {"low": -math.inf, "high": math.inf}


def read_plan(card: ModelCard) -> InferencePlan:
    """Read the entry ``plan`` of a card's architecture, with what the rest of the card says.

    ``plan`` holds ``patch`` and ``outputs``, and optionally ``transpose``, ``crop_to_nonzero``,
    ``data`` and ``scores`` (``order``, ``order_apart``, ``apart``), ``mirror_axes``, ``mirrored``,
    ``multiple`` and ``regions``; see :class:`~MedAssistLib.models.plan.InferencePlan`. The card's
    ``intensity`` holds ``channels``, a normalisation each, as :func:`normalisation_entry` gives it.

    Raises:
        ModelError: If something is missing or makes no sense.
    """
    with reading(card.folder / CARD_NAME):
        fields = dict(card.architecture["plan"])
        plan = InferencePlan(
            orientation=card.orientation,
            transpose=_triple(fields.pop("transpose", (0, 1, 2))),
            patch=tuple(int(length) for length in fields.pop("patch")),
            spacing=(),
            normalisation=tuple(_normalisation(entry) for entry in card.intensity["channels"]),
            crop_to_nonzero=bool(fields.pop("crop_to_nonzero", False)),
            data=Resampling(**fields.pop("data", {"order": 3})),
            scores=Resampling(**fields.pop("scores", {"order": 1})),
            mirror_axes=tuple(int(axis) for axis in fields.pop("mirror_axes", ())),
            multiple=tuple(int(n) for n in fields.pop("multiple", ())),
            mirrored=bool(fields.pop("mirrored", False)),
            outputs=int(fields.pop("outputs")),
            regions=tuple(int(label) for label in fields.pop("regions", ())),
        )
        if fields:
            raise ModelError(f'its plan has the unknown entry "{next(iter(fields))}"')
        _require_consistent(card, plan)
        return _with_spacing(plan, card.spacing)


def normalisation_entry(how: Normalisation) -> dict[str, Any]:
    """Return a normalisation as it stands in JSON."""
    fields = asdict(how)
    for name in _UNBOUND:
        fields[name] = fields[name] if math.isfinite(fields[name]) else None
    return {**fields, "then": normalisation_entry(how.then) if how.then else None}


def with_bounds(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry of a normalisation with infinite bounds where they are null."""
    missing = {name: bound for name, bound in _UNBOUND.items() if entry.get(name, 0.0) is None}
    return {**entry, **missing}


def _triple(values: Any) -> tuple[int, int, int]:
    first, second, third = (int(value) for value in values)
    return first, second, third


def _normalisation(entry: Mapping[str, Any]) -> Normalisation:
    fields = {**with_bounds(entry), "scheme": Scheme(entry["scheme"])}
    if fields.get("then") is not None:
        fields["then"] = _normalisation(fields["then"])
    return Normalisation(**fields)


def _require_consistent(card: ModelCard, plan: InferencePlan) -> None:
    if len(plan.normalisation) != len(card.channels):
        raise ModelError("names another number of channels than of normalisations")
    painted = set(plan.regions or range(1, plan.outputs))
    strange = sorted({segment.label for segment in card.segments} - painted)
    if strange or (plan.regions and len(plan.regions) != plan.outputs):
        named = ", ".join(str(label) for label in strange) or str(list(plan.regions))
        what = f"names the labels {named}, which a network of {plan.outputs} outputs does not give"
        raise ModelError(what)
    if min(plan.patch) < 1 or not set(plan.mirror_axes) <= set(range(len(plan.patch))):
        raise ModelError(f"has the patch {plan.patch} and mirrors the axes {plan.mirror_axes}")
    pairs = zip(plan.patch, plan.multiple or plan.patch, strict=False)
    if len(plan.multiple) not in {0, len(plan.patch)} or any(n < 1 or p % n for p, n in pairs):
        raise ModelError(f"has the patch {plan.patch}, which is no multiple of {plan.multiple}")


def _with_spacing(plan: InferencePlan, spacing: tuple[float, ...]) -> InferencePlan:
    """Turn the card's spacing, along i, j, k, to the axes of the network."""
    if not spacing:
        return plan
    i, j, k = (float(length) for length in spacing)
    along = tuple((k, j, i)[axis] for axis in plan.transpose)[-len(plan.patch) :]
    if min(along) <= 0:
        raise ModelError(f"has the spacing {spacing}")
    return replace(plan, spacing=along)
