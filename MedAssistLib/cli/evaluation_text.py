"""How well segmentations agree, as tables for a terminal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from MedAssistLib.cli.tables import table
from MedAssistLib.measure.agreement import Agreement, Evaluation, Found, Summary
from MedAssistLib.measure.agreement.summary import CaseSummary, Spread, StructureSummary

_MOST_CASES = 10
_NONE = "–"
_WHERE = {Found.MISSED: "only in the reference", Found.EXTRA: "only in the prediction"}


def case_text(evaluation: Evaluation, summary: Summary, tolerance: float) -> str:
    """Return one case: a row a structure, then what is missing and what else to know."""
    rows = [_agreement_row(name, one, tolerance) for name, one in evaluation.structures.items()]
    rows += [_mean_row(summary, tolerance)] * (len(rows) > 1)
    lines = [_aligned(rows)]
    for found, where in _WHERE.items():
        names = [name for name, one in evaluation.structures.items() if one.found is found]
        lines += [f"{where}: {', '.join(names)}"] * bool(names)
    return "\n".join(lines + [f"note: {note}" for note in evaluation.notes])


def cohort_text(evaluations: Sequence[Evaluation], summary: Summary, tolerance: float) -> str:
    """Return many cases: mean ± SD of each structure, the worst cases, and what else to know."""
    rows = [_structure_row(structure, tolerance) for structure in summary.structures]
    rows += [_mean_row(summary, tolerance)] * (len(rows) > 1)
    worst = summary.cases[:_MOST_CASES]
    several = f"the {len(worst)} worst of {len(evaluations)} cases"
    title = several if len(worst) < len(evaluations) else f"{len(evaluations)} cases"
    lines = [_aligned(rows), "", f"{title}, lowest mean Dice first:"]
    lines.append(_aligned([_case_row(case, tolerance) for case in worst]))
    notes = Counter(note for evaluation in evaluations for note in evaluation.notes)
    return "\n".join(lines + [f"note on {count} cases: {note}" for note, count in notes.items()])


def _aligned(rows: Sequence[dict[str, str]]) -> str:
    if not rows:
        return "no structures"
    header = list(rows[0])
    return table(header, [[row.get(column, _NONE) for column in header] for row in rows])


def _agreement_row(name: str, one: Agreement, tolerance: float) -> dict[str, str]:
    return {
        "structure": name,
        "Dice": _text(one.dice, 4),
        "NSD 1 mm": _text(one.nsd_1mm, 4),
        f"NSD {tolerance:g} mm": _text(one.nsd, 4),
        "HD95 mm": _text(one.hd95, 2),
        "HD mm": _text(one.hd, 2),
        "ASSD mm": _text(one.assd, 2),
        "reference mL": _text(one.reference_ml, 2),
        "difference mL": _text(one.difference_ml, 2),
        "%": _text(one.difference_percent, 1),
    }


def _structure_row(structure: StructureSummary, tolerance: float) -> dict[str, str]:
    return {
        "structure": structure.structure,
        "cases": str(structure.cases),
        "missed": str(structure.missed),
        "extra": str(structure.extra),
        "Dice": _spread(structure.dice, 4),
        "NSD 1 mm": _spread(structure.nsd_1mm, 4),
        f"NSD {tolerance:g} mm": _spread(structure.nsd, 4),
        "HD95 mm": _spread(structure.hd95, 2),
        "ASSD mm": _spread(structure.assd, 2),
        "difference %": _spread(structure.difference_percent, 1),
    }


def _mean_row(summary: Summary, tolerance: float) -> dict[str, str]:
    return {
        "structure": "mean",
        "Dice": _text(summary.mean("dice"), 4),
        "NSD 1 mm": _text(summary.mean("nsd_1mm"), 4),
        f"NSD {tolerance:g} mm": _text(summary.mean("nsd"), 4),
        "HD95 mm": _text(summary.mean("hd95"), 2),
    }


def _case_row(case: CaseSummary, tolerance: float) -> dict[str, str]:
    return {
        "case": case.case,
        "Dice": _text(case.dice, 4),
        f"NSD {tolerance:g} mm": _text(case.nsd, 4),
        "largest HD95 mm": _text(case.hd95, 2),
        "worst structure": case.lowest,
        "its Dice": _text(case.lowest_dice, 4),
    }


def _spread(spread: Spread, digits: int) -> str:
    mean = _text(spread.mean, digits)
    return mean if math.isnan(spread.sd) else f"{mean} ± {spread.sd:.{digits}f}"


def _text(value: float, digits: int) -> str:
    return f"{value:z.{digits}f}" if math.isfinite(value) else _NONE
