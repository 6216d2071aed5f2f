"""Turns a model that was trained on crops of hippocampi into the one that comes with MedAssist.

python -m Testing.make_hippocampus_card TRAINED [FOLDER]

TRAINED is a folder that ``medassist train`` made of the Medical Segmentation Decathlon's Task04;
FOLDER is ``MedAssistLib/models/cards/hippocampus`` unless another is given.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from MedAssistLib.case import ANATOMICAL_STRUCTURE, Code, Segment
from MedAssistLib.files import make_folder
from MedAssistLib.models.anatomy import SIDES
from MedAssistLib.models.card import SHIPPED, PostProcessing, read_card, write_card
from MedAssistLib.models.formats import located_card

CROP = ("anterior hippocampus", "posterior hippocampus")
HIPPOCAMPUS = Code("5366008", "SCT", "Hippocampus")
COLOURS = ((221, 130, 160), (178, 130, 190), (130, 170, 221), (110, 190, 190))
# The left hippocampus of the MNI152 head, LPS mm: what the hippocampi of neuromorphometrics and
# IBSR take there, as deepmriprep 0.3 carries both, mirrored onto one side; the head is symmetric.
LEFT = ((7.5, 3.5, -30.5), (37.5, 42.5, 6.5))
# The crops of the data set show 3 to 12 mm about the structure; networks do best with 3 to 5.
MARGIN = 4.0
ABOUT_THE_DRAWING = ("geometry.", "shape.", "opinion.")
# The longest side of the data set's crops is 58 mm.
LARGEST_CROP = 80.0


def segments() -> tuple[Segment, ...]:
    """Return the segments of a head: left and right, each anterior and posterior."""
    names = [f"{side.meaning} {part}" for side in SIDES for part in CROP]
    sides = [side for side in SIDES for _ in CROP]
    return tuple(
        Segment(
            label=label,
            name=name,
            colour=colour,
            category=ANATOMICAL_STRUCTURE,
            type=HIPPOCAMPUS,
            modifier=side,
        )
        for label, (name, side, colour) in enumerate(zip(names, sides, COLOURS, strict=True), 1)
    )


def located() -> dict[str, Any]:
    """Return the card's entry on where the network is run."""
    low, high = LEFT
    right = ((-high[0], *low[1:]), (-low[0], *high[1:]))
    return {
        "atlas": "mni152",
        "places": [
            {"name": "left hippocampus", "box": LEFT, "labels": [1, 2]},
            {"name": "right hippocampus", "box": right, "labels": [3, 4]},
        ],
        "margin": MARGIN,
        "largest_crop": LARGEST_CROP,
        "crop_structures": CROP,
    }


def main(trained: Path, folder: Path = SHIPPED / "hippocampus") -> None:
    card = read_card(trained)
    folder = make_folder(folder)
    for file in card.weights.values():
        shutil.copy2(card.folder / file.path, folder / file.path)
    own = [segment.name for segment in card.segments]
    shipped = replace(
        card,
        name="hippocampus",
        title="Hippocampi in T1-weighted head MR, anterior and posterior",
        format=located_card.FORMAT,
        licence="CC-BY-SA-4.0",
        source="MedAssist",
        intended_use="Both hippocampi, head and body with tail apart, in T1-weighted MR of adult "
        "heads, or one of them in a crop about it; research, not a medical device. Left and right "
        "are as the scan's header says. Not for other contrasts, or after surgery there.",
        training_data="208 T1-weighted crops of one hippocampus each, healthy adults and adults "
        "with a psychotic disorder: Medical Segmentation Decathlon, Task04, Vanderbilt University "
        "Medical Center, CC-BY-SA 4.0, doi:10.1038/s41467-022-30695-9",
        modality="MR",
        channels=("T1",),
        segments=segments(),
        architecture={
            **card.architecture,
            "plan": {**card.architecture["plan"], "mirrored": True},
            "located": located(),
        },
        postprocessing=PostProcessing(largest_component=True),
        training=_training(card.training, dict(zip(own, _names(), strict=True))),
        measured=_measured(card.measured, dict(zip(own, _names(), strict=True))),
        folder=folder,
    )
    print(write_card(shipped))


def _names() -> list[str]:
    return [name.capitalize() for name in CROP]


def _training(training: Mapping[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Return what the model learned from, with the structures as on a crop and on either side."""
    data = training["data"]
    crops = [{**entry, "name": names[entry["name"]]} for entry in data["structures"]]
    heads = [
        {**entry, "name": f"{side.meaning} {entry['name'][0].lower()}{entry['name'][1:]}"}
        for side in SIDES
        for entry in crops
    ]
    return {**training, "data": {**data, "structures": [*crops, *heads]}}


def _measured(measured: Mapping[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Return a card's measurements with the structures' names as they are on a crop and a head.

    What was calibrated on crops holds for both, where it is about a drawing by itself or beside
    the model's; not where it is about the scan or its intensities, of which a head has others. What
    it promises is about one hippocampus; a head has two.
    """
    renamed: dict[str, Any] = _renamed(measured, names)
    if "calibration" in renamed:
        limits = renamed["calibration"]["limits"]
        renamed["calibration"]["limits"] = {
            rule: {kind: _on_heads(by_name) for kind, by_name in kinds.items()}
            for rule, kinds in limits.items()
            if rule.startswith(ABOUT_THE_DRAWING)
        }
    return renamed


def _on_heads(limits: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return the thresholds of a score by structure, those on either side of a head too."""
    sides = {
        f"{side.meaning} {name[0].lower()}{name[1:]}": limit
        for side in SIDES
        for name, limit in limits.items()
        if name
    }
    return {**limits, **sides}


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """Return a card's measurements with the structures' names as they are on a crop."""
    if isinstance(value, dict):
        return {names.get(key, key): _renamed(entry, names) for key, entry in value.items()}
    return [_renamed(entry, names) for entry in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
