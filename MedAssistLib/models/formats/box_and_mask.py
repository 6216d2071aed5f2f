"""Two TorchScript networks: one finds the box around a structure, the other segments inside it.

The recipe is that of deepbet (Fisch et al. 2024, doi:10.1016/j.compbiomed.2024.108845): the whole
scan at a small fixed size gives the box; the box with a margin, at a large fixed size, gives the
mask. Resizing is nearest neighbour at voxel centres, both ways.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from MedAssistLib.errors import ModelError
from MedAssistLib.models.card import ModelCard
from MedAssistLib.models.formats.torchscript import read_script, require_trust
from MedAssistLib.models.weights import locate
from MedAssistLib.progress import Progress
from MedAssistLib.volumes import largest_component

_FOREGROUND = 1
_HALF = 0.5

Array = npt.NDArray[np.float32]
Box = tuple[slice, slice, slice]


class BoxAndMask:
    """The two networks with the settings of their card."""

    def __init__(self, card: ModelCard, device: str) -> None:
        require_trust(card)
        self._card = card
        self._device = torch.device(device)
        self._box_network = read_script(locate(card, "box"), device)
        self._mask_network = read_script(locate(card, "mask"), device)

    def __call__(self, volume: Array, progress: Progress) -> Array:
        """Return the probability of the structure, axes (1, k, j, i)."""
        settings = self._card.architecture
        # The networks were trained on arrays with axes (i, j, k).
        whole = torch.from_numpy(np.ascontiguousarray(volume.transpose(2, 1, 0))).to(self._device)
        progress.update(0.0)
        small = _resize(whole, settings["box_shape"])
        limits = self._limits(small)
        found = self._run(self._box_network, small, limits)
        box = self._box(found.cpu().numpy() > _HALF, whole.shape)
        progress.update(0.2)
        inside = _resize(whole[box], settings["mask_shape"])
        mask = self._run(self._mask_network, inside, limits)
        progress.update(0.9)
        probability = torch.zeros_like(whole)
        probability[box] = _resize(mask, whole[box].shape)
        turned = probability.permute(2, 1, 0).unsqueeze(0)
        return np.ascontiguousarray(turned.cpu().numpy())

    def _limits(self, volume: torch.Tensor) -> tuple[float, float]:
        low, high = (float(volume.quantile(q)) for q in self._card.intensity["quantiles"])
        if not high > low:
            raise self._nothing_found("nearly every voxel is the same")
        return low, high

    def _run(self, network: Any, volume: torch.Tensor, limits: tuple[float, float]) -> torch.Tensor:
        low, high = limits
        scaled = ((volume - low) / (high - low)).clamp(0.0, 1.0)
        standard = (scaled - scaled.mean()) / scaled.std()
        intensity = self._card.intensity
        given = standard * intensity["standard_deviation"] + intensity["mean"]
        with torch.inference_mode():
            result: torch.Tensor = network(given[None, None])[0, _FOREGROUND]
        return result

    def _box(self, found: npt.NDArray[np.bool_], shape: torch.Size) -> Box:
        """Return the box, in voxels of the scan, around what the first network found."""
        least, margin = (self._card.architecture[n] for n in ("box_least_share", "box_margin"))
        part = largest_component(found)
        slices = []
        for axis, length in enumerate(shape):
            others = tuple(other for other in range(3) if other != axis)
            filled = np.flatnonzero(part.mean(axis=others) > least)
            if not len(filled):
                raise self._nothing_found("no such structure was found")
            scale = length / part.shape[axis]
            middle = round(scale * (filled[-1] + 1 + filled[0]) / 2)
            size = round(scale * (1 + 2 * margin) * (filled[-1] + 1 - filled[0]))
            slices.append(
                slice(max(0, int(middle - size / 2)), min(length, int(middle + size / 2)))
            )
        return slices[0], slices[1], slices[2]

    def _nothing_found(self, why: str) -> ModelError:
        what = f"the scan does not fit the model: {why}"
        hint = f"It is for: {self._card.intended_use}"
        return ModelError(what, where=f"model {self._card.name}", hint=hint)


def load(card: ModelCard, device: str) -> BoxAndMask:
    """Load both networks of a card.

    Raises:
        ModelError: If the weights are missing, are other files than the card means, or unreadable.
    """
    return BoxAndMask(card, device)


def _resize(volume: torch.Tensor, shape: Any) -> torch.Tensor:
    resized = torch.nn.functional.interpolate(
        volume[None, None], tuple(shape), mode="nearest-exact"
    )
    return resized[0, 0]
