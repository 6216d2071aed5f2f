"""What the reference programs need to run beside each other."""

from __future__ import annotations

import importlib.machinery
import sys
import types

import torch


class _Placeholders(types.ModuleType):
    """A module in which every name is a class that nobody uses."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return torch.nn.Identity


# Looking for a class by its name, nnU-Net imports all its files, and the transformers among them
# import timm, which brings torchvision.
for _name in ("timm", "timm.layers", "timm.models", "timm.models.eva"):
    _module = _Placeholders(_name)
    _module.__spec__ = importlib.machinery.ModuleSpec(_name, None)
    sys.modules.setdefault(_name, _module)
