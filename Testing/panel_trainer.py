"""A person before the panel's section Train, and what they have drawn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from Testing.labelled_sets import block_case
from Testing.train_cases import put_plan

if TYPE_CHECKING:
    from Testing.panel_bench import Bench

PATIENCE_S = 120.0


class Trainer:
    """The section Train and a person before it."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.host = bench, bench.host
        self.section = bench.panel.train
        self.ui = self.section.ui

    def choose_path(self, path: Path) -> None:
        """Type where the labelled cases are."""
        self.ui.path.text = str(path)
        self.ui.path.editingFinished.emit()

    def name(self, name: str) -> None:
        self.ui.modelName.setEditText(name)
        self.ui.modelName.lineEdit().editingFinished.emit()

    def epochs(self, number: int) -> None:
        self.ui.length.activated.emit(1)
        self.ui.amount.value = number

    def prepare(self, name: str, path: Path, **plan: Any) -> Path:
        """Fill in the form, with a tiny plan; return the training's folder."""
        output = put_plan(self.bench.folder / "trainings" / name, **plan)
        self.choose_path(path)
        self.name(name)
        self.ui.trainDevice.activated.emit(1)
        self.as_planned()
        return output

    def as_planned(self) -> None:
        """Let the plan say how long."""
        self.ui.length.activated.emit(2)

    def start(self) -> Any:
        assert self.ui.train.enabled, self.ui.trainState.text
        self.ui.train.click()
        return self.section.job

    def until_epoch(self, number: int) -> None:
        def there() -> bool:
            assert not self.section.job.state.over, self.section.job.problem
            return f"epoch {number}:" in self.ui.trainNews.text

        self.host.wait(there, PATIENCE_S, what=f"epoch {number}")

    def until_over(self) -> str:
        return self.bench.until_over(self.section.job, PATIENCE_S)

    def until_listed(self, name: str) -> None:
        offers = self.bench.panel.segment.offers
        self.host.wait(lambda: offers(name), 30, what=f"{name} in the list of models")


def visible(widget: Any) -> bool:
    """Tell whether a widget would be seen, were its section unfolded."""
    return not widget.isHidden()


def draw(name: str, seed: int) -> tuple[Any, Any]:
    """Put a volume into the scene with two segments drawn on it."""
    import slicer

    image, labels = block_case(seed)
    volume = slicer.util.addVolumeFromArray(sitk.GetArrayFromImage(image), name=name)
    volume.SetSpacing(image.GetSpacing())
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"{name} drawn")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    values = sitk.GetArrayFromImage(labels)
    # Whoever draws does not number the structures alike each time.
    order = [("Bright", 1), ("Dark", 2)][:: 1 if seed % 2 else -1]
    for title, value in order:
        segment = node.GetSegmentation().AddEmptySegment("", title)
        mask = (values == value).astype(np.uint8)
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segment, volume)
    return volume, node


def draw_large(number: int, size: int = 128) -> None:
    """Put a volume of 4 MB into the scene with a segment drawn on it."""
    import slicer

    values = np.random.default_rng(number).normal(100, 10, (size,) * 3).astype(np.int16)
    box = (slice(30 + 4 * number, 70),) * 3
    values[box] += 200
    volume = slicer.util.addVolumeFromArray(values, name=f"V{number}")
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"S{number}")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segment = node.GetSegmentation().AddEmptySegment("", "Bright")
    mask = np.zeros(values.shape, np.uint8)
    mask[box] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segment, volume)
