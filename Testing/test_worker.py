"""The background process: jobs in, results out, cancelled when asked, gone when its caller is."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.case import Scan
from MedAssistLib.enhance import enhance, parse_step
from MedAssistLib.models import find
from MedAssistLib.segment import segment
from MedAssistLib.worker.arrays import describe_scan, read_scan
from MedAssistLib.worker.cache import ModelCache


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
    description = json.loads(json.dumps(describe_scan(small_scan, tmp_path / "scan.npy")))
    again = read_scan(description)
    assert sitk.Hash(again.image) == sitk.Hash(small_scan.image)
    assert again.image.GetDirection() == small_scan.image.GetDirection()
    assert (again.modality, again.name) == (small_scan.modality, small_scan.name)


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
        weights = ("box",)

        def __init__(self, version: str) -> None:
            self.version = version

    cache = ModelCache(size=2, load=load)
    a, b, c = (FakeCard(name) for name in "abc")
    for card in (a, b, a, c, a, b):
        assert cache.load(card, "cpu") == f"{card.version} on cpu"
    assert loaded == ["a", "b", "c", "b"]
