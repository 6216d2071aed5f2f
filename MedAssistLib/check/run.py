"""Running the rules on a scan and its segmentation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from MedAssistLib.case import Finding, Scan, Segmentation
from MedAssistLib.check.context import Context
from MedAssistLib.check.merge import findings_of
from MedAssistLib.check.opinion import Opinion
from MedAssistLib.check.options import CheckOptions
from MedAssistLib.check.rule import Rule, Sign
from MedAssistLib.check.rules import rule_kinds
from MedAssistLib.check.thresholds import NEVER, NOT_CALIBRATED, Calibration
from MedAssistLib.progress import Progress


def check(  # noqa: PLR0913
    scan: Scan,
    segmentation: Segmentation | None = None,
    options: CheckOptions | None = None,
    progress: Progress | None = None,
    *,
    layers: tuple[Segmentation, ...] = (),
    opinion: Opinion | None = None,
) -> tuple[Finding, ...]:
    """Say what in a scan and its segmentation deserves a second look.

    Args:
        scan: The scan.
        segmentation: Structures on the scan's grid, drawn by a model or a person.
        options: What else is known.
        progress: Told how far it is.
        layers: More structures on the scan's grid that may overlap with the segmentation's.
        opinion: What a model makes of the scan, its structures named as the drawing's.

    Returns:
        The findings, the most important first.

    Raises:
        InputError: If a segmentation is not on the scan's grid.
        ModelError: If the calibration of the model's card is not valid.
        CancelledError: If the user asked to stop.
    """
    options = options or CheckOptions()
    progress = (progress or Progress()).part("Checking", 0.0, 1.0)
    context = Context(
        scan=scan,
        segmentation=segmentation,
        layers=layers,
        options=options,
        opinion=opinion,
        progress=progress,
    )
    # A card's thresholds were found on people's drawings; a model's are smoother, for one.
    card = options.thresholds
    thresholds = NOT_CALIBRATED if context.own and options.calibration is None else card
    able = {
        name: rule
        for name, rule in rule_kinds().items()
        if rule.needs <= context.has and _can_speak(rule, thresholds)
    }
    return findings_of(measured(context, able), rule_kinds(), thresholds)


def measured(context: Context, able: Mapping[str, Rule] | None = None) -> Iterator[Sign]:
    """Yield the signs of rules whose needs are met, however weak.

    Args:
        context: What is checked.
        able: The rules by name; ``None`` for all whose needs are met.

    Raises:
        CancelledError: If the user asked to stop.
    """
    if able is None:
        able = {name: rule for name, rule in rule_kinds().items() if rule.needs <= context.has}
    for number, rule in enumerate(able.values()):
        context.progress.update(number / len(able))
        yield from rule.measure(context)
    context.progress.update(1.0)


def _can_speak(rule: Rule, calibration: Calibration) -> bool:
    """Tell whether any score of a rule can be above its threshold."""
    calibrated: Iterable[float] = (
        limit for kind in calibration.limits.get(rule.name, {}).values() for limit in kind.values()
    )
    defaults = (threshold.value for threshold in rule.thresholds.values())
    return any(limit < NEVER for limit in (*calibrated, *defaults))
