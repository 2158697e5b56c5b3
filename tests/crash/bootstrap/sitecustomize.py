"""Runs first in every Python process of a run under test, because this directory stands on its ``PYTHONPATH``."""

import os

if "CRASH_DIRECTORY" in os.environ:
    import crash_points

    crash_points.install()
