"""One module for each product that is compared: how it is set up, how a job is pushed to it, how its workers start.

A module runs in an environment of its own, which its first lines describe (inline script metadata, as for
``pip``-installable scripts), so it may import its product and nothing of jobsup but ``benchmarks.peers``.  It has

- ``VARIANTS``     its settings by name, each with a sentence; the first is the fastest that its documentation describes
- ``commands()``   the command lines that start ``work.PROCESSES`` workers with ``work.SLOTS`` slots each
- ``push(kind, value, queue)``, plain or a coroutine: one job
- ``bulk(kind, values, queue)``, where the product can push many at once
- ``session()``    an asynchronous context manager around all pushes, where its client needs one
- ``ONE_QUEUE``    true where a worker listens to one queue only

Everybody runs the same jobs and counts them in the same way: ``work.py``.
"""

import os
import sys


def tool(name: str) -> str:
    """The command *name* of this environment."""
    return os.path.join(os.path.dirname(sys.executable), name)
