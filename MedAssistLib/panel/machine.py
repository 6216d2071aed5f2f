"""What this Slicer has for running models, found out without importing PyTorch."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata, util
from pathlib import Path

from MedAssistLib import __version__
from MedAssistLib.panel.text import tr as _

_PACKAGES = ("torch", "numpy", "SimpleITK", "scipy", "pydicom", "openvino", "slicer-core")


class Readiness(StrEnum):
    """Whether models can run."""

    READY = "ready"
    NO_EXTENSION = "the PyTorch extension is not installed"
    NO_TORCH = "PyTorch is not installed"
    NO_CUDA = "PyTorch cannot use the NVIDIA card"


@dataclass(frozen=True)
class Machine:
    """What was found.

    Attributes:
        torch: Version of PyTorch; empty if it is not installed.
        extension: Whether Slicer's PyTorch extension is there.
        cuda: Whether that PyTorch is built for NVIDIA cards.
        nvidia: Whether the driver of an NVIDIA card is there.
    """

    torch: str
    extension: bool
    cuda: bool
    nvidia: bool

    @property
    def readiness(self) -> Readiness:
        """Whether models can run."""
        if not self.torch:
            return Readiness.NO_TORCH if self.extension else Readiness.NO_EXTENSION
        return Readiness.NO_CUDA if self.nvidia and not self.cuda else Readiness.READY

    @property
    def advice(self) -> str:
        """What the user should know and do; empty if all is well."""
        return {
            Readiness.READY: "",
            Readiness.NO_EXTENSION: _(
                "To run models, Slicer's extension PyTorch is needed. Install it with the "
                "Extensions Manager (View menu), restart Slicer, and come back."
            ),
            Readiness.NO_TORCH: _(
                "To run models, PyTorch is needed: a download of {size}, once."
            ).format(size=self.download),
            Readiness.NO_CUDA: _(
                "This computer has an NVIDIA card that the installed PyTorch ({version}) cannot "
                "use: models run on the processor, many times slower."
            ).format(version=self.torch),
        }[self.readiness]

    @property
    def download(self) -> str:
        """About how much an installation of PyTorch downloads."""
        return _("about 3 GB") if self.nvidia else _("about 250 MB")


def look_at_machine() -> Machine:
    """Find out; takes milliseconds."""
    found = util.find_spec("torch")
    return Machine(
        torch=_version("torch") if found else "",
        extension="PyTorchUtils" in sys.modules or util.find_spec("PyTorchUtils") is not None,
        cuda=_built_for_cuda(Path(found.origin).parent) if found and found.origin else False,
        nvidia=has_nvidia_driver(),
    )


def has_nvidia_driver() -> bool:
    """Tell whether the driver of an NVIDIA card is there."""
    if sys.platform == "win32":
        return Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "nvcuda.dll").is_file()
    return Path("/proc/driver/nvidia/version").is_file()


def diagnostics(application: str, last_words: Sequence[str]) -> str:
    """Return what a developer needs to know to help; nothing about a patient."""
    machine = look_at_machine()
    versions = ", ".join(f"{name} {_version(name) or 'none'}" for name in _PACKAGES)
    lines = [
        f"MedAssist {__version__} in {application}",
        f"{platform.platform()}, {platform.machine()}, {os.cpu_count()} processors",
        f"Python {platform.python_version()}: {versions}",
        (
            f"{machine.readiness}; built for NVIDIA: {machine.cuda}; driver: {machine.nvidia}; "
            f"extension PyTorch: {machine.extension}"
        ),
        "Last words of the background process:",
        *(last_words or ["(none)"]),
    ]
    return "\n".join(lines).replace(str(Path.home()), "~")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _built_for_cuda(folder: Path) -> bool:
    """Read what PyTorch was built for from its own file, without running it."""
    try:
        text = (folder / "version.py").read_text(encoding="utf-8")
    except OSError:
        return False
    return re.search(r"^cuda\b[^=]*= *['\"]", text, re.MULTILINE) is not None
