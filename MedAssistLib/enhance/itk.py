"""Running SimpleITK filters so that they report progress and can be cancelled."""

from __future__ import annotations

import sys
from typing import Any

import SimpleITK as sitk

from MedAssistLib.errors import CancelledError, InputError, MedAssistError, ResourceError
from MedAssistLib.progress import Progress

# ITK warns on the console of what is no fault here, such as time steps in mm.
sitk.ProcessObject.SetGlobalWarningDisplay(False)


def run(
    itk_filter: Any,
    progress: Progress,
    *images: sitk.Image | float,
    start: float = 0.0,
    stop: float = 1.0,
) -> Any:
    """Execute a SimpleITK filter on images.

    Args:
        itk_filter: The filter with its parameters set.
        progress: Told how far it is; looked at for cancellation.
        images: Its inputs: images, and numbers where it takes them.
        start: How much of ``progress`` was done before, in [0, 1].
        stop: How much of ``progress`` will be done after.

    Returns:
        What its ``Execute`` returns.

    Raises:
        CancelledError: If the user asked to stop; ITK stops at its next step.
        InputError: If ITK cannot do this with these images.
        ResourceError: If memory is short.
    """

    def look() -> None:
        if progress.cancelled:
            itk_filter.Abort()
        else:
            progress.update(start + (stop - start) * itk_filter.GetProgress())

    def look_harder() -> None:
        look()
        if progress.cancelled:
            # N4 does not heed Abort, but ends at an error, which SimpleITK would print.
            sys.excepthook = lambda *_error: None
            raise CancelledError

    progress.check()
    itk_filter.AddCommand(sitk.sitkProgressEvent, look)
    itk_filter.AddCommand(sitk.sitkIterationEvent, look_harder)
    hook = sys.excepthook
    try:
        result = itk_filter.Execute(*images)
    except RuntimeError as error:
        progress.check()  # An aborted filter ends in an error of ITK's.
        raise _refusal(error) from error
    finally:
        sys.excepthook = hook
        itk_filter.RemoveAllCommands()
    progress.update(stop)
    return result


def _refusal(error: RuntimeError) -> MedAssistError:
    """Turn an error of ITK's into one line: its last says what is wrong."""
    reason = str(error).strip().rpartition("\n")[2]
    if "allocat" in reason:
        hint = "Crop the scan or resample it to a larger spacing first"
        return ResourceError("there is not enough memory for this filter", hint=hint)
    hint = "Check that the scan shows something, or leave this filter out"
    return InputError(f"a filter cannot be used on this scan ({reason})", hint=hint)
