"""Where a result belongs: the volume that it was made of, as long as it is in the scene."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from MedAssistLib.errors import ResourceError
from MedAssistLib.panel.context import Context
from MedAssistLib.panel.folders import note_result
from MedAssistLib.panel.handover import lies_on
from MedAssistLib.panel.jobs import Job, NoPlaceError, Problem
from MedAssistLib.panel.landing import (
    bring_scan,
    land_enhanced,
    land_found,
    read_enhanced,
    read_found,
)
from MedAssistLib.panel.rendering import show_volume
from MedAssistLib.panel.text import tr as _


class Delivery:
    """Brings one job's result into the scene.

    Args:
        context: The scene and its number.
        folder: The job's folder.
        asked: What was asked for; ``scan`` describes the volume once it is written.
        volume: The volume that the result belongs to; ``None`` to find one, or to bring it.
    """

    def __init__(
        self, context: Context, folder: Path, asked: Mapping[str, Any], volume: Any
    ) -> None:
        self._context, self._folder, self.asked = context, folder, dict(asked)
        self._volume_id = volume.GetID() if volume else ""
        self._scene_number = context.scene_number
        self._anew = volume is None

    def load(self, result: Mapping[str, Any]) -> Any:
        """Read the result; for any thread. It is noted first, so that a crash does not lose it.

        Raises:
            NoPlaceError: If it is there, and cannot be read now.
            OSError: If it is gone.
        """
        result = {key: self._here(key, value) for key, value in result.items()}
        with suppress(ResourceError):  # On a full disk it can still go into the scene.
            note_result(self._folder, result)
        read = read_found if self.asked["verb"] == "segment" else read_enhanced
        try:
            return read(result, self.asked["scan"])
        except FileNotFoundError:
            raise
        except Exception as error:
            raise _kept(error) from error

    def land(self, _job: Job, loaded: Any) -> None:
        """Put the result into the scene.

        Raises:
            NoPlaceError: If its volume is not there any more, or the scene cannot take it.
        """
        volume = self._found_or_brought() if self._anew else self._still_there()
        try:
            if self.asked["verb"] == "segment":
                land_found(self._context.scene, loaded, volume)
            else:
                show_volume(land_enhanced(self._context.scene, loaded, volume))
        except Exception as error:
            raise _kept(error) from error

    def find_place_anew(self) -> None:
        """From now on take the volume at hand if it is the same grid, or bring the job's own."""
        self._anew = True

    def _still_there(self) -> Any:
        if self._scene_number != self._context.scene_number:
            raise NoPlaceError(_("the scene was closed while it ran; the result is kept"))
        volume = self._context.scene.GetNodeByID(self._volume_id)
        if volume is None:
            raise NoPlaceError(_("its volume was deleted while it ran; the result is kept"))
        if not lies_on(volume, self.asked["scan"]):
            raise NoPlaceError(_("its volume has changed its grid; the result is kept"))
        return volume

    def _found_or_brought(self) -> Any:
        volume = self._context.volume
        if volume is not None and lies_on(volume, self.asked["scan"]):
            return volume
        name = _("Scan of a kept result")
        return bring_scan(self._context.scene, self.asked["scan"], self._folder, name)

    def _here(self, key: str, value: Any) -> Any:
        """Return the path of a file in the folder: the user's home may have moved since."""
        return str(self._folder / Path(value).name) if key in ("output", "surfaces") else value


def _kept(error: Exception) -> NoPlaceError:
    """Return the news that a result could not be taken up: hours of work are not thrown away."""
    what = _("it could not be added to the scene ({reason}); the result is kept")
    return NoPlaceError(what.format(reason=Problem.of(error).message))
