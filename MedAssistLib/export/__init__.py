"""The verb *export*: what a case holds becomes files that other programs read.

The suffix of the file picks the format; :mod:`MedAssistLib.export.formats` lists them.
"""

from __future__ import annotations
