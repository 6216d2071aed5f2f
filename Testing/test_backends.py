"""The programs that run a network: the same answer, converted once, and PyTorch where need be."""

from __future__ import annotations

import gc
import io
import os
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from MedAssistLib.errors import CancelledError, UsageError
from MedAssistLib.models.networks import build_network, load_weights
from MedAssistLib.segment import backends
from MedAssistLib.segment.backends import Runner, Wanted, cache
from MedAssistLib.segment.engine import TiledOptions, run_tiled
from Testing import nnunet_models, tiny_models

# torch would have torch.export instead; what people have is TorchScript.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.torch.jit:DeprecationWarning", "ignore::torch.jit.TracerWarning"
)

SIZES = {3: (16, 16, 16), 2: (32, 16)}


class Counting(nn.Sequential):
    """A network that counts how often PyTorch ran it."""

    runs = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        type(self).runs += 1
        answer: torch.Tensor = super().forward(x)
        return answer


class Restless(nn.Module):
    """A network that gives another answer every time."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand_like(x)


class Residual(nn.Module):
    """A network with group norms beside a skip, as MONAI's residual ones."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv3d(1, 8, 3, padding=1), nn.Conv3d(8, 8, 3, padding=1)
        self.norm = nn.GroupNorm(4, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return (x + self.norm(self.second(x))).relu()


class Lost(nn.Module):
    """A network whose scores are no numbers."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.nan


class Strange(nn.Module):
    """A network of a function that OpenVINO does not know."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.zeta(x.abs() + 2.0, x.abs() + 1.0)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "networks"


def wanted(dimensions: int = 3, channels: int = 1, *, reduced: bool = False) -> Wanted:
    return Wanted(channels=channels, patch=SIZES[dimensions], device="cpu", reduced=reduced)


def patches(dimensions: int = 3, channels: int = 1, count: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randn((count, channels, *SIZES[dimensions]), generator=generator)


def unet(kind: str, dimensions: int = 3, inputs: int = 1, **changes: Any) -> nn.Module:
    settings = nnunet_models.arguments(dimensions, **changes)
    if kind == nnunet_models.RESIDUAL:
        settings["n_blocks_per_stage"] = settings.pop("n_conv_per_stage")
    weights = nnunet_models.random_weights(kind, settings, inputs, 3, seed=1)
    return load_weights(build_network(kind, settings, inputs=inputs, outputs=3), weights, "cpu")


def scripted(network: nn.Module) -> torch.jit.ScriptModule:
    """Return a network as it comes from a TorchScript file."""
    traced = torch.jit.trace(network, patches(count=1), check_trace=False).eval()
    return torch.jit.load(io.BytesIO(traced.save_to_buffer()))


def counting(slope: float = 0.01) -> Counting:
    Counting.runs = 0
    first, _, last = tiny_models.network()
    return Counting(first, nn.LeakyReLU(slope), last).eval()


def prepared(network: nn.Module, how: Wanted | None = None) -> Runner:
    runner = backends.prepare(network, how or wanted())
    assert runner.name.startswith("OpenVINO"), runner.name
    return runner


def require_same(runner: Runner, network: Any, given: torch.Tensor, tolerance: float) -> None:
    with torch.inference_mode():
        scores, expected = runner.network(given), network(given)
    assert scores.dtype == torch.float32
    assert scores.shape == expected.shape
    assert float((scores - expected).abs().max()) <= tolerance * float(expected.abs().max())


@pytest.mark.parametrize("kind", [nnunet_models.UNET, nnunet_models.RESIDUAL])
@pytest.mark.parametrize(("dimensions", "inputs"), [(3, 1), (2, 1), (3, 2)])
def test_openvino_gives_the_scores_of_pytorch(kind: str, dimensions: int, inputs: int) -> None:
    network = unet(kind, dimensions, inputs)
    runner = prepared(network, wanted(dimensions, inputs))
    require_same(runner, network, patches(dimensions, inputs, count=3), 1e-5)


def test_full_precision_is_kept_over_large_patches() -> None:
    """Carelessly summed, norms over millions of voxels drift, and voxels get another label."""
    torch.manual_seed(0)
    norm = nn.InstanceNorm3d(16, affine=True)
    network = nn.Sequential(nn.Conv3d(1, 16, 3), norm, nn.Conv3d(16, 1, 3)).eval()
    how = Wanted(channels=1, patch=(128, 128, 128), device="cpu", reduced=False)
    require_same(prepared(network, how), network, torch.randn((1, 1, 128, 128, 128)), 5e-5)
    assert "forward" not in vars(norm)


@pytest.mark.parametrize("reduced", [False, True])
def test_residual_networks_with_group_norms_run(reduced: bool) -> None:
    """OpenVINO takes the whole program down where a group norm stands before a sum."""
    network = Residual().eval()
    runner = prepared(network, wanted(reduced=reduced))
    require_same(runner, network, patches(), 0.05 if reduced else 1e-5)
    reason = "(OpenVINO crashes on group norms in TorchScript)"
    assert backends.prepare(scripted(network), wanted()).name.endswith(reason)


def test_a_network_that_crashed_openvino_is_left_to_pytorch(folder: Path) -> None:
    """The worker would die at every attempt."""
    network = counting()
    prepared(network)
    (path,) = folder.iterdir()
    path.rename(path.with_suffix(".crashed"))
    runner = backends.prepare(counting(), wanted())
    assert "(OpenVINO crashed on this network; delete " in runner.name


def test_torchscript_runs_too() -> None:
    """nnU-Net's networks become TorchScript with torch's own instance norms."""
    layers = nn.Conv3d(1, 8, 3, padding=1), nn.InstanceNorm3d(8, affine=True), nn.LeakyReLU()
    network = scripted(nn.Sequential(*layers, nn.Conv3d(8, 3, 1)).eval())
    require_same(prepared(network), network, patches(), 1e-5)


def test_reduced_precision_is_near_and_said() -> None:
    """bfloat16 halves the time where the processor has it; full precision runs elsewhere."""
    network = unet(nnunet_models.UNET)
    runner = prepared(network, wanted(reduced=True))
    require_same(runner, network, patches(), 0.05)
    import openvino

    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert ("float16" in runner.name) == bool({"BF16", "FP16"} & set(able))


def test_a_network_is_converted_once_for_all_starts_of_the_program(folder: Path) -> None:
    """Otherwise the first tile of every run would be computed by PyTorch, for nothing."""
    first = prepared(counting()).network(patches())
    assert Counting.runs == 1
    network = counting()
    again = prepared(network)
    assert Counting.runs == 0
    assert torch.equal(again.network(patches()), first)
    assert len(list(folder.iterdir())) == 1
    prepared(network, wanted(reduced=True))
    assert Counting.runs == 1


@pytest.mark.parametrize("change", ["weights", "setting", "frozen"])
def test_another_network_is_not_taken_for_one_in_the_cache(change: str) -> None:
    """The patient would get the answer of another model."""
    first, other = counting(), counting(0.3 if change == "setting" else 0.01)
    if change != "setting":
        with torch.no_grad():
            other[0].weight[0, 0, 0, 0, 0] += 1.0
    if change == "frozen":
        # A frozen program holds its weights as constants, where nobody sees them.
        first, other = (torch.jit.freeze(scripted(network)) for network in (first, other))
    prepared(first)
    require_same(prepared(other), other, patches(), 1e-5)


def test_a_network_that_was_trained_further_is_converted_anew() -> None:
    network = counting()
    before = prepared(network).network(patches())
    with torch.no_grad():
        network[0].weight.mul_(2.0)
    after = prepared(network)
    assert not torch.allclose(after.network(patches()), before)
    require_same(after, network, patches(), 1e-5)


@pytest.mark.parametrize("damage", ["cut", "changed", "emptied"])
def test_a_damaged_file_of_the_cache_is_made_anew(folder: Path, damage: str) -> None:
    """A flipped bit in a weight is a wrong answer that nobody notices."""
    network = counting()
    prepared(network)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    middle = len(whole) // 2
    changed = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    path.write_bytes({"cut": whole[:middle], "changed": changed, "emptied": b""}[damage])
    network = counting()
    require_same(prepared(network), network, patches(), 1e-5)
    assert cache.read(path) is not None


def test_a_cache_that_cannot_be_written_stops_nobody(folder: Path) -> None:
    folder.parent.write_text("a file where the folder should be")
    network = counting()
    require_same(prepared(network), network, patches(), 1e-5)


def test_the_cache_does_not_grow_for_ever(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_MOST_BYTES", 60_000)
    paths = [folder / f"{number}.network" for number in range(4)]
    for age, path in enumerate(paths):
        cache.write(path, lambda: bytes(25_000))
        os.utime(path, (10.0 + age, 10.0 + age))
    cache.read(paths[2])
    cache.write(folder / "new.network", lambda: bytes(25_000))
    assert {path.stem for path in folder.iterdir()} == {"2", "new"}


def test_without_openvino_pytorch_runs_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    network = tiny_models.network()
    runner = backends.prepare(network, wanted())
    version = torch.__version__.partition("+")[0]
    assert runner.name == f"PyTorch {version} (OpenVINO is not installed)"
    assert runner.network is network
    reduced = backends.prepare(network, wanted(reduced=True))
    assert reduced.name == f"PyTorch {version} in bfloat16 (OpenVINO is not installed)"
    assert reduced.network(patches()).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (Restless().eval(), "OpenVINO gives another answer"),
        (Lost().eval(), "OpenVINO gives another answer"),
        (Strange().eval(), "OpenVINO cannot convert this network"),
        (lambda x: x, "OpenVINO cannot take over this kind of network"),
        (nn.Identity().train(), "OpenVINO cannot take over this kind of network"),
    ],
)
def test_what_openvino_cannot_run_right_pytorch_runs(
    network: Any, reason: str, folder: Path
) -> None:
    for _ in range(2):
        runner = backends.prepare(network, wanted())
        assert runner.network is network
        assert runner.name.endswith(f"({reason})")
    assert not list(folder.glob("*"))


def test_another_device_is_pytorchs() -> None:
    how = Wanted(channels=1, patch=SIZES[3], device="mps", reduced=False)
    assert backends.prepare(tiny_models.network(), how).name.startswith("PyTorch")


def test_a_run_stops_within_a_tile_and_the_next_one_is_right() -> None:
    """A tile takes seconds; Cancel is to be felt at once."""
    network, given = unet(nnunet_models.UNET), patches()

    def stop() -> None:
        raise CancelledError

    expected = prepared(network).network(given)
    runner = backends.prepare(network, wanted(), check=stop)
    with pytest.raises(CancelledError):
        runner.network(given)
    assert torch.equal(prepared(network).network(given), expected)


def test_converting_can_be_stopped() -> None:
    def stop() -> None:
        raise CancelledError

    network = tiny_models.network()
    with pytest.raises(CancelledError):
        backends.prepare(network, wanted(), check=stop)
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_a_network_that_is_let_go_of_is_freed() -> None:
    """The worker lets go of models to make room for others."""
    network = counting()
    prepared(network).network(patches())
    gone = weakref.ref(network)
    del network
    gc.collect()
    assert gone() is None


def test_a_result_says_what_ran_and_is_the_same_either_way() -> None:
    scan, model = tiny_models.scan(), tiny_models.model()
    fast = run_tiled([scan], model)
    plain = run_tiled([scan], model, TiledOptions(backend="torch"))
    assert fast.backend.startswith("OpenVINO")
    assert plain.backend == f"PyTorch {torch.__version__.partition('+')[0]}"
    assert (np.asarray(fast.labels) == np.asarray(plain.labels)).mean() >= 0.9999


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(UsageError, match="tensorflow"):
        TiledOptions(backend="tensorflow")


def test_nothing_is_told_to_openvinos_makers(tmp_path: Path) -> None:
    """Left alone, it writes an identifier into the user's folder and reports each import."""
    code = (
        "import sys; from torch import nn; from MedAssistLib.segment import backends;"
        "how = backends.Wanted(channels=1, patch=(8, 8, 8), device='cpu', reduced=False);"
        "print(backends.prepare(nn.Conv3d(1, 2, 3, padding=1).eval(), how).name);"
        "import openvino; print(sys.modules['openvino_telemetry'])"
    )
    home = tmp_path / "home"
    home.mkdir()
    repository = str(Path(__file__).resolve().parents[1])
    environment = {**os.environ, "HOME": str(home), "USERPROFILE": str(home)}
    environment["PYTHONPATH"] = repository
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("OpenVINO")
    assert done.stdout.splitlines()[-1] == "None"
    assert not list(home.iterdir())
