"""The report as PDF, laid out by WeasyPrint from the same page as the HTML."""

from __future__ import annotations

import os

from MedAssistLib.case import Case
from MedAssistLib.errors import ResourceError
from MedAssistLib.export.report import ReportOptions, report_page
from MedAssistLib.files import replacing

_HINT = (
    "Write .html instead and print it to PDF from a browser, or install it: "
    'pip install "medassist[pdf]"; on Debian or Ubuntu also: apt-get install libpangoft2-1.0-0'
)


def write_pdf(
    case: Case, path: str | os.PathLike[str], options: ReportOptions | None = None
) -> None:
    """Write the report of a case as PDF on A4; see :func:`MedAssistLib.export.report.write_report`.

    Raises:
        InputError: If a segmentation does not lie on the scan's grid.
        ResourceError: If WeasyPrint or jinja2 is missing, or the file cannot be written.
    """
    try:
        from weasyprint import HTML
        from weasyprint.urls import URLFetcher
    except (ImportError, OSError) as error:  # OSError: Pango, which it loads, is missing.
        what = "PDF reports need WeasyPrint, which is missing"
        raise ResourceError(what, where=path, hint=_HINT) from error
    page = report_page(case, options)
    # The pictures are in the page; nothing else may be fetched.
    fetcher = URLFetcher(allowed_protocols=["data"])
    content = HTML(string=page, url_fetcher=fetcher).write_pdf()
    with replacing(path) as temporary:
        temporary.write_bytes(content)
