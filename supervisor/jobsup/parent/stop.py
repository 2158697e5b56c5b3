"""The stop: when it began, when it is over whatever happens, and what the exit code says of it."""

from collections.abc import Collection

from jobsup.clock import FOREVER
from jobsup.config.grace import LAST, SPARE
from jobsup.config.model import Profile
from jobsup.exits import Exit

SETTLE_WITHIN = 5.0
"""Seconds the exit waits for the last jobs to be given back: a Redis that is away must not hold it."""


class Stop:
    """Deadlines on the monotonic clock, FOREVER before there is one.

    1. foresee  the platform's clock runs already, TERM has yet to come
    2. begin    what the workers' budgets count from, and when the parent leaves
    3. exit_code

    Attributes:
        begun: what the budgets of the workers count from.
        give_up_at: who has not left by then is left alone.
        leave_at: when the parent ends, because the platform is about to end it.
        reason: for the log.
    """

    def __init__(self, grace: float | None) -> None:
        self._grace = FOREVER if grace is None else grace
        self._foreseen = -FOREVER
        self._foreseen_until = -FOREVER
        self._code: Exit | None = None
        self.begun = FOREVER
        self.give_up_at = FOREVER
        self.leave_at = FOREVER
        self.reason = "asked to"

    def foresee(self, now: float, profiles: Collection[Profile]) -> float | None:
        """A hook of the platform waits for the jobs of *profiles*; TERM comes when it returns.

        Returns how many seconds it may wait, which will be missing afterwards; None: as long as it likes.
        """
        if self._grace == FOREVER:
            return None
        longest = max((profile.max_timeout for profile in profiles), default=0.0)
        # Later than the hook can return, somebody else asked: TERM will come with the whole grace.
        self._foreseen, self._foreseen_until = now, now + longest + SPARE
        return longest

    def begin(self, now: float, profiles: Collection[Profile], reason: str, code: Exit | None = None) -> float:
        """Count from *now* or from the hook.  *code* is the exit code, when the reason decides it.

        Returns the seconds that the longest job may still have.
        """
        self.begun = self._foreseen if now <= self._foreseen_until else now
        self.reason, self._code = reason, code
        longest = max((profile.max_timeout for profile in profiles), default=0.0)
        whole = max((profile.max_timeout + profile.kill_after for profile in profiles), default=0.0)
        self.give_up_at = self.begun + whole + SETTLE_WITHIN
        self.leave_at = self.begun + self._grace - LAST
        return max(0.0, self.begun + longest - now)

    def exit_code(self, *, failed: bool, left_behind: bool, given_back: bool) -> Exit:
        """Of a stop in which pools had *failed*, or jobs were *left_behind* or *given_back*."""
        if self._code is not None:
            return self._code
        if failed:
            return Exit.POOL_FAILED
        if left_behind:
            return Exit.LEFT_BEHIND
        return Exit.GIVEN_BACK if given_back else Exit.OK
