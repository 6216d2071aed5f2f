"""MedAssist: a spell-checker for medical images.

The library behind the 3D Slicer extension and the ``medassist`` command. Each verb is a package
(:mod:`~MedAssistLib.read`, :mod:`~MedAssistLib.enhance`, :mod:`~MedAssistLib.segment`, …);
importing this one loads none of them, so that Slicer starts fast.
"""

__version__ = "0.1.0"
