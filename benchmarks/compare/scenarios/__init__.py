"""What is measured, one module each."""

from benchmarks.compare.scenarios.bare import BARE
from benchmarks.compare.scenarios.drain import DRAIN
from benchmarks.compare.scenarios.enqueue import ENQUEUE
from benchmarks.compare.scenarios.latency import LATENCY
from benchmarks.compare.scenarios.memory import MEMORY
from benchmarks.compare.scenarios.scale import SCALE
from benchmarks.compare.scenarios.schedule import SCHEDULE
from benchmarks.compare.scenarios.start import IMPORT, START
from benchmarks.compare.scenarios.work import WORK

ALL = {s.name: s for s in (DRAIN, BARE, WORK, ENQUEUE, LATENCY, SCHEDULE, SCALE, MEMORY, START, IMPORT)}
"""In the order in which they run."""
