"""Everything jobsup raises on purpose."""


class JobsupError(Exception):
    """Base of the errors a caller may want to catch.  The message is one sentence for a person."""


class ArgumentError(JobsupError, ValueError):
    """A job was called or described with something that cannot be stored; the message names where."""


class UnknownOption(JobsupError, TypeError):
    """A job declares an option that does not exist."""


class UnknownJob(JobsupError):
    """A payload names a class that no imported module declares."""


class MalformedPayload(JobsupError):
    """Redis held something that is not a job.

    Attributes:
        raw: the bytes that were found, never altered.
    """

    def __init__(self, reason: str, raw: bytes) -> None:
        super().__init__(reason)
        self.raw = raw


class RedisUnavailable(JobsupError):
    """Redis does not answer (refused, timed out, loading, lost)."""


class RedisRefused(JobsupError):
    """Redis answers but will not serve us: credentials, version, a key of the wrong type, out of memory.

    Attributes:
        permanent: True when trying again cannot help (credentials, version).
    """

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(reason)
        self.permanent = permanent


class MalformedState(JobsupError):
    """The state of an iterable job in Redis cannot be read, so nobody knows where it stands."""


class PoisonJob(JobsupError):
    """A job killed its process again and again; only ever written into a payload, never raised."""


class Fenced(JobsupError):
    """This identity was given up and swept: it may take nothing and settle nothing any more."""


def explained(error: BaseException) -> str:
    """What to print of a failed import: a sentence for a mistake we understand, else the whole traceback."""
    if isinstance(error, JobsupError):
        return str(error)
    import traceback  # not before it is needed: every command, and every probe, loads this module

    return "".join(traceback.format_exception(error)).rstrip()


class TimeLimitExceeded(JobsupError):
    """Raised inside a job that ran longer than its ``time_limit``.

    The job may clean up, or even finish, within the profile's ``kill_after``; letting it pass is a failure like any
    other.
    """

    def __init__(self, message: str = "it ran longer than its time limit") -> None:
        super().__init__(message)


class InterruptedTooOften(JobsupError):
    """What is written into a job that is buried because stops interrupted it more often than it allows."""


class Cancelled(BaseException):
    """Raised inside a running job that somebody asked to end.

    A BaseException, so that ``except Exception`` in application code does not swallow it.  Let it pass: the job
    is done with, and is no failure.
    """


class Shutdown(BaseException):
    """Raised inside a job that outlived its drain deadline.

    A BaseException, so that ``except Exception`` in application code does not swallow it.  Let it pass:
    the job is given back and starts again elsewhere, and it costs the job no attempt.
    """


class Paused(BaseException):
    """Leaves an iterable job between two items, because its process is stopping or no longer holds the job.

    A BaseException, so that ``except Exception`` in middleware does not swallow it.  Let it pass: the job is given
    back and goes on where it stands, and it costs the job neither an attempt nor an interruption.
    """
