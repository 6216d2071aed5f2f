"""Running networks on the processor with OpenVINO, Intel's library for inference."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch.nn import functional

from MedAssistLib.errors import MedAssistError
from MedAssistLib.models.plan import Network
from MedAssistLib.segment.backends import cache
from MedAssistLib.segment.backends.contract import Runner, UnfitError, Wanted
from MedAssistLib.segment.backends.stopping import stoppable

# How far a score may be from PyTorch's, as a share of the largest: it adds up in another order.
_TOLERANCE = {"f32": 1e-3, "bf16": 5e-2, "f16": 5e-2}
_NAMES = {"f32": "", "bf16": " in bfloat16", "f16": " in float16"}
_LOOK_MS = 50
# Voxels of a patch above which it matters how a norm adds them up.
_ROWS_ABOVE = 80**3
_INSTANCE_NORMS = (torch.nn.InstanceNorm1d, torch.nn.InstanceNorm2d, torch.nn.InstanceNorm3d)


@dataclass(frozen=True, kw_only=True)
class _Compiled:
    """A network that is ready; ``stamp`` tells whether its weights are still the same."""

    stamp: object
    program: Any = None
    name: str = ""
    unfit: str = ""


# A network that stays loaded stays converted; one that is let go of takes this with it.
_held: WeakKeyDictionary[torch.nn.Module, dict[Wanted, _Compiled]] = WeakKeyDictionary()


def prepare(network: Network, wanted: Wanted, check: Callable[[], None]) -> Runner:
    """Convert a network, unless that was done before.

    Args:
        network: The network, on the processor.
        wanted: How it shall be run.
        check: Called before each layer here, and every 50 ms of a run; it may raise to stop.

    Raises:
        UnfitError: If OpenVINO is not there, cannot run the network, or answers differently.
    """
    openvino = _openvino()
    if not isinstance(network, torch.nn.Module) or getattr(network, "training", False):
        raise UnfitError("OpenVINO cannot take over this kind of network")
    held = _held.setdefault(network, {})
    if wanted not in held or held[wanted].stamp != _stamp(network):
        held.pop(wanted, None)
        held[wanted] = _compile(openvino, network, wanted, check)
    compiled = held[wanted]
    if compiled.unfit:
        raise UnfitError(compiled.unfit)
    # A request holds the memory for the features: it goes when the run is over.
    request = compiled.program.create_infer_request()
    return Runner(network=partial(_run, request, check), name=compiled.name)


def _openvino() -> Any:
    """Return OpenVINO, which reports each import to Intel, without asking, unless it is kept to."""
    # It comes without its package for that too, and then does without.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise UnfitError("OpenVINO is not installed") from error
    return openvino


def _stamp(network: torch.nn.Module) -> object:
    """Return what changes when weights are replaced or trained on, or hooks are added."""
    tensors = [*network.parameters(), *network.buffers()]
    weights = [(t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors]  # noqa: SLF001
    return weights, cache.hooks(network)


def _compile(
    openvino: Any, network: torch.nn.Module, wanted: Wanted, check: Callable[[], None]
) -> _Compiled:
    stamp, core = _stamp(network), openvino.Core()
    precision = _precision(core, wanted)
    config = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
    }
    version = openvino.__version__
    name = f"OpenVINO {version.partition('-')[0]}{_NAMES[precision]}"
    facts = (version, core.get_property("CPU", "FULL_DEVICE_NAME"), precision, wanted)
    path = cache.place(network, facts)
    program = _kept(core, path, config)
    if program is None:
        try:
            program = _convert(core, network, wanted, config, path, check)
        except MedAssistError:
            raise
        except UnfitError as reason:
            return _Compiled(stamp=stamp, unfit=str(reason))
        except Exception:  # noqa: BLE001 - a converter meets any program, and fails in any way
            return _Compiled(stamp=stamp, unfit="OpenVINO cannot convert this network")
        cache.write(path, lambda: bytes(program.export_model().getvalue()))
    return _Compiled(stamp=stamp, program=program, name=name)


def _precision(core: Any, wanted: Wanted) -> str:
    """Return the reduced precision that the processor is fast in, or full precision."""
    able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if wanted.reduced:
        for name, short in (("BF16", "bf16"), ("FP16", "f16")):
            if name in able:
                return short
    return "f32"


def _kept(core: Any, path: Path | None, config: dict[str, Any]) -> Any:
    """Return the network as it was converted and checked before, or ``None``."""
    blob = cache.read(path)
    if blob is None:
        return None
    try:
        return core.import_model(blob, "CPU", config)
    except RuntimeError:
        return None


def _convert(  # noqa: PLR0913, PLR0917
    core: Any,
    network: torch.nn.Module,
    wanted: Wanted,
    config: dict[str, Any],
    path: Path | None,
    check: Callable[[], None],
) -> Any:
    """Convert a network and hold its answer to a patch of noise against PyTorch's."""
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    size = (1, wanted.channels, *wanted.patch)
    noise = torch.randn(size, generator=torch.Generator().manual_seed(0))
    precision = config["INFERENCE_PRECISION_HINT"]
    rows = precision == "f32" and math.prod(wanted.patch) > _ROWS_ABOVE
    with stoppable([network], check), _norms_of_openvino(network, rows=rows):
        traced, expected = _trace(network, noise)
    frontend = FrontEndManager().load_by_framework("pytorch")
    decoder = TorchScriptPythonDecoder(traced, example_input=(noise,))
    model = frontend.convert(frontend.load(decoder))
    model.reshape(list(size))
    if any(operation.get_type_name() == "GroupNormalization" for operation in model.get_ops()):
        raise UnfitError("OpenVINO crashes on group norms in TorchScript")
    with cache.marked(path):
        program = core.compile_model(model, "CPU", config)
        scores = _run(program.create_infer_request(), check, noise)
    allowed = _TOLERANCE[precision] * float(expected.abs().max())
    # Not "above": a difference that is not a number is none that is allowed.
    if scores.shape != expected.shape or not float((scores - expected).abs().max()) <= allowed:
        raise UnfitError("OpenVINO gives another answer")
    return program


@contextmanager
def _norms_of_openvino(network: torch.nn.Module, *, rows: bool) -> Iterator[None]:
    """Write norms as OpenVINO takes them: instance norms, of rows of voxels where that is better.

    OpenVINO 2026.4 crashes where a group norm stands before a sum, as in residual networks. And it
    adds up a row in parts, but a block voxel by voxel: that put the scores of a U-Net off by 1e-5
    of the largest over 64 voxels a side, and by 5e-5 over 96, instead of 2e-6. The rows take a
    sixth more time, which only full precision in large patches is worth.
    """
    kinds = (torch.nn.GroupNorm, *_INSTANCE_NORMS)
    found = [norm for norm in network.modules() if isinstance(norm, kinds)]
    norms = {norm for norm in found if not getattr(norm, "track_running_stats", False)}
    for norm in norms:
        grouped = isinstance(norm, torch.nn.GroupNorm)
        vars(norm)["forward"] = partial(_in_rows if rows or grouped else _in_blocks, norm)
    try:
        yield
    finally:
        for norm in norms:
            del vars(norm)["forward"]


def _in_blocks(norm: Any, x: torch.Tensor) -> torch.Tensor:
    return functional.instance_norm(x, weight=norm.weight, bias=norm.bias, eps=norm.eps)


def _in_rows(norm: Any, x: torch.Tensor) -> torch.Tensor:
    rows = x.reshape(len(x), getattr(norm, "num_groups", x.shape[1]), -1)
    even = functional.instance_norm(rows, eps=norm.eps).reshape(x.shape)
    if norm.weight is None:
        return even
    size = (-1, *(1,) * (x.ndim - 2))
    scaled: torch.Tensor = even * norm.weight.view(size) + norm.bias.view(size)
    return scaled


def _trace(network: torch.nn.Module, patches: torch.Tensor) -> tuple[Any, torch.Tensor]:
    """Run a network once; return what it did as a program, and its answer."""
    if isinstance(network, torch.jit.ScriptModule):
        with torch.no_grad():
            return network, network(patches)
    answers: list[torch.Tensor] = []
    hook = network.register_forward_hook(lambda _module, _given, answer: answers.append(answer))
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # torch wants torch.export instead, which does not run the network and has no answer.
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(  # type: ignore[no-untyped-call]
                network, patches, check_trace=False
            )
    finally:
        hook.remove()
    return traced, answers[0]


def _run(request: Any, check: Callable[[], None], patches: torch.Tensor) -> torch.Tensor:
    """Run patch after patch: on a processor several at once are no faster."""
    return torch.cat([_one(request, check, patch[None]) for patch in patches])


def _one(request: Any, check: Callable[[], None], patch: torch.Tensor) -> torch.Tensor:
    given = patch.float().contiguous().numpy()
    request.start_async({0: given}, share_inputs=True)
    done = False
    try:
        check()
        while not (done := request.wait_for(_LOOK_MS)):
            check()
    finally:
        if not done:
            request.cancel()
            with suppress(RuntimeError):
                request.wait()
    # The request's own memory is overwritten by the next patch.
    return torch.from_numpy(request.get_output_tensor(0).data.copy())
