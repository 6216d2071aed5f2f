"""The background process: jobs in, results out, cancelled when asked, gone when its caller is."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.case import Scan
from MedAssistLib.enhance import enhance, parse_step
from MedAssistLib.errors import ModelError
from MedAssistLib.models import find, formats, store
from MedAssistLib.panel.trial import bright_box, write_bright_model
from MedAssistLib.progress import Progress
from MedAssistLib.segment import segment
from MedAssistLib.worker import model_jobs
from MedAssistLib.worker.arrays import describe_scan, read_scan
from MedAssistLib.worker.cache import ModelCache
from MedAssistLib.worker.client import WorkerProcess


class Client:
    """The caller's side of the pipe."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "MedAssistLib.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        )  # fmt: skip
        assert self.next()["type"] == "ready"

    def send(self, **request: Any) -> None:
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def next(self) -> dict[str, Any]:
        return json.loads(self.process.stdout.readline())

    def until_done(self, name: str) -> tuple[list[dict], dict]:
        """Return the progress of a job and the message that ended it."""
        progress = []
        while (message := self.next())["type"] == "progress" or message["id"] != name:
            progress.append(message)
        return progress, message


@pytest.fixture
def client() -> Iterator[Client]:
    made = Client()
    yield made
    made.process.stdin.close()
    assert made.process.wait(timeout=20) == 0


def test_a_scan_handed_over_is_the_same_scan(small_scan: Scan, tmp_path: Path) -> None:
    scan = replace(small_scan, enhancement=("contrast.clahe:tile=60",))
    description = json.loads(json.dumps(describe_scan(scan, tmp_path / "scan.npy")))
    again = read_scan(description)
    assert sitk.Hash(again.image) == sitk.Hash(small_scan.image)
    assert again.image.GetDirection() == small_scan.image.GetDirection()
    assert (again.modality, again.enhancement) == (scan.modality, scan.enhancement)
    # A volume in Slicer is often named after the patient.
    assert small_scan.name not in json.dumps({**description, "array": ""})


def test_the_brain_is_the_same_as_without_a_worker_and_the_second_run_is_warm(
    client: Client, mni_scan: Scan, tmp_path: Path
) -> None:
    request = {
        "type": "run",
        "verb": "segment",
        "model": "brain",
        "scan": describe_scan(mni_scan, tmp_path / "scan.npy"),
        "output": str(tmp_path / "labels.npy"),
    }
    client.send(id="cold", **request)
    progress, result = client.until_done("cold")
    assert result["type"] == "result", result
    fractions = [event["fraction"] for event in progress]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    expected = segment(mni_scan, find("brain"))
    labels = np.load(tmp_path / "labels.npy", mmap_mode="r")
    assert np.array_equal(labels, sitk.GetArrayViewFromImage(expected.labels))
    (structure,) = result["segments"]
    assert structure["name"] == "Brain"
    assert structure["type"] == {"value": "12738006", "scheme": "SCT", "meaning": "Brain"}
    client.send(id="warm", **request)
    assert client.until_done("warm")[1]["type"] == "result"


def test_enhancing_gives_the_same_voxels(client: Client, small_scan: Scan, tmp_path: Path) -> None:
    client.send(
        type="run", id="1", verb="enhance", filters=["denoise.curvature:iterations=2"],
        scan=describe_scan(small_scan, tmp_path / "scan.npy"), output=str(tmp_path / "out.npy"),
    )  # fmt: skip
    assert client.until_done("1")[1]["enhancement"][0].startswith("denoise.curvature:")
    expected = enhance(small_scan, (parse_step("denoise.curvature:iterations=2"),)).image
    assert np.array_equal(np.load(tmp_path / "out.npy"), sitk.GetArrayViewFromImage(expected))


def test_a_cancelled_job_ends_within_a_second_and_the_next_one_runs(
    client: Client, mni_scan: Scan, small_scan: Scan, tmp_path: Path
) -> None:
    client.send(
        type="run", id="long", verb="enhance", filters=["denoise.curvature:iterations=100"],
        scan=describe_scan(mni_scan, tmp_path / "head.npy"), output=str(tmp_path / "long.npy"),
    )  # fmt: skip
    client.send(
        type="run", id="next", verb="enhance", filters=["denoise.curvature:iterations=1"],
        scan=describe_scan(small_scan, tmp_path / "scan.npy"), output=str(tmp_path / "next.npy"),
    )  # fmt: skip
    while client.next().get("fraction", 0.0) == 0.0:
        pass
    client.send(type="cancel", id="long")
    _, ended = client.until_done("long")
    assert (ended["type"], ended["kind"]) == ("error", "cancelled")
    assert not (tmp_path / "long.npy").exists()
    assert client.until_done("next")[1]["type"] == "result"


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        ({"verb": "paint"}, "usage"),
        ({"verb": "segment", "model": "brain"}, "usage"),
        ({"verb": "segment", "model": "brian", "scan": {}, "output": "x"}, "model"),
        ({"verb": "segment", "model": "brain", "scan": {}, "output": "x"}, "input"),
        ({"verb": "enhance", "scan": {"array": "/nowhere.npy"}, "output": "x"}, "input"),
        ({"verb": "segment", "model": "brain", "scan": {}, "output": "", "options": 1}, "usage"),
        ({"verb": "estimate", "model": "brain", "size": (1, 2), "spacing": (1,)}, "usage"),
        ({"verb": "download", "name": "totalsegmentator-tissue_types"}, "model"),
        ({"verb": "add", "sources": ["/nowhere"]}, "model"),
        ({"verb": "remove", "name": "brain"}, "model"),
    ],
)  # fmt: skip
def test_a_bad_request_is_answered_not_fatal(client: Client, request_: dict, kind: str) -> None:
    client.send(type="run", id="bad", **request_)
    ended = client.until_done("bad")[1]
    assert (ended["type"], ended["kind"]) == ("error", kind)
    assert ended["message"]


def test_jobs_of_one_id_are_refused_and_the_worker_lives(
    client: Client, small_scan: Scan, tmp_path: Path
) -> None:
    request = {
        "type": "run",
        "verb": "enhance",
        "filters": ["denoise.curvature:iterations=3"],
        "scan": describe_scan(small_scan, tmp_path / "scan.npy"),
        "output": str(tmp_path / "out.npy"),
    }
    for name in ("same", "same", "", "other"):
        client.send(id=name, **request)
    ended = []
    while len(ended) < 4:
        message = client.next()
        if message["type"] != "progress":
            ended.append((message["id"], message["type"]))
    assert sorted(ended) == [
        ("", "error"),
        ("other", "result"),
        ("same", "error"),
        ("same", "result"),
    ]


def test_what_is_no_request_is_logged(client: Client) -> None:
    client.process.stdin.write("hello\n")
    client.process.stdin.flush()
    assert client.next() == {"type": "log", "message": "not a request: hello"}


@pytest.mark.alone
@pytest.mark.parametrize("end", ["shutdown", "closed pipe"])
def test_it_ends_during_a_job(end: str, mni_scan: Scan, tmp_path: Path) -> None:
    """When Slicer is gone, no process may keep the graphics card busy."""
    client = Client()
    client.send(
        type="run", id="long", verb="enhance", filters=["denoise.curvature:iterations=100"],
        scan=describe_scan(mni_scan, tmp_path / "head.npy"), output=str(tmp_path / "long.npy"),
    )  # fmt: skip
    assert client.next()["type"] == "progress"
    if end == "shutdown":
        client.send(type="shutdown")
    else:
        client.process.stdin.close()
    began = time.monotonic()
    assert client.process.wait(timeout=30) == 0
    assert time.monotonic() - began < 10
    assert not (tmp_path / "long.npy").exists()


def test_the_least_recently_used_model_goes_first() -> None:
    loaded = []

    def load(card: Any, device: str) -> str:
        loaded.append(card.version)
        return f"{card.version} on {device}"

    class FakeCard:
        folder = "x"
        weights: ClassVar[dict] = {}

        def __init__(self, version: str) -> None:
            self.version = version

    cache = ModelCache(size=2, load=load)
    a, b, c = (FakeCard(name) for name in "abc")
    for card in (a, b, a, c, a, b):
        assert cache.load(card, "cpu") == f"{card.version} on cpu"
    assert loaded == ["a", "b", "c", "b"]


def ended(worker: WorkerProcess, name: str) -> dict[str, Any]:
    """Return the message that ended a job."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for message in worker.receive():
            if message.get("id") == name and message["type"] in ("result", "error"):
                return message
        time.sleep(0.01)
    raise TimeoutError(worker.last_words)


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerProcess]:
    monkeypatch.setenv("MEDASSIST_MODELS", str(tmp_path / "models"))
    made = WorkerProcess()
    yield made
    made.kill()
    made.wait(10)
    assert made.exit_status is not None


def test_a_model_that_only_pytorch_can_read_does_not_end_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without PyTorch the panel would offer no model at all, not even to download."""
    monkeypatch.setattr(store, "stored_names", lambda: ["old", "damaged"])
    errors = {
        "old": ModuleNotFoundError("No module named 'torch'", name="torch"),
        "damaged": ModelError("is torn"),
    }

    def refuse(folder: Path) -> None:
        raise errors[folder.parent.name]

    monkeypatch.setattr(store, "read_record", lambda _folder: None)
    monkeypatch.setattr(formats, "describe", refuse)
    answer = model_jobs.models({}, ModelCache(), Progress())
    assert [entry["name"] for entry in answer["models"]] == ["brain", "hippocampus"]
    assert answer["unreadable"] == {
        "old": "cannot be read without torch, which is not installed",
        "damaged": "is torn",
    }
    with pytest.raises(ModelError, match="pip install torch"):
        store.find("old")
    assert len(answer["offered"]) > 10


def test_the_panels_jobs_in_one_worker(worker: WorkerProcess, tmp_path: Path) -> None:
    """What the panel asks for: models, memory, a run with surfaces and numbers."""
    made = write_bright_model(tmp_path / "made")
    voxels, box = bright_box()
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.9, 1.1, 2.5))
    image.SetDirection(turned())
    scan = describe_scan(Scan(image=image, modality="MR"), tmp_path / "scan.npy")

    worker.send(type="run", id="add", verb="add", sources=[str(made)])
    assert ended(worker, "add")["name"] == "bright"
    worker.send(type="run", id="list", verb="models")
    answer = ended(worker, "list")
    assert [entry["name"] for entry in answer["models"]] == ["brain", "hippocampus", "bright"]
    (bright,) = [entry for entry in answer["models"] if entry["name"] == "bright"]
    assert (bright["installed"], bright["stored"], bright["patchwise"]) == (True, True, True)
    assert bright["labels"] == ["Bright"]
    assert "totalsegmentator-total" in [entry["name"] for entry in answer["offered"]]

    grid = {"spacing": scan["spacing"], "direction": scan["direction"]}
    worker.send(
        type="run", id="need", verb="estimate", model="bright", size=image.GetSize(), **grid
    )
    needed = ended(worker, "need")
    assert 10**8 < needed["main"] < 10**10
    assert needed["machine"]["memory"] > 10**8

    worker.send(
        type="run", id="run", verb="segment", model="bright", scan=scan, measure=True,
        output=str(tmp_path / "labels.npy"), surfaces=str(tmp_path / "surfaces.npz"),
    )  # fmt: skip
    result = ended(worker, "run")
    assert result["type"] == "result", result
    assert np.array_equal(np.load(tmp_path / "labels.npy") > 0, box)
    volumes = [m["value"] for m in result["measurements"] if m["quantity"] == "volume"]
    assert volumes == [pytest.approx(box.sum() * 0.9 * 1.1 * 2.5 / 1000)]
    with np.load(tmp_path / "surfaces.npz") as surfaces:
        points, normals = surfaces["points_1"], surfaces["normals_1"]
    middle = image.TransformContinuousIndexToPhysicalPoint(
        [float(n) for n in np.argwhere(box).mean(axis=0)[::-1]]
    )
    assert np.allclose(points.mean(axis=0), middle, atol=2.5)
    assert np.einsum("ij,ij->i", normals, points - middle).min() > 0  # all point outwards

    worker.send(type="run", id="gone", verb="remove", name="bright")
    assert ended(worker, "gone")["freed"] > 0


def turned() -> tuple[float, ...]:
    turn = sitk.Euler3DTransform()
    turn.SetRotation(0.2, -0.1, 0.3)
    return tuple(turn.GetMatrix())


def test_a_preview_is_the_slice_of_the_full_run(
    worker: WorkerProcess, small_scan: Scan, tmp_path: Path
) -> None:
    """The person would choose filters by a picture that Apply does not give."""
    filters = ["denoise.gaussian:sigma=1.5", "sharpen.unsharp:amount=2"]
    full = enhance(small_scan, tuple(parse_step(text) for text in filters)).image
    scan = describe_scan(small_scan, tmp_path / "scan.npy")
    for axis, index in ((0, 7), (1, 3), (2, 13)):
        name = f"{axis}"
        worker.send(
            type="run", id=name, verb="preview", scan=scan, filters=filters, axis=axis,
            index=index, output=str(tmp_path / "slice.npy"),
        )  # fmt: skip
        result = ended(worker, name)
        assert result["exact"], result
        shown = np.load(tmp_path / "slice.npy")
        expected = np.take(sitk.GetArrayViewFromImage(full), [index], axis=2 - axis)
        assert np.allclose(shown, expected, atol=0.01 * np.ptp(expected))
        place = [0, 0, 0]
        place[axis] = index
        assert np.allclose(result["origin"], full.TransformIndexToPhysicalPoint(place))


def test_it_is_killed_with_whatever_it_started() -> None:
    """Slicer's Python is a launcher: killing that alone leaves the graphics card busy."""
    code = (
        "import subprocess, sys, json, time;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print(json.dumps({'child': child.pid}), flush=True); time.sleep(60)"
    )
    launcher = WorkerProcess([sys.executable, "-c", code])
    until = time.monotonic() + 20
    while not (messages := launcher.receive()):
        assert time.monotonic() < until
        time.sleep(0.01)
    launcher.kill()
    launcher.wait(10)
    assert launcher.exit_status is not None
    child = messages[0]["child"]
    until = time.monotonic() + 5
    while _lives(child):
        assert time.monotonic() < until, "the child lives on"
        time.sleep(0.05)


def _lives(process_id: int) -> bool:
    """Tell whether a process runs; one that is dead and not yet buried does not."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_what_it_says_last_is_kept() -> None:
    """The diagnostics would not tell why it did not start."""
    worker = WorkerProcess([sys.executable, "-c", "import nothing_of_this_name"])
    worker.wait(20)
    until = time.monotonic() + 5
    while not worker.ended or not worker.last_words:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert "nothing_of_this_name" in worker.last_words[-1]
    worker.send(type="run")  # to the dead: nothing happens
    worker.ask_to_end()
