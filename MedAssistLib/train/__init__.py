"""Learning from labelled cases: from a data set to a model that the engine can run."""

from __future__ import annotations

from MedAssistLib.train.options import TrainOptions

__all__ = ["TrainOptions"]
