"""What the Slicer extension MONAIAuto3DSeg does with a model, in MONAI's own classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.inferers import SlidingWindowInfererAdapt
from monai.transforms import (
    Compose,
    CropForegroundd,
    EnsureTyped,
    Invertd,
    Lambdad,
    LoadImaged,
    NormalizeIntensityd,
    Orientationd,
    ScaleIntensityRanged,
    Spacingd,
)


def answer(model: Path, scans: Sequence[Path], *, precise: bool = True) -> np.ndarray:
    """Return the labels of a scan, axes (i, j, k) as it is stored.

    Args:
        model: The ``model.pt``.
        scans: The files of the channels.
        precise: Compute places in double precision. The extension does in single, in which a
            voxel that is as far from two others goes to either.
    """
    checkpoint = torch.load(model, map_location="cpu", weights_only=False)
    config = checkpoint["config"]
    network = ConfigParser(config["network"]).get_parsed_content()
    network.load_state_dict(checkpoint["state_dict"], strict=True)
    network.eval()
    data, chain = _prepared(config, scans, precise=precise)
    infer = SlidingWindowInfererAdapt(
        roi_size=config["roi_size"], sw_batch_size=1, overlap=0.625, mode="gaussian"
    )
    with torch.no_grad():
        logits = infer(data["image"][None].as_tensor(), network)
    sigmoid = config.get("sigmoid", False)
    found = logits.sigmoid() >= 0.5 if sigmoid else logits.softmax(1).argmax(1, keepdim=True)
    data["pred"] = MetaTensor(found[0].to(torch.uint8), meta=data["image"].meta)
    invert = Invertd(keys="pred", orig_keys="image", transform=chain, nearest_interp=True)
    masks = invert(data)["pred"].numpy().astype(np.uint8)
    if not sigmoid or len(masks) == 1:
        return masks[0]
    # The merging of the three nested outputs of the BraTS models.
    merged = 2 * masks.any(0).astype(np.uint8)
    merged[masks[1:].any(0)] = 1
    merged[masks[2:].any(0)] = 3
    return merged


def _prepared(
    config: dict[str, Any], scans: Sequence[Path], *, precise: bool
) -> tuple[dict[str, Any], Compose]:
    together = len(scans) > 1
    key = ["image"]
    load = [
        LoadImaged(key, ensure_channel_first=True, image_only=False),
        EnsureTyped(key, dtype=torch.float),
    ]
    place: list[Any] = []
    if config.get("orientation_ras", False):
        place.append(Orientationd(["image", "raw"], "RAS", allow_missing_keys=True))
    if config.get("crop_foreground", True):
        # The raw scan is turned too: see the adapter about the extension.
        place.append(
            CropForegroundd(key, "image" if together else "raw", margin=10, allow_smaller=True)
        )
    if config.get("resample_resolution") is not None:
        pixdim = np.array(config["resample_resolution"])
        place.append(
            Spacingd(
                key,
                pixdim=pixdim,
                mode="bilinear",
                dtype=torch.double if precise else torch.float,
                min_pixdim=0.75 * pixdim,
                max_pixdim=1.25 * pixdim,
            )
        )
    intensity = _intensity(config)
    chain = Compose(load + place + intensity if together else load + intensity + place)
    files = [str(path) for path in scans]
    given: dict[str, Any] = {"image": files if together else files[0]}
    if not together:
        given["raw"] = Compose(load)({"image": files[0]})["image"]
    return chain(given), chain


def _intensity(config: dict[str, Any]) -> list[Any]:
    mode = config["normalize_mode"]
    if mode in ("range", "ct"):
        low, high = config["intensity_bounds"]
        scaled = ScaleIntensityRanged("image", a_min=low, a_max=high, b_min=-1, b_max=1, clip=False)
        return [scaled, Lambdad("image", torch.sigmoid)]
    standard = NormalizeIntensityd("image", nonzero=True, channel_wise=True)
    if mode in ("meanstd", "mri"):
        return [standard]
    if mode == "meanstdtanh":
        return [standard, Lambdad("image", lambda x: 3 * torch.tanh(x / 3))]
    if mode == "pet":
        return [Lambdad("image", lambda x: torch.sigmoid((x - x.min()) / x.std()))]
    assert mode == "none"
    return []
