"""The jobs of the demo, written as an application would: small arguments, idempotent, no global state."""

import os
import time
from pathlib import Path

from jobsup import Job
from jobsup.contrib.demo import results, stdlib

DATABASE = "JOBSUP_DEMO_DB"
"""Environment variable: the file of the results."""

_WAIT = 0.2
_WAIT_IN_PACKAGE = 0.05
"""Seconds that a job, or each file of a package, waits as real jobs wait for networks and disks.  Without it
the whole library is done before anybody could kill or deploy anything."""


def _database() -> str:
    try:
        return os.environ[DATABASE]
    except KeyError:
        raise RuntimeError(f"{DATABASE} is not set; these jobs belong to `jobsup demo`") from None


class ModuleJob(Job, name="Demo::Module"):
    """Parse one module and record what it is."""

    def perform(self, module: str) -> None:
        path = stdlib.source(module)
        run = results.begin(_database(), self.jid, "Demo::Module", module, os.getpid(), time.time())
        facts = stdlib.measure(path.read_bytes())
        time.sleep(_WAIT)
        results.finish(_database(), run, module, facts, time.time())


class PackageJob(Job, name="Demo::Package", queue="heavy"):
    """Compress one package and record both sizes."""

    def perform(self, package: str) -> None:
        paths = stdlib.sources(package)
        run = results.begin(_database(), self.jid, "Demo::Package", package, os.getpid(), time.time())
        facts = _compress(paths)
        results.finish(_database(), run, package, facts, time.time())


def _compress(paths: list[Path]) -> stdlib.PackageFacts:
    compressor = stdlib.compressor()
    size = compressed = 0
    for path in paths:
        content = path.read_bytes()
        size += len(content)
        compressed += len(compressor.compress(content))
        time.sleep(_WAIT_IN_PACKAGE)
    return stdlib.PackageFacts(size, compressed + len(compressor.flush()))
