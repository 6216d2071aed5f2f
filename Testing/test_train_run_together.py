"""Two processes that train one network, started by torchrun."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from MedAssistLib.cli.main import main
from MedAssistLib.models import find
from MedAssistLib.models.checkpoints import read_checkpoint
from MedAssistLib.read import read_scan
from MedAssistLib.segment import segment
from MedAssistLib.train.preparation import WORK
from Testing.conftest import REPOSITORY
from Testing.labelled_sets import block_case, pairs, write
from Testing.train_cases import put_plan, weights_of

pytestmark = pytest.mark.skipif(
    not torch.distributed.is_available() or sys.platform == "win32",
    reason="needs torch.distributed with gloo (not Windows)",
)

# Each process also writes the weights that it came to, for comparison.
_RANK = """
import os, sys, torch
from MedAssistLib.train import work
learned = work.Work._learned
def kept(self, *given):
    training = learned(self, *given)
    torch.save(training.mean.state_dict(), f"{sys.argv[-1]}/rank{os.environ['RANK']}.pt")
    return training
work.Work._learned = kept
from MedAssistLib.cli.main import main
sys.exit(main(sys.argv[1:-1]))
"""


def torchrun(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return subprocess.run(
        [*launcher, str(script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)},
    )


def test_two_processes_come_to_one_model(tmp_path: Path) -> None:
    """They would drift apart, wait for each other for ever, or write over each other's files."""
    data, output = pairs(tmp_path / "data", 6), put_plan(tmp_path / "both", epochs=2)
    script = tmp_path / "rank.py"
    script.write_text(_RANK)
    arguments = ["train", str(data), "-o", str(output), "--device", "cpu", "--folds", "2", "--json"]
    run = torchrun(script, *arguments, str(tmp_path))
    assert run.returncode == 0, run.stderr
    # Only the first one tells.
    assert json.loads(run.stdout)["epochs"] == [2, 2]
    assert run.stderr.count("network 2, epoch 2: loss") == 1
    ranks = [read_checkpoint(tmp_path / f"rank{rank}.pt") for rank in (0, 1)]
    assert all(torch.equal(ranks[0][key], ranks[1][key]) for key in ranks[0])
    state = read_checkpoint(output / WORK / "fold_0.pt")
    assert [epoch["patches"] for epoch in state["history"]] == [2 * 4 * 2, 2 * 4 * 2]
    assert weights_of(output, 1).keys() == ranks[0].keys()
    image, _ = block_case(40)
    segment(read_scan(write(tmp_path / "unseen.nii.gz", image)), find(str(output)))


def test_a_process_that_waits_for_others_in_vain_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cluster that sets WORLD_SIZE for every job ended it with a traceback of PyTorch's."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    assert main(["train", str(tmp_path), "-o", str(tmp_path / "m"), "--device", "cpu"]) == 2
    assert "WORLD_SIZE is 2" in capsys.readouterr().err
