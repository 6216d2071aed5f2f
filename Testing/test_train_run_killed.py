"""A training that is killed at random moments, ten times: it goes on, and comes to the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from MedAssistLib.models.checkpoints import read_checkpoint
from MedAssistLib.train.preparation import WORK
from Testing.conftest import REPOSITORY
from Testing.labelled_sets import pairs
from Testing.train_cases import put_plan, same_weights

KILLS = 10
PLAN = {"epochs": 20, "steps": 3}
PATIENCE_S = 120.0
# Sums over another number of threads are rounded otherwise.
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def command(data: Path, output: Path) -> list[str]:
    options = ["--device", "cpu", "--epochs", str(PLAN["epochs"]), "--resume"]
    return [sys.executable, "-m", "MedAssistLib", "train", str(data), "-o", str(output), *options]


def started(data: Path, output: Path) -> subprocess.Popen[str]:
    """Start a training in a process of its own, whose messages can be read."""
    return subprocess.Popen(
        command(data, output),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env=ONE_THREAD,
    )


def finished(data: Path, output: Path) -> str:
    """Train to the end; return what was told."""
    run = subprocess.run(
        command(data, output),
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
        env=ONE_THREAD,
    )
    return run.stderr


def kill_at_random(run: subprocess.Popen[str], numbers: np.random.Generator, begun: Path) -> str:
    """Kill it while it prepares, or some moments after it has told of an epoch; say when."""
    assert run.stderr
    if numbers.random() < 0.3:
        end = time.monotonic() + PATIENCE_S
        while not begun.exists() and run.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        said = "the beginning"
    else:
        lines = [run.stderr.readline() for _ in range(numbers.integers(1, 5))]
        said = lines[-1].strip() or "its end"
    delay = numbers.uniform(0.0, 0.6)
    time.sleep(delay)
    run.send_signal(signal.SIGKILL)
    run.wait(PATIENCE_S)
    run.stderr.close()
    return f"{delay:.2f} s after {said}"


def require_whole(folder: Path) -> None:
    """Read every file that the training has written, but those that it was just writing."""
    for path in folder.rglob("*"):
        if any(part.startswith(".medassist-") for part in path.parts) or path.is_dir():
            continue
        if path.suffix == ".pt":
            read_checkpoint(path)
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix in (".npy", ".npz"):
            np.load(path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL (not Windows)")
def test_ten_kills_change_nothing(tmp_path: Path) -> None:
    """A power cut would cost the night, or leave a model that is a little different or broken."""
    data, output = pairs(tmp_path / "data", 6), put_plan(tmp_path / "killed", **PLAN)
    seed = int(np.random.default_rng().integers(10**6))
    numbers, told = np.random.default_rng(seed), [f"seed {seed}"]
    for _ in range(KILLS):
        begun = output / WORK / "cases"
        told.append(kill_at_random(started(data, output), numbers, begun))
        require_whole(output)
    print("\n".join(told))
    last = finished(data, output)
    finished(data, put_plan(tmp_path / "whole", **PLAN))
    assert same_weights(tmp_path / "whole", output), f"{told}\n{last}"
    assert not list(output.rglob(".medassist-*"))
    (held,) = (tmp_path / "whole" / WORK).glob("splits.json")
    assert (output / WORK / "splits.json").read_text() == held.read_text()
