"""Filling an array with the values of slices, several files at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

import numpy as np
import numpy.typing as npt

from MedAssistLib.files import readable
from MedAssistLib.progress import Progress
from MedAssistLib.read.dicom.frames import Frame
from MedAssistLib.read.dicom.headers import Header
from MedAssistLib.read.dicom.pixels import Encoding, Plane, decode, read_plain

_READERS = 4
_POLL_S = 0.1


class TooWideError(Exception):
    """A value does not fit into the type that was hoped to hold all."""


class Filling:
    """Values of frames, rescaled, into an array.

    Args:
        frames: In the order of the array's slices.
        encodings: How each of their files stores values.
        out: Filled, axes (k, j, i).
    """

    def __init__(
        self,
        frames: Sequence[Frame],
        encodings: Mapping[Header, Encoding],
        out: npt.NDArray[Any],
    ) -> None:
        self._out, self._encodings = out, encodings
        self._files: dict[Header, list[tuple[int, Frame]]] = defaultdict(list)
        for k, frame in enumerate(frames):
            self._files[frame.header].append((k, frame))
        self._done = 0
        self._stop = False

    def run(self, progress: Progress) -> None:
        """Fill it, in threads, because reading and decoding leave the interpreter's lock free.

        Raises:
            TooWideError: If a value does not fit into the array's type.
            InputError: If a file is damaged or cannot be decoded.
            CancelledError: If the user asked to stop.
        """
        with ThreadPoolExecutor(_READERS) as pool:
            try:
                waiting = {pool.submit(self._fill_from, header) for header in self._files}
                while waiting:
                    done, waiting = wait(waiting, _POLL_S, FIRST_EXCEPTION)
                    for future in done:
                        future.result()
                    progress.update(self._done / len(self._out))
            finally:
                self._stop = True
                pool.shutdown(cancel_futures=True)

    def _fill_from(self, header: Header) -> None:
        parts = sorted(self._files[header], key=lambda part: part[1].index)
        encoding = self._encodings[header]
        if encoding.plain:
            self._fill_plain(header, encoding, parts)
            return
        decoded = decode(header, encoding, [frame.index for _, frame in parts])
        for (k, frame), stored in zip(parts, decoded, strict=True):
            if self._stop:
                return
            self._put(k, stored, frame, encoding)

    def _fill_plain(
        self, header: Header, encoding: Encoding, parts: Sequence[tuple[int, Frame]]
    ) -> None:
        direct = self._out.itemsize == encoding.dtype.itemsize and not encoding.inverted
        direct = direct and (self._out.dtype.kind == "f") == (encoding.dtype.kind == "f")
        with readable(header.path) as stream:
            for k, frame in parts:
                if self._stop:
                    return
                if direct:
                    stored = self._out[k].view(encoding.dtype)
                else:
                    stored = np.empty(self._out.shape[1:], encoding.dtype)
                read_plain(stream, header, encoding, frame.index, stored)
                self._put(k, stored, frame, encoding)

    def _put(self, k: int, stored: Plane, frame: Frame, encoding: Encoding) -> None:
        """Rescale one slice into its place (PS3.3 C.11.1.1.2); ``stored`` may lie there already."""
        out, (slope, intercept) = self._out[k], frame.rescale
        if encoding.inverted and stored.dtype.kind != "f":
            low, high = encoding.limits
            stored = (low + high - stored.astype(np.int64)).astype(stored.dtype)
        if out.dtype.kind != "f":
            limits = np.iinfo(out.dtype)
            ends = [slope * int(end) + intercept for end in (stored.min(), stored.max())]
            if min(ends) < limits.min or max(ends) > limits.max:
                raise TooWideError
        if np.shares_memory(out, stored):
            _rescale_in_place(out, slope, intercept)
        elif (slope, intercept) == (1.0, 0.0):
            out[...] = stored
        else:
            out[...] = stored.astype(np.float64) * slope + intercept
        self._done += 1


def _rescale_in_place(values: npt.NDArray[Any], slope: float, intercept: float) -> None:
    if (slope, intercept) == (1.0, 0.0):
        return
    if values.dtype.kind == "f":
        values *= slope
        values += intercept
        return
    # Whole numbers modulo the type's range: exact, because the results fit.
    bits = values.view(f"u{values.itemsize}")
    span = 1 << (8 * values.itemsize)
    bits *= bits.dtype.type(int(slope) % span)
    bits += bits.dtype.type(int(intercept) % span)
