"""What the postprocessing of a MONAI bundle makes of its network's answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from MedAssistLib.errors import ModelError
from MedAssistLib.models.card import PostProcessing

# What converts, moves and writes the answer, and changes no value.
_HARMLESS = frozenset(
    {"EnsureTyped", "ToTensord", "ToDeviced", "DeleteItemsd", "SaveImaged", "CastToTyped"}
)
_HALF = 0.5


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How scores become labels.

    Attributes:
        interpolated: Whether scores are interpolated between voxels on their way back to the
            scan; labels never are.
        likelihoods: Whether probabilities are, and not scores.
        apart: The only output is a structure; otherwise the highest output wins, and the first
            one is the background.
        after: What is done with the labels in the end.
    """

    interpolated: bool
    likelihoods: bool
    apart: bool
    after: PostProcessing


def read_answer(chain: list[tuple[str, dict[str, Any]]], outputs: int) -> Answer:
    """Read the chain of transforms after the network.

    Args:
        chain: Names and settings.
        outputs: Channels of the network's answer.

    Raises:
        ModelError: If it has one that is not known here.
    """
    activation, decision, largest, holes = "", "", False, False
    interpolated, likelihoods = True, False
    for kind, settings in chain:
        if kind == "Activationsd" and not decision:
            activation = _activation(settings)
        elif kind == "Invertd":
            interpolated = not decision and not settings.get("nearest_interp", True)
            likelihoods = interpolated and bool(activation)
        elif kind == "AsDiscreted" and not decision:
            decision = _decision(settings)
        elif kind == "KeepLargestConnectedComponentd" and decision:
            largest = _for_all(kind, settings, outputs)
        elif kind == "FillHolesd" and decision:
            holes = _for_all(kind, settings, outputs)
        elif kind not in _HARMLESS:
            raise ModelError(f"its postprocessing has the unknown transform {kind}")
    _require_sense(activation, decision, outputs)
    return Answer(
        interpolated=interpolated,
        likelihoods=likelihoods,
        apart=decision == "threshold",
        after=PostProcessing(largest_component=largest, fill_holes=holes),
    )


def _require_sense(activation: str, decision: str, outputs: int) -> None:
    if decision == "argmax" and activation != "sigmoid" and outputs > 1:
        return
    if decision == "threshold" and activation == "sigmoid":
        if outputs == 1:
            return
        what = "its structures may overlap, and it does not say which one shall be seen on top"
        raise ModelError(what)
    found = " and ".join(part for part in (activation, decision) if part) or "nothing"
    raise ModelError(f"how its {outputs} outputs become labels is not known here ({found})")


def _activation(settings: dict[str, Any]) -> str:
    named = [name for name in ("softmax", "sigmoid", "other") if settings.get(name)]
    if named not in (["softmax"], ["sigmoid"]):
        raise ModelError("its Activationsd is of a kind that is not known here")
    return named[0]


def _decision(settings: dict[str, Any]) -> str:
    argmax, threshold = (_single(settings.get(name)) for name in ("argmax", "threshold"))
    if settings.get("rounding") or settings.get("to_onehot"):
        raise ModelError("its AsDiscreted is of a kind that is not known here")
    if argmax is True and threshold is None:
        return "argmax"
    if threshold == _HALF and not argmax:
        return "threshold"
    raise ModelError("its AsDiscreted is of a kind that is not known here")


def _for_all(kind: str, settings: dict[str, Any], outputs: int) -> bool:
    """Require that a transform is for every structure, each by itself.

    Raises:
        ModelError: If it is not.
    """
    labels = settings.get("applied_labels")
    every = list(range(1, max(outputs, 2)))
    one = settings.get("num_components", 1) == 1 and settings.get("independent", True) is True
    usual = settings.get("connectivity") in (None, 3) and not settings.get("is_onehot")
    given = every if labels is None else [labels] if isinstance(labels, int) else labels
    if not (one and usual and sorted(given) == every):
        raise ModelError(f"its {kind} is of a kind that is not known here")
    return True


def _single(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value
