"""Finding the volumes that lie in a set of files."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from MedAssistLib.errors import InputError
from MedAssistLib.progress import Progress
from MedAssistLib.read.dicom import kinds
from MedAssistLib.read.dicom.classic import classic_frame
from MedAssistLib.read.dicom.describe import description
from MedAssistLib.read.dicom.doubts import left_out_finding
from MedAssistLib.read.dicom.enhanced import enhanced_frames
from MedAssistLib.read.dicom.found import Found, Other, Refused, Volume
from MedAssistLib.read.dicom.frames import DamagedError, Frame, NoPlaceError
from MedAssistLib.read.dicom.geometry import grid_of
from MedAssistLib.read.dicom.grouping import grouped, series_of
from MedAssistLib.read.dicom.headers import PARSE_ERRORS, Header, read_header
from MedAssistLib.read.dicom.meaning import meaning_of
from MedAssistLib.read.dicom.pixels import encoding_of
from MedAssistLib.read.dicom.stacks import Stack, stacks_of

_READERS = 4
_AT_ONCE = 256
_LEFT_OUT = (kinds.SINGLE, kinds.NO_PLACE)
_THINNEST_SHARE = 0.01


def find_volumes(files: Sequence[Path], progress: Progress) -> Found:
    """Find the volumes that lie in some files, by their headers alone.

    Args:
        files: Any files, in any order; what is not DICOM is passed over.
        progress: Told how far it is.

    Raises:
        CancelledError: If the user asked to stop.
    """
    others: list[tuple[Header, str]] = []
    refused: list[Refused] = []
    frames: list[Frame] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Odd values are judged where they are used.
        for read in _headers(files, progress):
            if isinstance(read, Refused):
                refused.append(read)
                continue
            kind = ""
            try:
                kind = kinds.other_kind(read)
                found = [] if kind else _frames_of(read)
                _require_whole(read, found)
                frames += found
            except NoPlaceError:
                kind = kinds.NO_PLACE
            except DamagedError as error:
                refused.append(Refused(read.path, str(error)))
            if kind:
                others.append((read, kind))
        volumes, lone = _volumes(frames)
    others += [(frame.header, kinds.SINGLE) for frame in lone]
    listed = dict.fromkeys(_other(header, kind) for header, kind in others)
    return Found(tuple(_with_left_out(volumes, others)), tuple(listed), tuple(refused))


def _with_left_out(
    volumes: Sequence[Volume], others: Sequence[tuple[Header, str]]
) -> Iterator[Volume]:
    """Say with each volume how many images of its series are in none."""
    kept = {path for volume in volumes for path in volume.paths}
    left = {h.path: series_of(h) for h, kind in others if kind in _LEFT_OUT and h.path not in kept}
    counts = Counter(left.values())
    for volume in volumes:
        count = counts[series_of(volume.frames[0].header)]
        found = (left_out_finding(count),) if count else ()
        yield replace(
            volume,
            findings=(*volume.findings, *found),
            geometry=(*volume.geometry, *found),
        )


def _headers(files: Sequence[Path], progress: Progress) -> Iterator[Header | Refused]:
    """Read headers in threads, because disks and networks make one wait."""
    with ThreadPoolExecutor(_READERS) as pool:
        for start in range(0, len(files), _AT_ONCE):
            progress.update(start / len(files))
            for read in pool.map(_header, files[start : start + _AT_ONCE]):
                progress.check()
                if read is not None:
                    yield read


def _header(path: Path) -> Header | Refused | None:
    try:
        return read_header(path)
    except InputError as error:
        return Refused(path, error.what)


def _frames_of(header: Header) -> list[Frame]:
    """Return the frames of one file; raises NoPlaceError or DamagedError."""
    try:
        if header.text("PerFrameFunctionalGroupsSequence"):
            return list(enhanced_frames(header))
        if (header.number("NumberOfFrames") or 1) > 1:
            raise NoPlaceError
        return [classic_frame(header)]
    except PARSE_ERRORS as error:
        raise DamagedError("has attributes that make no sense") from error


def _require_whole(header: Header, frames: Sequence[Frame]) -> None:
    """Refuse files whose pixels are missing, cut off or of no known kind, by the header alone."""
    if not frames or header.syntax.is_deflated:
        return
    try:
        encoding_of(header)
    except InputError as error:
        raise DamagedError(error.what) from error
    place = header.pixels
    if place is None:
        raise DamagedError("has no pixels")
    if place.length is None:
        return
    bits = {0x0008: 32, 0x0009: 64}.get(place.element, header.number("BitsAllocated") or 0)
    pixels = frames[0].size[0] * frames[0].size[1] * (header.number("SamplesPerPixel") or 1)
    needed = int(pixels * len(frames) * bits) // 8
    held = min(place.length, header.size - place.start)
    if header.text("PhotometricInterpretation").startswith("YBR_FULL_42"):
        needed = needed * 2 // 3
    if held < needed:
        raise DamagedError(f"is cut off: {held} bytes of {needed}")


def _other(header: Header, kind: str) -> Other:
    return Other(header.path, kind, header.text("SeriesInstanceUID"), header.text("SOPClassUID"))


def _volumes(frames: Sequence[Frame]) -> tuple[list[Volume], list[Frame]]:
    """Return the volumes, ordered by series number, and the frames that stand alone."""
    made: list[tuple[Volume, int]] = []
    lone: list[Frame] = []
    for group in grouped(frames):
        for stack in stacks_of(group):
            if not _makes_volume(stack):
                lone += stack.frames
            else:
                made.append((_volume(stack), len(made)))
    made.sort(key=lambda item: (*_rank(item[0]), item[1]))
    return _told_apart([volume for volume, _ in made]), lone


def _rank(volume: Volume) -> tuple[bool, int, str]:
    number = volume.series_number
    return number is None, number or 0, volume.series_uid


def _makes_volume(stack: Stack) -> bool:
    """Tell whether there are two slices at least, and not all of them in nearly one place."""
    first, last = stack.frames[0], stack.frames[-1]
    if len(stack.frames) < 2 or min(first.size) < 2:
        return False
    step = float((last.position - first.position) @ first.normal) / (len(stack.frames) - 1)
    return step >= _THINNEST_SHARE * min(first.spacing)


def _volume(stack: Stack) -> Volume:
    header = stack.frames[0].header
    grid, odd = grid_of(stack.frames)
    geometry = stack.findings + odd
    modality = header.text("Modality")
    meaning = meaning_of(stack.frames)
    number = header.number("SeriesNumber")
    return Volume(
        series_uid=header.text("SeriesInstanceUID"),
        series_number=None if number is None else int(number),
        description=description(header),
        modality=modality,
        size=grid.size,
        spacing=grid.spacing,
        slices=len(stack.frames),
        findings=geometry + meaning.findings,
        geometry=geometry,
        split=stack.split,
        paths=tuple(dict.fromkeys(frame.header.path for frame in stack.frames)),
        sop_class=header.text("SOPClassUID"),
        frames=meaning.frames,
        grid=grid,
        unit=meaning.unit,
    )


def _told_apart(volumes: list[Volume]) -> list[Volume]:
    """Number the volumes of one series that nothing but their geometry tells apart."""

    def key(volume: Volume) -> tuple[str, str]:
        return volume.series_uid, volume.split

    shared = Counter(key(volume) for volume in volumes)
    seen: Counter[tuple[str, str]] = Counter()
    named = []
    for volume in volumes:
        seen[key(volume)] += 1
        words = [volume.split] if volume.split else []
        if shared[key(volume)] > 1 and volume.series_uid:
            words.append(f"stack {seen[key(volume)]}")
        named.append(replace(volume, split=", ".join(words)))
    return named
