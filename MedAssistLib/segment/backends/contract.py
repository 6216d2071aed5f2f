"""What a backend is given, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass

from MedAssistLib.models.plan import Network


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How a network shall be run.

    Attributes:
        channels: Channels of a patch.
        patch: Voxels of a patch.
        device: Torch device of the network.
        reduced: In reduced precision.
    """

    channels: int
    patch: tuple[int, ...]
    device: str
    reduced: bool


@dataclass(frozen=True, kw_only=True)
class Runner:
    """A network as a backend runs it.

    Attributes:
        network: Takes and gives torch tensors on the device of the network, as the network does.
        name: The program that runs it, its version and precision, for people to read.
    """

    network: Network
    name: str


class UnfitError(Exception):
    """A backend cannot run a network; the text says why, to be read in brackets."""
