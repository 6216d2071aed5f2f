"""Running a patch-wise model on scans, from the scans as they are to labels on their own grid."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import torch

from MedAssistLib.case import Scan
from MedAssistLib.errors import CancelledError, ModelError
from MedAssistLib.models.plan import InferencePlan, Network, TiledModel
from MedAssistLib.progress import Progress
from MedAssistLib.segment import backends
from MedAssistLib.segment.engine import memory
from MedAssistLib.segment.engine.accumulate import Accumulator
from MedAssistLib.segment.engine.memory import Settings
from MedAssistLib.segment.engine.options import TiledOptions
from MedAssistLib.segment.engine.place import Labels, Placer, Probabilities, Whole, placer
from MedAssistLib.segment.engine.prepare import Prepared, check, prepare, turned_size
from MedAssistLib.segment.engine.tiles import Answers, fitted, tile

_STAGES = ("load", "prepare", "network", "place")


@dataclass(frozen=True, kw_only=True, eq=False)
class TiledResult:
    """What a run gave.

    Attributes:
        labels: Labels on the first scan's grid, axes (k, j, i); 0 is background.
        probabilities: Axes (output, k, j, i), if asked for.
        steps: What was done because memory did not suffice, in order.
        seconds: How long each stage took, by name; of a cascade, those of both stages together.
        backend: The program that ran the network, its version and precision; if that is not the
            quickest one, with the reason.
    """

    labels: Labels
    probabilities: Probabilities | None = None
    steps: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    backend: str = ""


def run_tiled(
    scans: Sequence[Scan],
    model: TiledModel,
    options: TiledOptions | None = None,
    progress: Progress | None = None,
) -> TiledResult:
    """Run a patch-wise model.

    Args:
        scans: One for each channel of the model, on one grid, in any orientation.
        model: The model; of a cascade, the last stage.
        options: How to run it.
        progress: Told about each stage and tile; stops the run when asked to.

    Returns:
        Labels exactly on the grid of the first scan, with what had to be done to get them.

    Raises:
        ModelError: If the scans do not fit the model, or the network does not fit its plan.
        InputError: If the scans do not share one grid.
        ResourceError: If memory does not suffice for even the most frugal way.
        CancelledError: If the user asked to stop.
    """
    options = options or TiledOptions()
    progress = progress or Progress()
    check(scans, model.plan)
    if model.previous is None:
        return _stage(scans, model, options, progress, None)
    half = progress.part("First stage", 0.0, 0.5)
    first = run_tiled(scans, model.previous, options, half)
    last = _stage(scans, model, options, progress.part("Second stage", 0.5, 1.0), first.labels)
    seconds = {name: first.seconds[name] + last.seconds[name] for name in last.seconds}
    return TiledResult(
        labels=last.labels,
        probabilities=last.probabilities,
        steps=first.steps + last.steps,
        seconds=seconds,
        backend=last.backend,
    )


def _stage(
    scans: Sequence[Scan],
    model: TiledModel,
    options: TiledOptions,
    progress: Progress,
    earlier: Labels | None,
) -> TiledResult:
    """Run one stage, with ever less memory until it fits."""
    settings = memory.first_settings(model.plan, options)
    rungs = memory.ladder(settings)
    steps: list[str] = []
    stopped = False
    while True:
        attempt = _Attempt(model, options, settings, progress)
        if attempt.fits(scans):
            try:
                with torch.inference_mode():
                    return attempt.run(scans, earlier, steps)
            except CancelledError:
                stopped = True
            except (MemoryError, RuntimeError) as error:
                if not memory.is_out_of_memory(error):
                    raise
        # Here the failed run's arrays are gone, so that the device can have them back.
        memory.free(settings.device)
        if stopped:
            raise CancelledError
        step = next(rungs, None)
        if step is None:
            raise memory.out_of_memory(steps)
        steps.append(step[0])
        settings = step[1]


def _answer(network: Network, patches: torch.Tensor) -> torch.Tensor:
    """Run a network; what it raises is told in one line, but for a want of memory."""
    try:
        return network(patches)
    except (RuntimeError, ValueError, TypeError, LookupError, AssertionError) as error:
        if memory.is_out_of_memory(error):
            raise
        size = "×".join(str(n) for n in patches.shape[2:])
        first = str(error).partition("\n")[0]
        what = f"its network failed on a patch of {size} voxels ({first})"
        hint = "The model's files may not belong together"
        if patches.device.type != "cpu":
            hint += ", or the graphics card is at fault: try --device cpu"
        raise ModelError(what, hint=hint) from error


class _Attempt:
    """One run of one stage with given settings."""

    def __init__(
        self, model: TiledModel, options: TiledOptions, settings: Settings, progress: Progress
    ) -> None:
        self._model, self._options, self._settings = model, options, settings
        self._progress = progress
        self._seconds = dict.fromkeys(_STAGES, 0.0)

    def fits(self, scans: Sequence[Scan]) -> bool:
        """Tell whether the run stays below the limit, if there is one, as far as is known."""
        limit = self._options.max_memory
        if limit is None:
            return True
        size, spacing = turned_size(scans[0].image, self._model.plan)
        need = memory.estimate(
            size,
            spacing,
            self._model.plan,
            self._settings,
            members=len(self._model.members),
            probabilities=self._options.probabilities,
        )
        return need.largest(self._settings) <= limit

    def run(
        self, scans: Sequence[Scan], earlier: Labels | None, steps: Sequence[str]
    ) -> TiledResult:
        settings, plan = self._settings, self._model.plan
        self._progress.part("Preparing", 0.0, 0.1).update(0.0)
        with self._timed("prepare"):
            prepared = prepare(scans, plan, settings.keep, earlier, self._progress.check)
        plan = fitted(plan, prepared.data.shape[1:])
        self._progress.part("Loading the model", 0.05, 0.1).update(0.0)
        with self._timed("load"):
            networks = [load(settings.device) for load in self._model.members]
        whole = self._options.probabilities
        place = placer(plan, prepared.placement, settings.keep, whole=whole)
        with self._timed("load"):
            runners = [self._runner(network, prepared, plan.patch) for network in networks]
        with backends.stoppable(networks, self._progress.check):
            self._score([runner.network for runner in runners], plan, prepared, place)
        self._progress.part("Placing", 0.95, 1.0).update(0.0)
        with self._timed("place"):
            labels = place.labels()
            probabilities = place.probabilities() if whole and isinstance(place, Whole) else None
        self._progress.update(1.0)
        return TiledResult(
            labels=labels,
            probabilities=probabilities,
            steps=tuple(steps),
            seconds=self._seconds,
            backend=runners[0].name if runners else "",
        )

    def _score(
        self, networks: Sequence[Network], plan: InferencePlan, prepared: Prepared, place: Placer
    ) -> None:
        """Run all tiles; rows that are complete go to the scan's grid at once."""
        settings = self._settings

        def finished(scores: torch.Tensor) -> None:
            with self._timed("place"):
                place.add(scores)

        tiling = tile(prepared.data.shape[1:], plan, self._options.step or plan.window.step)
        dtype = torch.float16 if settings.half else torch.float32
        sums = Accumulator(tiling, plan.outputs, dtype, settings.keep, finished)
        answers = Answers(
            networks,
            plan,
            tiling,
            mirror_axes=plan.mirror_axes if self._options.mirror or plan.mirrored else (),
            device=settings.device,
            batch=settings.batch,
            check=self._progress.check,
        )
        began, placed = time.perf_counter(), self._seconds["place"]
        count = len(tiling.starts)
        for number, (start, scores) in enumerate(answers.over(prepared.data), start=1):
            sums.add(start, scores)
            stage = f"Segmenting: tile {number} of {count}"
            self._progress.part(stage, 0.1, 0.95).update(number / count)
        sums.finish()
        elapsed = time.perf_counter() - began
        self._seconds["network"] += elapsed - (self._seconds["place"] - placed)

    def _runner(
        self, network: Network, prepared: Prepared, patch: tuple[int, ...]
    ) -> backends.Runner:
        """Return what runs a network in the precision asked for."""
        device, reduced = self._settings.device, self._options.reduced
        wanted = backends.Wanted(
            channels=len(prepared.data),
            patch=patch,
            device=device,
            reduced=device.startswith("cuda") if reduced is None else reduced,
        )
        runner = backends.prepare(network, wanted, self._options.backend, self._progress.check)
        return replace(runner, network=partial(_answer, runner.network))

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[stage] += time.perf_counter() - began
