"""Converted networks on the disk, so that a network is converted once and not at every start."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

import MedAssistLib
from MedAssistLib.errors import ResourceError
from MedAssistLib.files import make_folder, replacing
from MedAssistLib.segment.backends.contract import UnfitError

FOLDER_VARIABLE = "MEDASSIST_CACHE"
_SUFFIX = ".network"
_DIGEST = hashlib.sha256().digest_size
# The networks that were not used for longest go when there are more bytes than this.
_MOST_BYTES = 4 * 10**9
_INTERNAL = frozenset(vars(torch.nn.Module()))
_PLAIN = (bool, int, float, str, type(None))


def cache_folder() -> Path:
    """Return the user's folder for what can be made again, which may not be there yet.

    ``MEDASSIST_CACHE`` chooses it; otherwise it is where the system keeps such files.
    """
    if chosen := os.environ.get(FOLDER_VARIABLE):
        return Path(chosen).expanduser().absolute()
    home = Path.home()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local or home / "AppData" / "Local") / "MedAssist" / "cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "MedAssist"
    # The XDG Base Directory Specification says to ignore a path that is not absolute.
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(chosen) if Path(chosen).is_absolute() else home / ".cache") / "MedAssist"


def place(network: torch.nn.Module, facts: Sequence[object]) -> Path | None:
    """Return where a network's converted file belongs.

    The name is a hash of all that the file depends on: the weights, the layers with their
    settings, the source files of their classes, the versions of the programs, and ``facts``.

    Args:
        network: The network.
        facts: What else decides what is in the file.

    Returns:
        The path, or ``None`` for a network that has something in it that cannot be told apart.
    """
    versions = (torch.__version__, MedAssistLib.__version__)
    digest = hashlib.sha256(repr((*versions, *facts)).encode())
    try:
        for part in _parts(network):
            digest.update(part)
    except (TypeError, KeyError, AttributeError, OSError):
        return None
    return cache_folder() / "networks" / (digest.hexdigest() + _SUFFIX)


def hooks(network: torch.nn.Module) -> int:
    """Return how many functions were hung onto the layers of a network; they may do anything."""
    return sum(
        len(module._forward_hooks) + len(module._forward_pre_hooks)  # noqa: SLF001
        for module in network.modules()
    )


def read(path: Path | None) -> bytes | None:
    """Return what was written, or ``None`` if there is nothing whole."""
    if path is None:
        return None
    try:
        with path.open("rb") as stream:
            digest, content = stream.read(_DIGEST), stream.read()
        if hashlib.sha256(content).digest() != digest:
            return None
        # What is used stays longest.
        path.touch()
    except OSError:
        return None
    return content


def write(path: Path | None, content: Callable[[], bytes]) -> None:
    """Keep ``content`` for the next time; where that is not possible, nothing is lost."""
    if path is None:
        return
    with suppress(ResourceError):
        made = content()
        make_folder(path.parent)
        with replacing(path) as temporary, temporary.open("wb") as stream:
            stream.write(hashlib.sha256(made).digest())
            stream.write(made)
        _keep_within(path.parent)


@contextmanager
def marked(path: Path | None) -> Iterator[None]:
    """Refuse what took the whole program down the last time: a converter in C++ can crash.

    Args:
        path: Where the converted network belongs.

    Raises:
        UnfitError: If the last time did not come to its end.
    """
    mark = path.with_suffix(".crashed") if path else None
    if mark and mark.exists():
        raise UnfitError(f"OpenVINO crashed on this network; delete {mark} to try again")
    with suppress(ResourceError, OSError):
        if mark:
            make_folder(mark.parent)
            mark.touch()
    try:
        yield
    finally:
        if mark:
            with suppress(OSError):
                mark.unlink(missing_ok=True)


def _keep_within(folder: Path) -> None:
    """Remove the files that were not used for longest, but never the newest."""
    with suppress(OSError):
        files = [(path.stat(), path) for path in folder.glob(f"*{_SUFFIX}")]
        files.sort(key=lambda entry: entry[0].st_mtime, reverse=True)
        total = files[0][0].st_size
        for stat, path in files[1:]:
            total += stat.st_size
            if total > _MOST_BYTES:
                path.unlink()


def _parts(network: torch.nn.Module) -> Iterator[Any]:
    """Yield all that makes a network what it is.

    Raises:
        TypeError: If it holds something that is not understood.
        KeyError, AttributeError, OSError: If the source of a class is not to be had.
    """
    if isinstance(network, torch.jit.ScriptModule):
        yield network.save_to_buffer()
        return
    if hooks(network):
        raise TypeError("hooks are not understood")
    tensors: dict[int, int] = {}
    kinds: dict[type, None] = {}
    for name, module in network.named_modules(remove_duplicate=False):
        kinds[type(module)] = None
        own = {key: value for key, value in vars(module).items() if key not in _INTERNAL}
        buffers = dict(module.named_buffers(recurse=False))
        weights = {**dict(module.named_parameters(recurse=False)), **buffers}
        yield repr((name, type(module).__qualname__, _settings(own))).encode()
        for key, tensor in weights.items():
            # Checkpoints hold weights under several names; they are read once.
            number = tensors.setdefault(id(tensor), len(tensors))
            yield repr((key, number, tensor.shape, tensor.dtype)).encode()
            if number == len(tensors) - 1:
                yield tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    for path in sorted({sys.modules[kind.__module__].__file__ or "" for kind in kinds}):
        yield Path(path).read_bytes()


def _settings(value: Any) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, (tuple, list)):
        return [_settings(entry) for entry in value]
    if isinstance(value, dict):
        return [(_settings(key), _settings(entry)) for key, entry in value.items()]
    raise TypeError(f"{type(value)} is not understood")
