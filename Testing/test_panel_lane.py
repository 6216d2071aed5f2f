"""The queue of jobs over a worker that a test plays: every way in which things can go wrong."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from MedAssistLib.errors import InputError
from MedAssistLib.panel import folders
from MedAssistLib.panel.job_texts import duration, message_of
from MedAssistLib.panel.jobs import Job, NoPlaceError, State
from MedAssistLib.panel.lane import Lane


class FakeWorker:
    """A worker that says what the test puts into its mouth."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = [{"type": "ready"}]
        self.heard: list[dict[str, Any]] = []
        self.status: int | None = None
        self.killed = self.asked = False

    @property
    def ended(self) -> bool:
        return self.status is not None and not self.said

    @property
    def exit_status(self) -> int | None:
        return self.status

    @property
    def last_words(self) -> list[str]:
        return ["Traceback", "ImportError: no torch"]

    def send(self, **message: Any) -> None:
        self.heard.append(message)

    def receive(self) -> list[dict[str, Any]]:
        said, self.said = self.said, []
        return said

    def ask_to_end(self) -> None:
        self.asked = True

    def kill(self) -> None:
        self.killed, self.status = True, -9

    def wait(self, seconds: float) -> None:
        pass


class Desk:
    """A lane with a clock that the test turns."""

    def __init__(self) -> None:
        self.now, self.workers = 0.0, []
        self.changes: list[tuple[str, str]] = []
        self.threads = ThreadPoolExecutor(1)
        self.refusal: OSError | None = None
        self.lane = Lane(
            lambda job: self.changes.append((job.title, str(job.state))),
            self.threads,
            start=self.start,
            idle_s=100.0,
            patience_s=5.0,
            clock=lambda: self.now,
        )

    def start(self) -> FakeWorker:
        if self.refusal:
            raise self.refusal
        self.workers.append(FakeWorker())
        return self.workers[-1]

    def poll(self) -> None:
        """Let the threads finish, and poll."""
        for _turn in range(3):
            self.threads.submit(lambda: None).result()
            self.lane.poll()

    def add(self, title: str, **more: Any) -> Job:
        job = Job(title=title, verb="segment", **more)
        self.lane.add(job)
        self.poll()
        return job


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.threads.shutdown()


def test_one_runs_at_a_time_and_the_order_is_kept(desk: Desk) -> None:
    jobs = [desk.add(name) for name in "ABC"]
    (worker,) = desk.workers
    for job in jobs:
        assert [message["id"] for message in worker.heard][-1] == job.id
        assert [j.state for j in jobs].count(State.RUNNING) == 1
        worker.said = [{"type": "result", "id": job.id}]
        desk.poll()
        assert job.state is State.DONE
    assert len(desk.workers) == 1


def test_progress_is_shown_and_only_the_newest(desk: Desk) -> None:
    job = desk.add("A")
    said = {"type": "progress", "id": job.id, "stage": "Segmenting", "eta_s": 3.0}
    desk.workers[0].said = [{**said, "fraction": n / 10} for n in range(8)]
    before = len(desk.changes)
    desk.poll()
    assert (job.stage, job.fraction, job.eta_s) == ("Segmenting", 0.7, 3.0)
    assert len(desk.changes) == before + 1


def test_a_worker_that_hangs_is_killed_and_the_next_job_gets_a_new_one(desk: Desk) -> None:
    """A network in the middle of a layer hears nothing: cancel would wait for ever."""
    first, second = desk.add("A"), desk.add("B")
    desk.lane.cancel(first)
    desk.poll()
    assert desk.workers[0].heard[-1] == {"type": "cancel", "id": first.id}
    assert not desk.workers[0].killed
    desk.now = 5.1
    desk.poll()
    desk.poll()
    assert desk.workers[0].killed
    assert first.state is State.CANCELLED
    assert second.state is State.RUNNING
    assert len(desk.workers) == 2


def test_a_result_that_comes_after_cancel_is_dropped(desk: Desk) -> None:
    landed = []
    job = desk.add("A", land=lambda _job, found: landed.append(found))
    desk.lane.cancel(job)
    desk.workers[0].said = [{"type": "result", "id": job.id}]
    desk.poll()
    assert job.state is State.CANCELLED
    assert landed == []


def test_a_waiting_job_is_cancelled_at_once(desk: Desk) -> None:
    first, second = desk.add("A"), desk.add("B")
    desk.lane.cancel(second)
    assert second.state is State.CANCELLED
    desk.workers[0].said = [{"type": "result", "id": first.id}]
    desk.poll()
    assert first.state is State.DONE
    assert len(desk.workers[0].heard) == 1


@pytest.mark.parametrize(
    ("before", "words"), [(True, "did not start"), (False, "ended in the middle")]
)
def test_a_dead_worker_is_told_of(desk: Desk, before: bool, words: str) -> None:
    job = desk.add("A")
    if before:
        desk.lane._ready = False
    desk.workers[0].status = -9
    desk.poll()
    assert job.state is State.FAILED
    assert words in str(job.problem)
    assert desk.lane.last_words[-1] == "ImportError: no torch"
    assert not desk.lane.awake
    again = desk.add("B")
    assert again.state is State.RUNNING


def test_a_worker_that_cannot_be_started_is_told_of(desk: Desk) -> None:
    desk.refusal = OSError("no such file")
    job = desk.add("A")
    assert job.state is State.FAILED
    assert "no such file" in str(job.problem)
    assert not desk.lane.awake


def test_an_error_of_the_worker_reaches_the_user(desk: Desk) -> None:
    job = desk.add("A")
    error = {"kind": "model", "message": "the weights are not there", "hint": "Copy it again"}
    desk.workers[0].said = [{"type": "error", "id": job.id, **error}]
    desk.poll()
    assert str(job.problem) == "The weights are not there. Copy it again."


def raising(error: BaseException) -> Any:
    def fail(*_given: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize("place", ["prepare", "load", "land"])
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InputError("is empty", where="scan"), "Scan: is empty."),
        (MemoryError(), "There is not enough memory. Close other programs."),
        (ZeroDivisionError("x"), "A fault of MedAssist: ZeroDivisionError: x."),
    ],
)
def test_a_fault_on_this_side_does_not_stop_the_queue(
    desk: Desk, place: str, error: BaseException, words: str
) -> None:
    bad = desk.add("A", **{place: raising(error)})
    good = desk.add("B")
    for job in (bad, good):
        for worker in desk.workers:
            worker.said.append({"type": "result", "id": job.id})
        desk.poll()
    assert bad.state is State.FAILED
    assert str(bad.problem) == words
    assert good.state is State.DONE


def test_a_result_without_a_place_is_kept_and_can_be_placed_later(desk: Desk) -> None:
    places: list[str] = []

    def land(_job: Job, found: Any) -> None:
        if not places:
            raise NoPlaceError("the scene was closed")
        places.append(str(found["output"]))

    job = desk.add("A", land=land)
    desk.workers[0].said = [{"type": "result", "id": job.id, "output": "here"}]
    desk.poll()
    assert job.state is State.KEPT
    places.append("room")
    desk.lane.load_again(job)
    desk.poll()
    assert job.state is State.DONE
    assert places == ["room", "here"]


def test_an_idle_worker_is_let_go_with_its_models(desk: Desk) -> None:
    """The graphics card's memory would be taken for as long as Slicer runs."""
    job = desk.add("A")
    desk.workers[0].said = [{"type": "result", "id": job.id}]
    desk.poll()
    desk.now = 99.0
    desk.poll()
    assert not desk.workers[0].asked
    desk.now = 101.0
    desk.poll()
    assert desk.workers[0].asked
    desk.workers[0].status = 0
    desk.poll()
    assert not desk.lane.awake
    assert job.state is State.DONE


def test_closing_ends_everything(desk: Desk) -> None:
    jobs = [desk.add("A"), desk.add("B")]
    desk.lane.close()
    assert desk.workers[0].killed
    assert [str(job.state) for job in jobs] == ["cancelled", "cancelled"]
    assert not desk.lane.awake


def test_a_result_that_is_there_when_slicer_ends_is_kept(desk: Desk) -> None:
    """It would be removed with the files of what was interrupted."""
    job = desk.add("A")
    desk.workers[0].said = [{"type": "result", "id": job.id}]
    desk.lane.poll()
    assert job.state is State.FINISHING
    desk.lane.close()
    assert job.state is State.KEPT


def test_a_run_that_was_short_of_memory_says_what_it_did(desk: Desk) -> None:
    job = desk.add("A")
    steps = ["one tile", "scan and scores in main memory"]
    desk.workers[0].said = [{"type": "result", "id": job.id, "steps": steps}]
    desk.poll()
    assert message_of(job) == (
        "Done in 1 s. Memory was short: one tile, scan and scores in main memory"
    )


def test_what_was_interrupted_is_removed_and_what_was_finished_is_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old scans of patients would stay on the disk; or a result would be lost."""
    monkeypatch.setenv("MEDASSIST_JOBS", str(tmp_path))
    new, old, done, broken = (folders.new_folder(name) for name in ("new", "old", "done", "broken"))
    if os.name == "posix":
        assert new.stat().st_mode & 0o077 == 0
    for folder in (new, old, done, broken):
        folders.note_job(folder, {"verb": "segment"})
    folders.note_result(done, {"output": "x"})
    (broken / "result.json").write_text("{")
    long_ago = time.time() - 2 * 86_400
    os.utime(old, (long_ago, long_ago))
    (kept,) = folders.kept_results()
    assert (kept.folder, kept.answered) == (done, {"output": "x"})
    assert not old.exists()
    assert new.exists()
    assert json.loads((new / "job.json").read_text()) == {"verb": "segment"}


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 s"), (59.6, "60 s"), (150, "2 min")])
def test_times_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text
