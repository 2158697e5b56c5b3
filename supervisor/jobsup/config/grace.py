"""Budgets that end before the platform's patience does.  Pure.

```
TERM                                                        KILL
 ├──────────── max_timeout ────────────┼─ kill_after ─┼ SPARE ┤
 └─────────────────────────── grace ────────────────────────┘
```
"""

SPARE = 2.0
"""Seconds between our own SIGKILL and the platform's: reaping, giving back, saying so."""
LEAST = 5.0
"""The shortest grace in which a stop can be anything but a kill."""
LAST = 1.0
"""Seconds before the platform's SIGKILL at which the parent leaves, whatever it still waits for."""


def fit(grace: float, timeout: float, max_timeout: float, kill_after: float) -> tuple[float, float, float]:
    """The three budgets, cut where they would not end within *grace*.  All in seconds.

    ``kill_after`` keeps its length up to half of what there is: a job that is not interrupted and given back in time
    is only found when its lease has run out.
    """
    kill_after = min(kill_after, (grace - SPARE) / 2)
    max_timeout = min(max(max_timeout, timeout), grace - SPARE - kill_after)
    return min(timeout, max_timeout), max_timeout, kill_after
