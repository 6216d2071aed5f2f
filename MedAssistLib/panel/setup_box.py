"""The box that says what is missing for running models, and installs it when asked to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer

from MedAssistLib.errors import ResourceError
from MedAssistLib.panel.glue import agreed, on, set_text
from MedAssistLib.panel.machine import Machine, Readiness, look_at_machine
from MedAssistLib.panel.text import tr as _


class SetupBox:
    """Part of ``Segment.ui``: hidden when all is well."""

    def __init__(self, ui: Any, changed: Callable[[], None]) -> None:
        self._ui, self._changed = ui, changed
        self._machine: Machine | None = None
        on(ui.install, "clicked()", self.install)

    @property
    def can_run(self) -> bool:
        """Whether models can run at all."""
        return self._found().readiness in (Readiness.READY, Readiness.NO_CUDA)

    def refresh(self) -> None:
        """Show what is missing."""
        machine = self._found()
        set_text(self._ui.setupText, machine.advice)
        self._ui.setupBox.visible = bool(machine.advice)
        self._ui.install.visible = machine.extension
        again = machine.readiness is Readiness.NO_CUDA
        self._ui.install.text = _("Install it again…") if again else _("Install PyTorch…")

    def install(self) -> None:
        """Ask, and let the PyTorch extension install what suits this computer.

        Raises:
            ResourceError: If that fails.
        """
        machine = self._found()
        question = _(
            "Install PyTorch, which runs the models?\n\nDownload: {size}, from pytorch.org, by "
            "Slicer's PyTorch extension. Slicer waits meanwhile."
        ).format(size=machine.download)
        if not agreed(question):
            return
        try:
            import PyTorchUtils

            logic = PyTorchUtils.PyTorchUtilsLogic()
            if machine.readiness is Readiness.NO_CUDA:
                logic.uninstallTorch(askConfirmation=False)
            logic.installTorch(askConfirmation=False, torchVersionRequirement=">=2.6")
        except Exception as error:
            hint = _("Look at Slicer's Python console, or copy the diagnostics")
            raise ResourceError(f"PyTorch could not be installed ({error})", hint=hint) from error
        finally:
            self._machine = None
            self._changed()
        slicer.util.showStatusMessage(_("PyTorch is installed"), 5000)

    def _found(self) -> Machine:
        if self._machine is None:
            self._machine = look_at_machine()
        return self._machine
