"""The background process that keeps models loaded: ``python -m MedAssistLib.worker``.

It reads one JSON object a line on standard input and writes one a line on standard output.

In: ``run`` (id, verb, and what the verb needs; see :mod:`MedAssistLib.worker.jobs`), ``cancel``
(id), ``shutdown``. Out: ``ready``, ``progress`` (stage, fraction, eta_s), ``news`` (what else a
verb tells meanwhile), ``log``, ``result``, ``error`` (kind, message, hint), each with the id of its
job. Voxels do not travel through the pipe:
a scan names a ``.npy`` file (axes k, j, i) with its spacing, origin and direction in LPS mm, and
the result is written to another that the job names; both can be memory-mapped. Jobs run one after
the other. The process ends when its standard input is closed.
"""
