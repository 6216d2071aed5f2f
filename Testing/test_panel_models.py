"""Choosing, adding and removing models in the panel, and what is said when they cannot run."""

from __future__ import annotations

import shutil
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from MedAssistLib.panel.job_texts import message_of
from MedAssistLib.panel.jobs import Job, State
from MedAssistLib.panel.machine import Machine, Readiness, diagnostics, look_at_machine
from MedAssistLib.panel.model_list import Model, ModelList, memory_text
from MedAssistLib.panel.trial import bright_box, write_bright_model

if TYPE_CHECKING:
    from Testing.panel_bench import Bench

pytest_plugins = ("Testing.panel_bench",)


def pretend(bench: Bench, **machine: Any) -> None:
    """Let the panel find another machine."""
    usual = {"torch": "2.9.0", "extension": True, "cuda": True, "nvidia": True}
    bench.panel.segment.setup._machine = Machine(**{**usual, **machine})
    bench.panel.refresh()


def test_a_model_is_added_from_its_folder_and_removed(bench: Bench) -> None:
    """Models that a user has would be reachable from the command line only."""
    made = write_bright_model(bench.folder / "made")
    ui = bench.panel.segment.ui
    bench.add_volume(bright_box(20)[0])
    bench.host.dialogs.answer(str(made))
    bench.panel.segment.buttons.add_folder()
    assert bench.until_over(bench.jobs[-1]) == "done", bench.jobs[-1].problem
    bench.host.wait(lambda: bench.panel.segment.offers("bright"))
    bench.choose_model("bright")
    assert "Finds Bright" in ui.details.text
    assert "Licence: Apache" in ui.details.text
    assert not ui.download.visible
    bench.host.dialogs.answer(bench.yes())
    ui.removeModel.click()
    assert "Delete the model bright" in bench.host.dialogs.shown[-1].text
    assert bench.until_over(bench.jobs[-1]) == "done", bench.jobs[-1].problem
    bench.host.wait(lambda: not bench.panel.segment.offers("bright"))
    assert ui.runState.text == "Choose a model."


def test_what_is_no_model_is_refused_in_words(bench: Bench) -> None:
    (bench.folder / "holiday").mkdir()
    bench.host.dialogs.answer(str(bench.folder / "holiday"))
    bench.panel.segment.buttons.add_folder()
    job = bench.jobs[-1]
    assert bench.until_over(job) == "failed"
    assert "not a model that MedAssist can run" in bench.row(job).message.text


def test_a_download_begins_only_after_consent(bench: Bench) -> None:
    """Gigabytes would be fetched unasked, or a licence accepted unseen."""
    offer = {
        "name": "x", "title": "Organs", "size": 1_170_000_000, "source": "A hospital",
        "licence": "CC-BY-NC-4.0", "terms": "Not for commercial use",
    }  # fmt: skip
    buttons = bench.panel.segment.buttons
    bench.host.dialogs.answer(bench.no())
    buttons._ask(offer)
    text = bench.host.dialogs.shown[-1].text
    for words in ("Organs", "1.2 GB", "A hospital", "CC-BY-NC-4.0", "Not for commercial use"):
        assert words in text
    assert bench.jobs == []


def test_without_volume_or_with_the_wrong_one_it_says_so(bench: Bench, bright_models: Path) -> None:
    shutil.copytree(bright_models, bench.folder / "models")
    ui = bench.panel.segment.ui
    bench.panel.segment.list_models()
    bench.host.wait(lambda: bench.panel.segment.offers("bright"))
    assert ui.runState.text == "Choose a volume in the section Input."
    volume = bench.add_volume(bright_box(20)[0])
    assert ui.runState.text == "Choose a model."
    bench.choose_model("totalsegmentator-total")
    assert ui.runState.text == "Download the model first."
    assert ui.download.enabled
    bench.choose_model("bright")
    assert ui.runState.text == ""
    volume.SetAttribute("MedAssist.modality", "CT")
    bench.panel.refresh()
    assert ui.runState.text == "The volume is CT, but the model is for MR."
    assert not ui.run.enabled


@pytest.mark.parametrize(
    ("machine", "words", "button"),
    [
        ({"torch": "", "extension": False}, "Extensions Manager", False),
        ({"torch": "", "nvidia": True}, "about 3 GB", True),
        ({"torch": "", "nvidia": False}, "about 250 MB", True),
        ({"torch": "2.9.0+cpu", "cuda": False}, "NVIDIA card that the installed PyTorch", True),
        ({}, "", False),
    ],
)
def test_the_first_run_says_what_is_missing(
    bench: Bench, machine: dict[str, Any], words: str, button: bool
) -> None:
    """The first run would end in "exit status 1"."""
    pretend(bench, **machine)
    bench.host.show()
    ui = bench.panel.segment.ui
    assert words in ui.setupText.text
    assert ui.setupBox.visible == bool(words)
    assert (ui.install.visible and ui.setupBox.visible) == button
    runs_anyhow = machine.get("torch", "x") != ""
    assert bench.panel.segment.setup.can_run == runs_anyhow


def test_installing_asks_once_and_goes_through_the_extension(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bare pip install would bring a PyTorch without the graphics card."""
    calls: list[str] = []

    class FakeLogic:
        def installTorch(self, **named: Any) -> None:  # noqa: N802
            calls.append(f"install {named['torchVersionRequirement']}")

        def uninstallTorch(self, **_named: Any) -> None:  # noqa: N802
            calls.append("uninstall")

    module = types.ModuleType("PyTorchUtils")
    module.PyTorchUtilsLogic = FakeLogic
    monkeypatch.setitem(sys.modules, "PyTorchUtils", module)
    setup = bench.panel.segment.setup
    pretend(bench, torch="")
    bench.host.dialogs.answer(bench.no(), bench.yes())
    setup.install()
    assert calls == []
    setup.install()
    assert calls == ["install >=2.6"]
    assert "about 3 GB" in bench.host.dialogs.shown[-1].text
    pretend(bench, cuda=False)
    bench.host.dialogs.answer(bench.yes())
    setup.install()
    assert calls[1:] == ["uninstall", "install >=2.6"]


def test_the_diagnostics_tell_what_helps_and_nothing_private(bench: Bench) -> None:
    import slicer

    bench.add_volume(bright_box(20)[0], "Doe^Jane")
    bench.panel.ui.diagnostics.click()
    text = slicer.app.clipboard().text()
    for words in ("MedAssist 0", "Python 3", "torch", "driver:"):
        assert words in text
    assert "Doe" not in text
    assert str(Path.home()) not in text


def test_this_machine_is_looked_at_without_importing_torch() -> None:
    from importlib import metadata

    found = look_at_machine()
    assert found.torch == metadata.version("torch")
    assert found.cuda == ("+cpu" not in found.torch)
    assert found.readiness in (Readiness.READY, Readiness.NO_CUDA)
    assert "(none)" in diagnostics("a test", [])


def test_only_some_structures_and_two_channels(bench: Bench) -> None:
    """A model of two channels would get the same volume twice, or in the wrong order."""
    import qt

    facts = {
        "name": "two", "title": "Two channels", "modality": "MR", "channels": ["T1", "FLAIR"],
        "labels": ["Core", "Oedema", "Rest"], "licence": "MIT", "installed": True,
        "patchwise": True,
    }  # fmt: skip
    bench.host.wait(lambda: bench.panel.segment.offers("brain"))
    bench.panel.segment._models = ModelList((Model(facts, here=True),))
    bench.panel.segment._list()
    taken: list[Any] = []
    bench.panel.segment._runs = types.SimpleNamespace(
        segment=lambda volumes, model, options, **more: taken.append(
            (volumes, model, options, more)
        )
    )
    flair = bench.add_volume(bright_box(20)[0], "FLAIR")
    t1 = bench.add_volume(bright_box(20)[0], "T1")
    other = bench.add_volume(bright_box(16)[0], "Other")
    bench.panel.input.ui.volume.setCurrentNode(t1)
    bench.choose_model("two")
    segment = bench.panel.segment
    assert segment.ui.runState.text == "Choose a volume for the channel FLAIR."
    segment.channels._boxes[0].setCurrentNode(other)
    assert "on one grid" in segment.ui.runState.text
    segment.channels._boxes[0].setCurrentNode(flair)
    segment.ui.classes.item(1).setCheckState(qt.Qt.Unchecked)
    assert segment.ui.classesBox.text == "Structures: 2 of 3"
    assert segment.ui.step.text == "as the model's authors chose"
    segment.ui.run.click()
    assert taken.pop()[2]["step"] is None
    segment.ui.step.value = 0.75
    segment.ui.run.click()
    ((volumes, model, options, more),) = taken
    assert (volumes, model) == ([t1, flair], "two")
    assert options["classes"] == ["Core", "Rest"]
    assert options["step"] == 0.75
    assert more == {"trusted": False, "measured": True}
    segment.ui.allClasses.click()
    segment.ui.run.click()
    assert taken[-1][2]["classes"] == []


def test_a_model_that_is_a_program_needs_a_word_of_trust(bench: Bench) -> None:
    facts = {
        "name": "script", "title": "A program", "modality": "", "channels": ["x"], "labels": ["A"],
        "licence": "", "installed": True, "program": True, "patchwise": True,
    }  # fmt: skip
    bench.host.wait(lambda: bench.panel.segment.offers("brain"))
    bench.panel.segment._models = ModelList((Model(facts, here=True),))
    bench.panel.segment._list()
    bench.add_volume(bright_box(20)[0])
    bench.choose_model("script")
    ui = bench.panel.segment.ui
    assert "is a program" in ui.runState.text
    ui.trust.click()
    assert ui.run.enabled


def test_the_choices_are_saved_with_the_scene(bench: Bench) -> None:
    """Reopening a case would begin anew."""
    volume = bench.add_volume(bright_box(20)[0])
    choices = bench.panel.context.choices
    choices.chain = ["denoise.median"]
    choices.model = "brain"
    node = choices.node
    assert node.GetNodeReferenceID("InputVolume") == volume.GetID()
    bench.host.scene.Clear()
    bench.host.process()
    again = bench.panel.context.choices
    assert again is not choices
    assert (again.chain, again.model, again.volume) == ([], "", None)
    bench.add_volume(np.zeros((5, 5, 5), np.int16))
    again.node.SetParameter("Chain", '["denoise.gaussian"]')
    assert bench.panel.enhance.ui.steps.count == 1


def test_search_finds_by_organ_licence_and_modality() -> None:
    answer = {
        "models": [{"name": "a", "title": "Belly", "modality": "CT", "licence": "MIT",
                    "labels": ["Liver"], "installed": True}],
        "offered": [{"name": "b", "title": "Lungs", "modality": "CT", "licence": "CC-BY-NC-4.0"}],
        "unreadable": {}, "folder": "/x",
    }  # fmt: skip
    found = ModelList.of(answer)
    assert [m.name for m in found.search("ct")] == ["a", "b"]
    assert [m.name for m in found.search("LIVER")] == ["a"]
    assert [m.name for m in found.search("nc ct")] == ["b"]
    assert found.search("spleen") == []


def test_a_model_that_is_left_out_of_the_list_is_told(bench: Bench) -> None:
    """The user would look for it, and install it again and again."""
    folder = bench.folder / "models" / "mine"
    (folder / "model").mkdir(parents=True)
    (folder / "installed.json").write_text("{")
    bench.panel.segment.list_models()
    ui = bench.panel.segment.ui
    bench.host.wait(lambda: bool(ui.details.text), what="the line about the model")
    assert ui.details.text.startswith("⚠ Left out of the list: mine (")
    assert "\n" not in ui.details.text


def test_a_ct_model_on_values_that_are_no_hounsfield_units_is_warned_of(bench: Bench) -> None:
    facts = {
        "name": "organs", "title": "Organs", "modality": "CT", "channels": ["CT"], "labels": ["A"],
        "licence": "MIT", "installed": True,
    }  # fmt: skip
    bench.host.wait(lambda: bench.panel.segment.offers("brain"))
    bench.panel.segment._models = ModelList((Model(facts, here=True),))
    bench.panel.segment._list()
    volume = bench.add_volume(bright_box(20)[0])
    bench.choose_model("organs")
    assert "Hounsfield" not in bench.panel.segment.ui.details.text
    volume.SetAttribute("MedAssist.enhancement", '["contrast.clahe:tile=60"]')
    bench.panel.refresh()
    assert "no Hounsfield units after contrast.clahe" in bench.panel.segment.ui.details.text
    done = Job(title="", verb="segment", state=State.DONE, result={"doubts": ["Look again."]})
    assert message_of(done).endswith("Look again.")


@pytest.mark.parametrize(
    ("device", "cards", "words"),
    [
        ("auto", [{"name": "RTX", "free": 2e9, "total": 8e9}], "6.0 GB of RTX; 2.0 GB are free"),
        ("cpu", [{"name": "RTX", "free": 2e9, "total": 8e9}], "3.0 GB of main memory; 9.0 GB"),
        ("auto", [], "3.0 GB of main memory"),
    ],
)
def test_the_estimate_is_of_the_device_that_will_run_it(
    device: str, cards: list[Any], words: str
) -> None:
    estimate = {"main": 3e9, "card": 6e9, "machine": {"memory": 9e9, "cards": cards}}
    text = memory_text(estimate, device)
    assert words in text
    assert ("too little" in text) == (device == "auto" and bool(cards))
