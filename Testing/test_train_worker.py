"""Training in the background process: what it tells, how it stops, and where the model goes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.models import find, store
from MedAssistLib.models.checkpoints import read_checkpoint
from MedAssistLib.progress import Progress
from MedAssistLib.train.preparation import WORK
from MedAssistLib.worker.client import WorkerProcess
from Testing.labelled_sets import pairs
from Testing.train_cases import put_plan, same_weights

PATIENCE_S = 90.0


class Caller:
    """A worker and what it has said of a job."""

    def __init__(self, models: Path) -> None:
        self.worker = WorkerProcess(environment={"MEDASSIST_MODELS": str(models)})
        self.said: list[dict[str, Any]] = []

    def ask(self, job: str, verb: str, **request: Any) -> None:
        self.worker.send(type="run", id=job, verb=verb, **request)

    def until(self, *kinds: str) -> dict[str, Any]:
        """Wait for a message of one of some kinds; return it."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            for message in self.worker.receive():
                self.said.append(message)
                if message["type"] in kinds:
                    return message
            time.sleep(0.01)
        raise TimeoutError(f"{kinds} did not come: {self.said[-3:]}")

    @property
    def points(self) -> list[dict[str, Any]]:
        """The points of the curves so far."""
        return [point for message in self.said for point in message.get("epochs", ())]


@pytest.fixture
def caller(tmp_path: Path) -> Iterator[Caller]:
    made = Caller(tmp_path / "models")
    yield made
    made.worker.kill()
    made.worker.wait(10)


def test_a_training_tells_its_curve_stops_goes_on_and_gives_a_model(
    caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The panel would show nothing for hours, and lose all of it when it is cancelled."""
    data, output = pairs(tmp_path / "data", 6), put_plan(tmp_path / "blocks", epochs=6)
    (tmp_path / "shown").mkdir()
    request = {
        "source": str(data),
        "output": str(output),
        "name": "blocks",
        "previews": str(tmp_path / "shown"),
        "options": {"device": "cpu"},
    }
    caller.ask("one", "train", **request)
    while len(caller.points) < 2:
        caller.until("news", "error", "result")
    caller.worker.send(type="cancel", id="one")
    ended = caller.until("result", "error")
    assert (ended["type"], ended["kind"]) == ("error", "cancelled")
    state = read_checkpoint(output / WORK / "fold_0.pt")
    assert len(state["history"]) == len(caller.points)
    asked = json.loads((output / WORK / "request.json").read_text())
    assert asked["source"] == str(data)

    before = len(caller.points)
    caller.said.clear()
    caller.ask("two", "train", **{**request, "options": {"device": "cpu", "resume": True}})
    result = caller.until("result", "error")
    assert result["type"] == "result", result
    points, news = caller.points, [m for m in caller.said if m["type"] == "news"]
    assert [point["number"] for point in points] == [1, 2, 3, 4, 5, 6]
    assert len(news[0]["epochs"]) == before
    assert "goes on after epoch" in news[0]["message"]
    assert "the checks are not calibrated" in news.pop()["message"]
    assert news[-1]["structures"] == ["Bright", "Dark"]
    assert len(points[-1]["dice"]) == 2
    preview = news[-1]["preview"]
    labels = np.load(preview["labels"])
    assert labels.shape == np.load(preview["scan"]["array"]).shape
    assert set(np.unique(labels)) <= {0, 1, 2}
    assert len(list((tmp_path / "shown").glob("labels-*.npy"))) <= 2

    monkeypatch.setenv("MEDASSIST_MODELS", str(tmp_path / "models"))
    card = find("blocks")
    assert card.folder.is_relative_to(tmp_path / "models")
    assert card.accuracy == result["accuracy"]
    assert not list((tmp_path / "models").rglob(WORK))
    assert not (output / WORK / "request.json").exists()
    assert store.verify("blocks", Progress()) == ""
    whole = put_plan(tmp_path / "whole", epochs=6)
    caller.ask("three", "train", source=str(data), output=str(whole), options={"device": "cpu"})
    assert caller.until("result", "error")["name"] == ""
    assert same_weights(whole, output)

    caller.ask("four", "train", **{**request, "output": str(tmp_path / "other")})
    refused = caller.until("result", "error")
    assert (refused["kind"], refused["message"]) == ("model", 'there is already a model "blocks"')
    assert not (tmp_path / "other").exists()


def test_the_data_can_be_looked_at_before(caller: Caller, tmp_path: Path) -> None:
    """What is wrong with the data would only be told after the training has begun."""
    data = pairs(tmp_path / "data", 5)
    sitk.WriteImage(sitk.Image([4, 4, 4], sitk.sitkUInt8), str(data / "labels/case_03.nii.gz"))
    caller.ask("one", "look", source=str(data))
    result = caller.until("result", "error")
    assert (result["cases"], result["structures"]) == (5, ["Bright", "Dark"])
    (found,) = [row for row in result["findings"] if row["cases"] == "case_03"]
    assert found["severity"] == "urgent"
    caller.ask("two", "train", source=str(data), output=str(tmp_path / "m"), options={"fold": 1})
    assert "not those of training" in caller.until("error")["message"]
