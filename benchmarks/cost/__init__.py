"""What a job costs at a full queue, counted and not timed: Redis commands, and calls of functions in the worker.

    python -m benchmarks.cost [--record]

Counts are the same on every machine, so a test compares them with ``baseline.json``.
"""
