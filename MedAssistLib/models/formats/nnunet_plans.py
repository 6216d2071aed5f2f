"""How an nnU-Net model was trained, from its ``plans.json``.

The files of nnU-Net 2.0 to 2.8 are read; what they name by a program's class is looked up in a
table here, and what is not in the table is refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from MedAssistLib.errors import ModelError
from MedAssistLib.models.formats.nnunet_labels import Labels
from MedAssistLib.models.plan import InferencePlan, Normalisation, Resampling, Scheme

Fields = Mapping[str, Any]

_SCHEMES = {
    "ZScoreNormalization": Scheme.Z_SCORE,
    "CTNormalization": Scheme.CT,
    "NoNormalization": Scheme.NONE,
    "RescaleTo01Normalization": Scheme.RESCALE,
    "RGBTo01Normalization": Scheme.RGB,
}
# Each reader, and the orientation that it turns scans to.
_READERS = {
    "SimpleITKIO": "",
    "NibabelIO": "",
    "Tiff3DIO": "",
    "NibabelIOWithReorient": "RAS",
    "SimpleITKIOWithReorient": "RAS",
}
_SPLINES, _LINEAR, _NO_RESAMPLING = (
    "resample_data_or_seg_to_shape",
    "resample_torch_fornnunet",
    "no_resampling_hack",
)
_ANISOTROPY = 3.0
# Settings of the resampling that say how fast, and not what, it computes.
_HARMLESS = frozenset({"num_threads", "device", "memefficient_seg_resampling"})


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what goes wrong with a file's content into an error that names the file."""
    try:
        yield
    except ModelError as error:
        if error.where:
            raise
        raise ModelError(error.what, where=path, hint=error.hint) from error
    except KeyError as error:
        raise ModelError(f"has no entry {error}", where=path) from error
    except (
        TypeError,
        ValueError,
        AttributeError,
        IndexError,
        OverflowError,
        RuntimeError,
    ) as error:
        raise ModelError(f"makes no sense ({error})", where=path) from error


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds one table.

    Raises:
        ModelError: If it is missing or something else.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"is not a readable JSON file ({error})", where=path) from error
    if not isinstance(fields, dict):
        raise ModelError("is not the JSON file of an nnU-Net model", where=path)
    return fields


def configuration(plans: Fields, name: str) -> Fields:
    """Return a configuration with what it inherits from others.

    Raises:
        ModelError: If there is no such configuration, or it inherits from itself.
    """
    resolved: dict[str, Any] = {}
    seen: list[str] = []
    following: str | None = name
    while following is not None:
        if following not in plans["configurations"] or following in seen:
            names = ", ".join(plans["configurations"])
            raise ModelError(f'has no usable configuration "{following}"; it has {names}')
        seen.append(following)
        fields = plans["configurations"][following]
        resolved = {**fields, **resolved}
        following = fields.get("inherits_from")
    return resolved


def channels(dataset: Fields) -> tuple[str, ...]:
    """Return the names of the inputs in their order."""
    named = dataset["modality"] if "modality" in dataset else dataset["channel_names"]
    return tuple(str(named[key]) for key in sorted(named, key=int))


def previous_stage(fields: Fields) -> str:
    """Return the configuration that runs before this one in a cascade; empty without."""
    return str(fields.get("previous_stage") or "")


def inference_plan(
    plans: Fields, fields: Fields, labels: Labels, count: int, mirror_axes: tuple[int, ...] = ()
) -> InferencePlan:
    """Say how a model is run.

    Args:
        plans: The ``plans.json``.
        fields: The configuration.
        labels: Its labels.
        count: How many scans it is given.
        mirror_axes: Axes along which the training mirrored, from the checkpoint.

    Raises:
        ModelError: If it names something that is not known here.
    """
    _require(plans.get("label_manager", "LabelManager"), ["LabelManager"], "label manager")
    _require(fields["preprocessor_name"], ["DefaultPreprocessor"], "preprocessor")
    reader = _require(plans["image_reader_writer"], _READERS, "image reader")
    data = _resampling(fields, "resampling_fn_data")
    scores = _resampling(fields, "resampling_fn_probabilities")
    if (data is None) != (scores is None):
        raise ModelError("resamples only one of the scan and the scores")
    first, second, third = (int(axis) for axis in plans["transpose_forward"])
    spacing = tuple(float(length) for length in fields["spacing"])
    patch = tuple(int(length) for length in fields["patch_size"])
    if len(spacing) != len(patch) or not all(0 < length < math.inf for length in spacing + patch):
        raise ModelError(f"has the spacing {spacing} and the patch {patch}")
    if not set(mirror_axes) <= set(range(len(patch))):
        raise ModelError(f"mirrors the axes {mirror_axes} of a patch {patch}")
    return InferencePlan(
        orientation=_READERS[reader],
        transpose=(first, second, third),
        spacing=spacing if data else (),
        patch=patch,
        normalisation=tuple(_normalisation(plans, fields, channel) for channel in range(count)),
        crop_to_nonzero=True,
        data=data or Resampling(order=0),
        scores=scores or Resampling(order=0),
        mirror_axes=mirror_axes,
        outputs=labels.outputs,
        regions=labels.regions,
        cascade=labels.foreground if previous_stage(fields) else (),
    )


def _require(name: Any, known: Any, what: str) -> str:
    if name not in known:
        raise ModelError(f'uses the unknown {what} "{name}"', hint=f"Known: {', '.join(known)}")
    return str(name)


def _normalisation(plans: Fields, fields: Fields, channel: int) -> Normalisation:
    name = _require(fields["normalization_schemes"][channel], _SCHEMES, "normalisation")
    scheme = _SCHEMES[name]
    if scheme is Scheme.CT:
        per_channel = "foreground_intensity_properties_per_channel"
        older = "foreground_intensity_properties_by_modality"
        found = plans[per_channel if per_channel in plans else older][str(channel)]
        return Normalisation(
            scheme=scheme,
            low=float(found["percentile_00_5"]),
            high=float(found["percentile_99_5"]),
            mean=float(found["mean"]),
            deviation=max(float(found["std"]), 1e-8),
        )
    within = scheme is Scheme.Z_SCORE and bool(fields["use_mask_for_norm"][channel])
    return Normalisation(scheme=scheme, within_mask=within)


def _resampling(fields: Fields, role: str) -> Resampling | None:
    """Return how it interpolates; ``None`` if it leaves the grid as it is."""
    name = _require(fields[role], [_SPLINES, _LINEAR, _NO_RESAMPLING], "resampling")
    settings = dict(fields.get(f"{role}_kwargs") or {})
    if name == _NO_RESAMPLING:
        return None
    if settings.pop("is_seg", False):
        raise ModelError(f"has {role} for labels")
    if settings.pop("separate_z_anisotropy_threshold", _ANISOTROPY) != _ANISOTROPY:
        raise ModelError(f"has {role} with another threshold of anisotropy than {_ANISOTROPY:g}")
    if name == _SPLINES:
        order, apart_order = settings.pop("order", 3), settings.pop("order_z", 0)
        apart = settings.pop("force_separate_z", False)
    else:
        order, apart_order = 1, 0
        apart = settings.pop("force_separate_z", None)
        _require(settings.pop("mode", "linear"), ["linear"], "resampling mode")
        between = settings.pop("aniso_axis_mode", "nearest-exact")
        _require(between, ["nearest-exact"], "resampling mode")
    unknown = sorted(set(settings) - _HARMLESS)
    if unknown:
        raise ModelError(f'has {role} with the unknown setting "{unknown[0]}"')
    return Resampling(order=int(order), order_apart=int(apart_order), apart=apart)
