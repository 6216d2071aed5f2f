"""Networks in plain torch, built from the description that comes with a model's weights."""

from __future__ import annotations

from MedAssistLib.models.networks.build import build_network, load_weights, require_fit
from MedAssistLib.models.networks.trainable import Trainable

__all__ = ["Trainable", "build_network", "load_weights", "require_fit"]
