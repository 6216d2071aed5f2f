"""Cards of MONAI bundles, from their ``configs/metadata.json`` and the configuration beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MedAssistLib.errors import ModelError
from MedAssistLib.models.anatomy import segments
from MedAssistLib.models.card import ModelCard, PostProcessing, WeightFile
from MedAssistLib.models.formats.monai_bundle_config import BundleConfig, find_config, read_config
from MedAssistLib.models.formats.monai_bundle_plan import inference_plan
from MedAssistLib.models.formats.nnunet_plans import read_json, reading
from MedAssistLib.models.plan import InferencePlan

FORMAT = "monai-bundle"
METADATA = "configs/metadata.json"
WEIGHTS, PROGRAM = "weights", "program"
_FILES = {WEIGHTS: "models/model.pt", PROGRAM: "models/model.ts"}
_LICENCES = ("LICENSE", "docs/license.txt", "docs/LICENSE", "LICENSE.txt", "docs/data_license.txt")
_MODALITIES = {"ct": "CT", "mr": "MR", "mri": "MR", "pt": "PT", "pet": "PT", "us": "US"}
_NOT_STATED = "not stated by its author"
_SAYING_NOTHING = ("model", "content")


@dataclass(frozen=True)
class Bundle:
    """A bundle's folder, read.

    Attributes:
        folder: The folder.
        about: Its ``metadata.json``.
        config: How it is run.
        channels: Names of its inputs.
        names: What it calls each output.
        plan: How it is run, in MedAssist's terms.
        after: What is done with its labels in the end.
    """

    folder: Path
    about: Mapping[str, Any]
    config: BundleConfig
    channels: tuple[str, ...]
    names: Mapping[int, str]
    plan: InferencePlan
    after: PostProcessing


def describe(path: Path) -> ModelCard | None:
    """Derive the card of the MONAI bundle in a folder; ``None`` if there is none.

    Raises:
        ModelError: If it is incomplete, or names something that is not known here.
    """
    if not (path / METADATA).is_file():
        return None
    bundle = read_bundle(path)
    about = {key: str(value).strip() for key, value in bundle.about.items() if value}
    plan = bundle.plan
    labels = {
        label: bundle.names.get(label, f"Structure {label}")
        for label in plan.regions or range(1, plan.outputs)
    }
    return ModelCard(
        name=_name(path),
        title=about.get("description") or about.get("name") or path.name,
        version=about.get("version", ""),
        format=FORMAT,
        licence=_licence(path, about),
        source=", ".join(part for part in (about.get("authors"), about.get("copyright")) if part),
        intended_use=about.get("intended_use") or _NOT_STATED,
        training_data=about.get("data_source") or _NOT_STATED,
        accuracy=_accuracy(bundle.about),
        modality=_modality(_input(bundle.about)),
        channels=bundle.channels,
        orientation=plan.orientation,
        segments=segments(labels),
        package="",
        weights=_weights(path),
        architecture={"patch": list(plan.patch), "step": plan.window.step},
        intensity={
            channel: normalisation.scheme.value
            for channel, normalisation in zip(bundle.channels, plan.normalisation, strict=True)
        },
        postprocessing=bundle.after,
        folder=path,
        # The axes of the plan are (i, j, k).
        spacing=tuple(
            0.0 if low <= 0 else length
            for length, (low, _) in zip(plan.spacing, plan.kept_spacing, strict=True)
        ),
    )


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle's files, but for its weights.

    Raises:
        ModelError: If it is incomplete, or names something that is not known here.
    """
    about = read_json(folder / METADATA)
    path = find_config(folder)
    if path is None:
        what = "has no configs/inference.json or inference.yaml, which says how it is run"
        raise ModelError(what, where=folder, hint="Get the whole bundle from its publisher")
    with reading(folder / METADATA):
        given, answer = _input(about), _output(about)
        names = _named(answer)
        channels = _channels(given)
        outputs = int(answer["num_channels"])
    with reading(path):
        config = read_config(path)
        plan, after = inference_plan(config, len(channels), outputs)
    return Bundle(folder, about, config, channels, names, plan, after)


def _input(about: Mapping[str, Any]) -> Mapping[str, Any]:
    return _only(about["network_data_format"]["inputs"], "inputs")


def _output(about: Mapping[str, Any]) -> Mapping[str, Any]:
    return _only(about["network_data_format"]["outputs"], "outputs")


def _only(fields: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    if len(fields) != 1:
        raise ModelError(f"its network has the {what} {', '.join(fields)}, and not just one")
    (only,) = fields.values()
    found: Mapping[str, Any] = only
    return found


def _named(fields: Mapping[str, Any]) -> dict[int, str]:
    """Return what the metadata call each channel."""
    named = fields.get("channel_def") or {}
    pairs = named.items() if isinstance(named, dict) else enumerate(named)
    return {int(key): str(name) for key, name in pairs}


def _channels(given: Mapping[str, Any]) -> tuple[str, ...]:
    count = int(given["num_channels"])
    named = _named(given)
    return tuple(named.get(number, f"image {number + 1}") for number in range(count))


def _modality(given: Mapping[str, Any]) -> str:
    return _MODALITIES.get(str(given.get("modality", "")).lower(), "")


def _name(folder: Path) -> str:
    name = folder.resolve().name
    return FORMAT if name.lower() in _SAYING_NOTHING else name


def _licence(folder: Path, about: Mapping[str, str]) -> str:
    stated = about.get("license") or about.get("licence")
    there = [name for name in _LICENCES if (folder / name).is_file()]
    return stated or (f"see {' and '.join(there)} in its folder" if there else "")


def _accuracy(about: Mapping[str, Any]) -> str:
    metrics = about.get("eval_metrics")
    if not isinstance(metrics, dict) or not metrics:
        return _NOT_STATED
    return ", ".join(f"{str(name).replace('_', ' ')} {value}" for name, value in metrics.items())


def _weights(folder: Path) -> dict[str, WeightFile]:
    """Return the weights; the program that TorchScript is only if there is nothing else."""
    for role, name in _FILES.items():
        if (folder / name).is_file():
            size = (folder / name).stat().st_size
            return {role: WeightFile(path=name, sha256="", size=size)}
    what = f"has neither {' nor '.join(_FILES.values())}"
    raise ModelError(what, where=folder, hint="Get the whole bundle from its publisher")
