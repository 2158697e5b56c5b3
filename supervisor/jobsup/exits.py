"""Exit codes, in one table.  The README prints the same table; a test compares the two."""

from enum import IntEnum


class Exit(IntEnum):
    """What the exit code of a jobsup command says.  Values above 63 follow sysexits(3)."""

    OK = 0
    """Done; a stop left nothing unfinished."""
    ERROR = 1
    """The command could not do what was asked (``ctl``: nobody listens; ``demo``: a wrong verdict; ``check``: a file of
    the platform does not go with the configuration)."""
    GIVEN_BACK = 10
    """Stopped; the deadline was hit and every unfinished job was given back to its queue."""
    LEFT_BEHIND = 11
    """Stopped; unfinished jobs still lie in in-flight lists (Redis did not answer).  The next start gives
    them back."""
    USAGE = 64
    """Wrong flags or arguments."""
    UNAVAILABLE = 69
    """Redis does not answer."""
    SOFTWARE = 70
    """The application could not be imported, or jobsup itself failed."""
    POOL_FAILED = 71
    """A pool died too often and was given up."""
    STARVED = 72
    """Worker processes only: there was no thread or descriptor to begin with; another is tried in a second."""
    CANT_CREATE = 73
    """The control socket or the state directory cannot be used."""
    INTERRUPTED = 75
    """Worker processes only: ended with jobs still running; they are given back."""
    NO_PERMISSION = 77
    """Redis refuses the credentials."""
    CONFIG = 78
    """The configuration is wrong."""
