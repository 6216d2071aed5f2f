"""Running a model on a scan: turn it as the network expects, run, decide, turn the result back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from MedAssistLib import geometry
from MedAssistLib.case import Scan, Segmentation
from MedAssistLib.errors import ModelError, ResourceError
from MedAssistLib.models.card import ModelCard, PostProcessing
from MedAssistLib.models.formats import load_network
from MedAssistLib.progress import Progress
from MedAssistLib.segment.options import SegmentOptions
from MedAssistLib.segment.upright import UprightScan
from MedAssistLib.volumes import fill_holes, largest_component

_HALF = 0.5

Probabilities = npt.NDArray[np.float32]


def segment(
    scan: Scan,
    card: ModelCard,
    options: SegmentOptions | None = None,
    progress: Progress | None = None,
) -> Segmentation:
    """Segment a scan with a model.

    Args:
        scan: The scan, in any orientation.
        card: The model.
        options: How to run it.
        progress: Told how far it is.

    Returns:
        The structures, exactly on the scan's grid.

    Raises:
        ModelError: If torch or the weights are missing, or the scan does not fit the model.
        ResourceError: If memory or the device does not suffice.
        CancelledError: If the user asked to stop.
    """
    options = options or SegmentOptions()
    progress = progress or Progress()
    _check_modality(scan, card)
    progress.part("Loading the model", 0.0, 0.1).update(0.0)
    device = _device(options)
    upright = UprightScan(scan.image, card.orientation)
    probabilities = _run(card, device, upright.volume, progress.part("Segmenting", 0.1, 0.9))
    progress.part("Placing the result", 0.9, 1.0).update(0.0)
    layers = np.stack([upright.back(layer) for layer in probabilities])
    labels = geometry.from_array(_decide(layers, card), scan.image)
    progress.update(1.0)
    made_by = f"model {card.name} ({card.version})"
    return Segmentation(labels=labels, segments=card.segments, made_by=made_by)


def _check_modality(scan: Scan, card: ModelCard) -> None:
    if scan.modality and card.modality and scan.modality != card.modality:
        what = f"is {scan.modality}, but the model {card.name} is for {card.modality}"
        raise ModelError(what, where=scan.source or scan.name, hint="Choose another model")


def _device(options: SegmentOptions) -> str:
    try:
        import torch
    except ImportError as error:
        hint = "In Slicer install the PyTorch extension; elsewhere: pip install torch"
        raise ModelError("PyTorch is not installed", hint=hint) from error
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if options.device == "auto":
        return "cuda" if there["cuda"] else "cpu"
    if not there[options.device]:
        hint = "Use --device cpu, or install a PyTorch built for your graphics card"
        raise ResourceError(f"the device {options.device} is not available", hint=hint)
    return options.device


def _run(card: ModelCard, device: str, volume: Probabilities, progress: Progress) -> Probabilities:
    try:
        return load_network(card, device)(volume, progress)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "memory" in str(error):
            hint = "Close other programs, or use --device cpu"
            raise ResourceError(f"the model {card.name} needs more memory", hint=hint) from error
        raise


def _decide(probabilities: Probabilities, card: ModelCard) -> npt.NDArray[np.uint8]:
    """Give each voxel the label of its likeliest structure, if that is likelier than not."""
    likeliest = probabilities.argmax(axis=0)
    there = probabilities.max(axis=0) > _HALF
    labels = np.zeros(likeliest.shape, dtype=np.uint8)
    for index, entry in enumerate(card.segments):
        mask = _finish(there & (likeliest == index), card.postprocessing)
        labels[mask] = entry.label
    return labels


def _finish(mask: npt.NDArray[np.bool_], postprocessing: PostProcessing) -> npt.NDArray[np.bool_]:
    if postprocessing.largest_component:
        mask = largest_component(mask)
    if postprocessing.fill_holes:
        mask = fill_holes(mask)
    return mask
