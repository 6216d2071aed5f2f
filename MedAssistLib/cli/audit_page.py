"""The ranking of an audit as a page: the most suspicious cases with a picture of the place."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from MedAssistLib.case import Finding, Segmentation
from MedAssistLib.check.audit import Suspect
from MedAssistLib.check.audit_file import RARITY, rarity
from MedAssistLib.check.labelled import Judges
from MedAssistLib.errors import InputError
from MedAssistLib.progress import Progress

PICTURES = 20
"""So many cases are shown with a picture."""

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.5rem 3rem; color: #1c2126;
  background: #fff; font: 1rem/1.5 system-ui, "Segoe UI", Roboto, Arial, sans-serif; }
h1 { margin: 0; font-size: 1.75rem; }
h2 { margin: 2rem 0 .3rem; font-size: 1.15rem; overflow-wrap: anywhere; }
p { margin: .3rem 0; }
img { width: 100%; height: auto; border-radius: 4px; }
table { width: 100%; border-collapse: collapse; font-size: .92rem; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #d5dadf; text-align: left;
  vertical-align: top; overflow-wrap: anywhere; }
section { break-inside: avoid; border-top: 2px solid #1f5d8c; }
.soft { color: #59636e; }
.urgent { color: #b3261e; font-weight: 600; }
"""


def audit_page(judges: Judges, suspects: Sequence[Suspect], told: str, progress: Progress) -> str:
    """Return the HTML of a ranking, in one file that needs nothing else.

    Args:
        judges: The training set, with the networks that judged it.
        suspects: Its cases, the most suspicious first.
        told: How they were judged, in one sentence.
        progress: Told how far it is.

    Raises:
        CancelledError: If the user asked to stop.
    """
    shown = [suspect for suspect in suspects if suspect.findings][:PICTURES]
    sections = []
    for number, suspect in enumerate(shown):
        progress.update(number / len(shown))
        sections.append(_section(judges, suspect, suspects.index(suspect) + 1))
    rows = [
        f"<tr><td>{rank}</td><td>{escape(suspect.case)}</td><td>{_rarity(suspect)}</td>"
        f"<td>{escape(suspect.reason)}</td></tr>"
        for rank, suspect in enumerate(suspects, 1)
    ]
    name = escape(judges.dataset.name)
    return (
        '<!DOCTYPE html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>Labels of {name}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>Labels of {name}, the most suspicious first</h1>\n<p>{escape(told)}</p>\n"
        f'<p class="soft">{RARITY} Nothing was changed; look at each case and decide.</p>\n'
        + "\n".join(sections)
        + "\n<h2>All cases</h2>\n<table>\n<tr><th>rank</th><th>case</th><th>rarity</th>"
        "<th>why</th></tr>\n" + "\n".join(rows) + "\n</table>\n</body>\n</html>\n"
    )


def _section(judges: Judges, suspect: Suspect, rank: int) -> str:
    findings = "".join(
        f'<p class="{finding.severity}">{escape(finding.title)}</p>'
        f'<p class="soft">{escape(finding.explanation)}</p>'
        for finding in suspect.findings
    )
    title = f"<h2>{rank}. {escape(suspect.case)} (rarity {_rarity(suspect)})</h2>"
    return f"<section>{title}{_picture(judges, suspect)}{findings}</section>"


def _picture(judges: Judges, suspect: Suspect) -> str:
    """Draw the first finding that has a place; nothing if there is none."""
    from MedAssistLib.export.report_pictures import in_page
    from MedAssistLib.export.slices import draw_close_up

    placed = next((f for f in suspect.findings if f.point and f.box), None)
    case = next(case for case in judges.dataset.cases if case.name == suspect.case)
    if placed is None or placed.point is None or placed.box is None:
        return ""
    try:
        scan, made, _ = judges.read(case)
    except InputError:
        return ""
    drawing = draw_close_up(scan, _outlined(made, placed), placed.point, placed.box)
    picture = in_page(drawing, f"{placed.title} In three planes, with the place in a frame.")
    return f'<p><img src="{picture.source}" alt="{escape(picture.alt)}"></p>'


def _outlined(made: Segmentation, finding: Finding) -> Segmentation:
    """Return the structure that a finding is about, or all."""
    own = tuple(segment for segment in made.segments if segment.name == finding.structure)
    return Segmentation(labels=made.labels, segments=own or made.segments, made_by=made.made_by)


def _rarity(suspect: Suspect) -> str:
    value = rarity(suspect)
    return "not usable" if value is None else f"{value:.1f}"
