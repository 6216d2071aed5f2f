"""Training from the panel as a person does: data, curves, preview, stopping, going on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.train.preparation import WORK
from Testing.labelled_sets import pairs
from Testing.panel_trainer import PATIENCE_S, Trainer, draw, visible
from Testing.train_cases import put_plan

if TYPE_CHECKING:
    from Testing.panel_bench import Bench

pytest_plugins = ("Testing.panel_bench",)


@pytest.fixture
def trainer(bench: Bench) -> Trainer:
    return Trainer(bench)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return pairs(tmp_path / "data", 6)


def test_ten_real_cases_become_a_model_that_runs(
    trainer: Trainer, shared_data: Path, tmp_path: Path
) -> None:
    """The whole way, as a person goes it: it would end somewhere in between."""
    import slicer

    bench, ui = trainer.bench, trainer.ui
    folder = shared_data / "hippocampus"
    names = sorted(path.name for path in (folder / "imagesTr").glob("hippocampus_*.nii.gz"))[:11]
    rows = [f"{folder / 'imagesTr' / name},{folder / 'labelsTr' / name}" for name in names[:10]]
    table = tmp_path / "ten.csv"
    table.write_text("\n".join(["image,label", *rows]))
    (tmp_path / "ten.json").write_text(
        '{"labels": {"background": 0, "Anterior": 1, "Posterior": 2}, "channel_names": {"0": "T1"}}'
    )
    plan = {"spacing": (1.0, 1.0, 1.0), "patch": (24, 32, 24), "steps": 12}
    trainer.prepare("ten-cases", table, **plan)
    trainer.epochs(6)
    job = trainer.start()
    assert not visible(ui.train)
    assert visible(ui.cancelTraining)
    trainer.until_epoch(2)
    # The curves are in the plot view, and the case is in the slice views.
    layout = slicer.app.layoutManager()
    chart = layout.plotWidget(0).mrmlPlotViewNode().GetPlotChartNode()
    assert chart.GetTitle() == "ten-cases"
    curves = [chart.GetNthPlotSeriesNode(n) for n in range(chart.GetNumberOfPlotSeriesNodes())]
    assert [curve.GetName() for curve in curves] == ["loss", "Dice Anterior", "Dice Posterior"]
    preview = trainer.section.preview
    trainer.host.wait(lambda: preview.nodes[0] is not None, 10, what="the preview")
    composite = layout.sliceWidget("Red").mrmlSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == preview.nodes[0].GetID()
    assert composite.GetLabelVolumeID() == preview.nodes[1].GetID()
    assert trainer.until_over() == "done", job.problem
    losses = slicer.util.arrayFromTableColumn(curves[0].GetTableNode(), "loss")
    assert len(losses) == 6
    assert losses[-1] < 0.8 * losses[0]
    dices = slicer.util.arrayFromTableColumn(curves[1].GetTableNode(), "Dice Anterior")
    assert dices[-1] > 0.1  # After 72 steps.
    assert "mean Dice" in ui.trainNews.text
    trainer.until_listed("ten-cases")
    assert not list((tmp_path / "trainings").glob("*"))
    assert not list((tmp_path / "jobs").glob("*"))
    volume = slicer.util.loadVolume(str(folder / "imagesTr" / names[10]))
    bench.panel.input.ui.volume.setCurrentNode(volume)
    bench.choose_model("ten-cases")
    assert bench.until_over(bench.run(), 60) == "done", bench.jobs[-1].problem
    (node,) = bench.segmentations()
    own = node.GetSegmentation()
    assert [own.GetNthSegment(n).GetName() for n in (0, 1)] == ["Anterior", "Posterior"]


def test_a_stopped_training_goes_on(trainer: Trainer, data: Path, tmp_path: Path) -> None:
    """Cancelling would cost all that was learned, or leave the card busy."""
    ui = trainer.ui
    output = trainer.prepare("blocks", data, epochs=60)
    assert not visible(ui.amount)
    job = trainer.start()
    trainer.until_epoch(2)
    ui.cancelTraining.click()
    assert trainer.until_over() == "cancelled"
    assert (output / WORK / "fold_0.pt").is_file()
    assert visible(ui.resume)
    assert not visible(ui.train)
    assert "It learns from data." in ui.trainState.text
    points = dict(trainer.section.curves._points[0])
    # Also in another session, in which nothing is chosen yet.
    trainer.section.look_for_stopped()
    assert ui.modelName.itemText(0) == "blocks"
    ui.resume.click()
    assert trainer.section.job is not job
    trainer.until_epoch(len(points) + 2)
    assert "goes on after epoch" in ui.trainNews.text
    assert sorted(trainer.section.curves._points[0])[: len(points)] == sorted(points)
    ui.cancelTraining.click()
    assert trainer.until_over() == "cancelled"
    trainer.host.dialogs.answer(trainer.bench.yes())
    ui.discard.click()
    trainer.host.wait(lambda: visible(ui.train), what="the end of the training's files")
    assert not output.exists()


def test_the_scene_is_closed_while_it_learns(trainer: Trainer, data: Path) -> None:
    """Slicer would crash, or a night's training would be lost."""
    import slicer

    ui = trainer.ui
    trainer.prepare("blocks", data, epochs=8)
    trainer.start()
    trainer.until_epoch(2)
    slicer.mrmlScene.Clear()
    assert not ui.seeCurves.checked
    trainer.until_epoch(4)
    # What was learned by now can be looked at in the new scene, too.
    ui.seeCurves.click()
    ui.seePreview.click()
    (chart,) = slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
    table = chart.GetNthPlotSeriesNode(0).GetTableNode()
    assert slicer.util.arrayFromTableColumn(table, "epoch")[0] == 1
    assert trainer.until_over() == "done", trainer.section.job.problem
    trainer.until_listed("blocks")
    preview = trainer.section.preview
    trainer.host.wait(lambda: preview.nodes[0] is not None, 10, what="the preview")
    ui.seePreview.click()
    assert preview.nodes == (None, None)
    hidden = ("vtkMRMLLabelMapVolumeNode", "vtkMRMLScalarVolumeNode")
    assert [node for kind in hidden for node in slicer.util.getNodesByClass(kind)] == []


def test_the_views_come_back_when_nothing_is_to_be_seen(trainer: Trainer, data: Path) -> None:
    """Whoever works on a scan meanwhile would lose sight of it."""
    import slicer

    volume = trainer.bench.add_volume(np.zeros((20, 20, 20), np.int16), "Mine", np.eye(4))
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    layout, ui = slicer.app.layoutManager(), trainer.ui
    before = layout.layout
    trainer.prepare("blocks", data, epochs=60)
    trainer.start()
    preview = trainer.section.preview
    trainer.host.wait(lambda: preview.nodes[0] is not None, PATIENCE_S, what="the preview")
    composite = layout.sliceWidget("Red").mrmlSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == preview.nodes[0].GetID()
    # The picture gets newer while the network learns.
    first = preview.nodes[1].GetImageData()
    again = lambda: preview.nodes[1].GetImageData() is not first  # noqa: E731
    trainer.host.wait(again, PATIENCE_S, what="a newer preview")
    ui.seePreview.click()
    assert composite.GetBackgroundVolumeID() == volume.GetID()
    assert composite.GetLabelVolumeID() is None
    assert layout.plotViewCount == 1
    ui.seeCurves.click()
    assert layout.layout == before
    assert trainer.bench.panel.context.volume is volume
    ui.cancelTraining.click()
    trainer.until_over()


def test_what_was_drawn_in_the_scene_is_learned(trainer: Trainer, tmp_path: Path) -> None:
    """People have their labels in the scene, not in folders of nnU-Net."""
    import qt

    ui = trainer.ui
    drawn = [draw(f"Doe^John {seed}", seed) for seed in range(6)]
    ui.dataSource.activated.emit(1)
    trainer.host.wait(lambda: ui.pairs.rowCount == 6, what="the table")
    assert visible(ui.pairs)
    assert not visible(ui.pathRow)
    # The volumes are those that they were drawn on.
    boxes = [ui.pairs.cellWidget(row, 1) for row in range(6)]
    assert [box.currentText for box in boxes] == [volume.GetName() for volume, _ in drawn]
    ui.pairs.item(5, 0).setCheckState(qt.Qt.Unchecked)
    boxes[0].activated.emit(0)
    assert "At least 5 segmented volumes are needed; 1 more." in ui.trainState.text
    boxes[0].activated.emit(1)
    # Another segmentation appears in the table by itself.
    extra = draw("Extra", 7)
    trainer.host.wait(lambda: ui.pairs.rowCount == 7, what="the new row")
    trainer.bench.host.scene.RemoveNode(extra[1])
    trainer.host.wait(lambda: ui.pairs.rowCount == 6, what="the table without it")

    ui.look.click()
    trainer.host.wait(lambda: "5 cases" in ui.dataState.text, 60, what="the look at the data")
    assert "Dark, Bright" in ui.dataState.text
    put_plan(tmp_path / "trainings" / "drawn", epochs=2)
    trainer.name("drawn")
    trainer.as_planned()
    job = trainer.start()
    # The nodes may go: they were taken.
    trainer.until_epoch(1)
    for volume, node in drawn:
        trainer.host.scene.RemoveNode(node)
        trainer.host.scene.RemoveNode(volume)
    assert trainer.until_over() == "done", job.problem
    trainer.until_listed("drawn")
    facts = trainer.bench.panel.segment._models.get("drawn").facts
    assert sorted(facts["labels"]) == ["Bright", "Dark"]
    kept = [path.name for path in (tmp_path / "models").rglob("*") if "Doe" in path.name]
    assert kept == []


def test_what_is_wrong_with_the_data_is_shown_before(trainer: Trainer, data: Path) -> None:
    """Hours later it would turn out that half of the labels were in another place."""
    ui = trainer.ui
    sitk.WriteImage(sitk.Image([4, 4, 4], sitk.sitkUInt8), str(data / "labels/case_03.nii.gz"))
    trainer.choose_path(data)
    ui.look.click()
    assert not ui.look.enabled
    trainer.host.wait(lambda: visible(ui.oddities), 60, what="the findings")
    severity, title = (ui.oddities.item(0, column).text() for column in range(2))
    assert severity == "Urgent"
    assert title.startswith("case_03: The label image is not on the grid")
    assert ui.look.enabled


def test_the_form_says_what_is_missing(trainer: Trainer, data: Path, tmp_path: Path) -> None:
    """A button that does nothing, or an error after the click."""
    ui = trainer.ui
    assert not ui.train.enabled
    assert "Choose a folder or table" in ui.trainState.text
    trainer.choose_path(tmp_path / "nowhere")
    assert "nothing at this path" in ui.trainState.text
    trainer.choose_path(data)
    assert "Give the model a name" in ui.trainState.text
    trainer.host.wait(lambda: trainer.section._taken, 30, what="the list of models")
    trainer.name("brain")
    assert "a model of this name already" in ui.trainState.text
    trainer.name("../mine")
    assert "letters, digits" in ui.trainState.text
    trainer.name("mine")
    assert ui.train.enabled
    assert [ui.startModel.itemText(n) for n in range(ui.startModel.count)] == [
        "nothing",
        "hippocampus",
    ]
    ui.networks.value = 3
    trainer.epochs(5)
    ui.trainFolder.text = str(tmp_path / "kept")
    ui.trainFolder.editingFinished.emit()
    options = trainer.section.form.options()
    assert (options["folds"], options["epochs"], options["minutes"]) == (3, 5, None)
    # The choices are saved with the scene, and shown again.
    trainer.bench.panel.refresh()
    assert (ui.networks.value, ui.amount.value) == (3.0, 5.0)
    assert trainer.section.form.folder == str(tmp_path / "kept")


def test_a_training_that_fails_says_why(trainer: Trainer, data: Path) -> None:
    for path in list((data / "labels").glob("*"))[:3]:
        path.unlink()
    trainer.choose_path(data)
    trainer.name("few")
    job = trainer.start()
    assert trainer.until_over() == "failed"
    assert "at least 5 are needed" in trainer.bench.row(job).message.text
    assert not visible(trainer.bench.row(job).action)
