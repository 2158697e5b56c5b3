"""Jobs as functions."""

import inspect
from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar, overload

from jobsup.errors import ArgumentError
from jobsup.jobs.declaration import arguments, declare
from jobsup.jobs.enqueuer import Enqueuer
from jobsup.jobs.options import JobOptions

P = ParamSpec("P")
R = TypeVar("R")


class FunctionJob(Enqueuer[P, R], Generic[P, R]):
    """A function that can also be enqueued.  Calling it runs it here and now, plainly."""

    def __init__(self, function: Callable[P, R], name: str | None, options: dict[str, Any]) -> None:
        origin = f"{function.__module__}.{function.__qualname__}"
        checked = JobOptions().having(origin, options)
        name = function.__name__ if name is None else name
        definition = declare(name, checked, function, partial(_run, function), origin)
        super().__init__(definition, inspect.signature(function))
        self._function = function
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._function(*args, **kwargs)


def _run(function: Callable[..., Any], payload: dict[str, Any]) -> Any:
    return function(*arguments(payload))


@overload
def job(function: Callable[P, R], /) -> FunctionJob[P, R]: ...


@overload
def job(*, name: str | None = None, **options: Any) -> Callable[[Callable[P, R]], FunctionJob[P, R]]: ...


def job(function: Callable[P, R] | None = None, /, *, name: str | None = None, **options: Any) -> Any:
    """Make a job of a function: ``@job``, or ``@job(queue="heavy", timeout=60)``.

    The options are those of ``JobOptions``.  The name on the wire is the function's, or *name*.

    Raises:
        UnknownOption: there is no such option.
        ArgumentError: an option has a value it cannot have, the name is taken, or the function is a generator.
    """
    if function is not None:
        if isinstance(function, type) or not hasattr(function, "__qualname__"):
            raise ArgumentError(f"@job is for functions, not {function!r}; give options by name: @job(queue='low')")
        return FunctionJob(function, name, options)
    return lambda function: FunctionJob(function, name, options)
