"""How a network is trained: made from the data, saved as JSON, readable and editable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from MedAssistLib import files
from MedAssistLib.errors import InputError, ModelError
from MedAssistLib.geometry import is_orientation
from MedAssistLib.models.formats.own_plan import normalisation_entry, with_bounds
from MedAssistLib.models.networks.segresnet_shape import CHANNELS
from MedAssistLib.models.plan import Normalisation, Scheme
from MedAssistLib.train.augment import Augmentation, Size
from MedAssistLib.train.network import without_weights

Kind = TypeVar("Kind")


@dataclass(frozen=True, kw_only=True)
class TrainPlan:
    """How a network is trained; axes are (k, j, i) of the turned scan.

    Attributes:
        orientation: Directions that the axes i, j, k are turned to, such as ``"RAS"``.
        spacing: mm of the network's grid.
        crop_to_nonzero: Scans are cropped to the box of the voxels that are not zero.
        normalisation: Of each channel.
        network: The network's class, one that
            :func:`~MedAssistLib.models.networks.build_network` knows.
        arguments: The arguments of that class.
        patch: Voxels of a patch.
        batch: Patches of a batch.
        foreground: Share of the patches that lie about a voxel of some structure.
        augmentation: How patches are moved and varied.
        learning_rate: The greatest, of the convolutions within the network, which Muon trains.
        other_rate: The greatest, of all other weights, which AdamW trains (Loshchilov and Hutter
            2019, arXiv:1711.05101).
        weight_decay: Of both.
        mean_weights: How much of the running mean of the weights stays at each step.
        supervised: Resolutions of the decoder that are supervised, from the finest.
        steps: Steps of an epoch, after each of which a checkpoint is written.
        epochs: Epochs of a training without a time limit.
        earlier_steps: Steps that the weights to begin with count for in their running mean; none
            for random ones.
    """

    orientation: str
    spacing: tuple[float, float, float]
    crop_to_nonzero: bool
    normalisation: tuple[Normalisation, ...]
    network: str
    arguments: Mapping[str, Any]
    patch: Size
    batch: int
    foreground: float
    augmentation: Augmentation
    learning_rate: float
    other_rate: float
    weight_decay: float
    mean_weights: float
    supervised: int
    steps: int
    epochs: int
    earlier_steps: int = 0

    def __post_init__(self) -> None:
        whole = {"batch": self.batch, "steps": self.steps, "epochs": self.epochs}
        for name, value in whole.items():
            _require(value >= 1, f"{name} is {value}, not above 0")
        _require(self.earlier_steps >= 0, f"earlier_steps is {self.earlier_steps}")
        _require(self.supervised >= 1, f"supervised is {self.supervised}, not above 0")
        bottom = list(self.multiple)
        fits = all(n > 0 and n % w == 0 for n, w in zip(self.patch, bottom, strict=True))
        _require(fits, f"patch is {list(self.patch)}: the network takes multiples of {bottom}")
        _require(is_orientation(self.orientation), f"orientation is {self.orientation}")
        _require(min(self.spacing) > 0, f"spacing is {self.spacing}")
        _require(0.0 <= self.foreground <= 1.0, f"foreground is {self.foreground}")
        _require(0.0 <= self.mean_weights < 1.0, f"mean_weights is {self.mean_weights}")
        _require(0.0 < self.learning_rate < 1.0, f"learning_rate is {self.learning_rate}")
        _require(0.0 < self.other_rate < 1.0, f"other_rate is {self.other_rate}")

    @cached_property
    def multiple(self) -> Size:
        """Voxels of a patch, along each axis, that become one at the network's coarsest stage."""
        # How many channels there will be does not matter for that.
        inputs, outputs = (int(self.arguments.get(name, 1)) for name in CHANNELS)
        network = without_weights(self.network, self.arguments, inputs=inputs, outputs=outputs)
        k, j, i = network.multiple
        return k, j, i

    def as_json(self) -> dict[str, Any]:
        """Return the plan as it stands in JSON."""
        channels = [normalisation_entry(entry) for entry in self.normalisation]
        return {**asdict(self), "normalisation": channels}


def write_plan(path: Path, plan: TrainPlan) -> None:
    """Write a plan as JSON.

    Raises:
        ResourceError: If it cannot be written.
    """
    files.write_text(path, json.dumps(plan.as_json(), indent=1) + "\n")


def read_plan(path: Path) -> TrainPlan:
    """Read a plan that :func:`write_plan` wrote and somebody may have edited.

    Raises:
        InputError: If it is missing, no JSON, or has an entry that is unknown or makes no sense.
    """
    with files.readable(path) as stream:
        try:
            return _made(TrainPlan, json.load(stream), "the plan")
        except (TypeError, ValueError, LookupError, ModelError) as error:
            hint = "Correct it, or delete it to have it made anew"
            raise InputError(
                f"is no plan of a training ({error})", where=path, hint=hint
            ) from error


def _made(kind: type[Kind], given: Mapping[str, Any], what: str) -> Kind:
    """Make a dataclass, and those within it, from the entries of a JSON object."""
    hints = get_type_hints(kind)
    if not isinstance(given, Mapping):
        raise TypeError(f"{what} is {given}")
    known = [each.name for each in fields(kind)]  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise ValueError(
                f'{what} has the unknown entry "{name}"' + f', not "{near[0]}"' * bool(near)
            )
    return kind(**{name: _value(hints[name], value, name) for name, value in given.items()})


def _value(kind: Any, value: Any, name: str) -> Any:
    """Return the value of an entry as its field wants it.

    Raises:
        TypeError: If it is of another kind.
    """
    if kind is Normalisation and isinstance(value, Mapping):
        value = with_bounds(value)
    if isinstance(kind, type) and is_dataclass(kind):
        return _made(kind, value, name)
    if get_origin(kind) is UnionType:
        return None if value is None else _value(get_args(kind)[0], value, name)
    if get_origin(kind) is tuple:
        return _values(get_args(kind), value, name)
    if kind is Scheme:
        return Scheme(value)
    wanted = get_origin(kind) or ((int, float) if kind is float else kind)
    if not isinstance(value, wanted) or isinstance(value, bool) is not (kind is bool):
        raise TypeError(f"{name} is {value!r}")
    return value


def _values(kinds: tuple[Any, ...], value: Any, name: str) -> tuple[Any, ...]:
    """Return the values of a list."""
    if not isinstance(value, list):
        raise TypeError(f"{name} is {value!r}, no list")
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    if len(value) != len(kinds):
        raise ValueError(f"{name} has {len(value)} entries, not {len(kinds)}")
    return tuple(_value(kind, entry, name) for kind, entry in zip(kinds, value, strict=True))


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(what)
