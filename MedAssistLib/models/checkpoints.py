"""Reading a file of weights without running code that a stranger may have put into it.

PyTorch's checkpoints are pickles, which can run any program when they are read. Here only numbers,
text, lists, tables and tensors are read; whatever else a file asks for, it is not given.
"""

from __future__ import annotations

import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from MedAssistLib.errors import ModelError

_COPY_AGAIN = "Download or copy the model again"
# What PyTorch may raise over a damaged file.
DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    pickle.UnpicklingError,
)
# What describes the tensors is small; the tensors lie beside it. Read, it takes some times more.
_MOST_PICKLED = 64 * 2**20
# The function by which a pickle makes a NumPy scalar; its module was renamed in NumPy 2.
_SCALAR: Any = np.float64(0).__reduce__()[0]
# nnU-Net keeps the course of the training as NumPy scalars beside the weights.
_ALLOWED: list[Any] = [
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "?")),
]


def read_checkpoint(path: Path, *, trusted: bool = False) -> Any:
    """Read what ``torch.save`` wrote.

    Tensors stay in the file and are read when they are used, so that an optimiser's state that
    nobody asks for costs nothing.

    Args:
        path: The file.
        trusted: Read it whatever it asks for, which runs any program that it holds.

    Raises:
        ModelError: If it is missing, damaged, or asks for more than plain values and tensors.
    """
    if not path.is_file():
        raise ModelError("the weights are not there", where=path, hint=_COPY_AGAIN)
    try:
        _refuse_packed(path)
        with torch.serialization.safe_globals(_ALLOWED), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _refuse_programs(path, trusted=trusted)
            return torch.load(path, map_location="cpu", mmap=True, weights_only=not trusted)
    except DAMAGE as error:
        what = f"is not a readable PyTorch file ({_first_sentence(error)})"
        raise ModelError(what, where=path, hint=_COPY_AGAIN) from error


def _refuse_packed(path: Path) -> None:
    """Refuse what PyTorch never writes: it would take compressed bytes for numbers.

    Raises:
        ModelError: If it is no whole zip, or something in it is compressed, encrypted or too much.
    """
    if not zipfile.is_zipfile(path):
        raise ModelError("is not a whole PyTorch file", where=path, hint=_COPY_AGAIN)
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
        what = "was packed again by another program, so its numbers cannot be trusted"
        raise ModelError(what, where=path, hint=_COPY_AGAIN)
    pickled = sum(entry.file_size for entry in entries if entry.filename.endswith("data.pkl"))
    if pickled > _MOST_PICKLED:
        what = f"holds {pickled / 2**20:.0f} MB besides its weights, which could fill the memory"
        raise ModelError(what, where=path, hint="Ask its author for a file with the weights alone")


def _refuse_programs(path: Path, *, trusted: bool) -> None:
    asked_for = [] if trusted else torch.serialization.get_unsafe_globals_in_checkpoint(path)
    if asked_for:
        what = f"asks to run {', '.join(sorted(asked_for))} when it is read, so it was not read"
        hint = "Weights need no programs; ask its author for a file without, or see --trust"
        raise ModelError(what, where=path, hint=hint)


def _first_sentence(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].partition(". ")[0][:200] if lines else type(error).__name__
