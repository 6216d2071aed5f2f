"""Running a SimpleITK filter so that it reports progress and can be cancelled."""

from __future__ import annotations

from typing import Any

import SimpleITK as sitk

from MedAssistLib.progress import Progress


def run(itk_filter: Any, progress: Progress, *images: sitk.Image) -> Any:
    """Execute a SimpleITK filter on images.

    Returns:
        What its ``Execute`` returns.

    Raises:
        CancelledError: If the user asked to stop; ITK stops at its next step.
    """

    def look() -> None:
        if progress.cancelled:
            itk_filter.Abort()
        else:
            progress.update(itk_filter.GetProgress())

    for event in (sitk.sitkProgressEvent, sitk.sitkIterationEvent):
        itk_filter.AddCommand(event, look)
    try:
        result = itk_filter.Execute(*images)
    except RuntimeError:
        progress.check()  # An aborted filter ends in an error of ITK's.
        raise
    finally:
        itk_filter.RemoveAllCommands()
    progress.update(1.0)
    return result
