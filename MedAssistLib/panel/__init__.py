"""The module's panel: one controller a section, and below them plain classes that know no widget.

Work runs in background processes (:mod:`MedAssistLib.worker`). A :class:`~jobs.Job` goes through a
:class:`~lane.Lane`, which owns one process; a timer of the panel polls the lanes, so that the
window never waits. Nothing here is imported before the module is opened, and nothing imports torch.
"""
