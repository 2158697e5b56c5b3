"""Jobs as functions."""

import inspect
from collections.abc import Callable, Coroutine
from functools import partial, update_wrapper
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from jobsup.errors import ArgumentError
from jobsup.jobs.declaration import arguments, declare
from jobsup.jobs.enqueuer import Enqueuer
from jobsup.jobs.options import JobOptions

P = ParamSpec("P")
R = TypeVar("R")


class _Function(Enqueuer[P, R], Generic[P, R]):
    """A function that can also be enqueued.  Calling it is what it was before."""

    def __init__(self, function: Callable[P, Any], name: str | None, options: dict[str, Any]) -> None:
        origin = f"{function.__module__}.{function.__qualname__}"
        checked = JobOptions().having(origin, options)
        name = function.__name__ if name is None else name
        definition = declare(name, checked, function, partial(_run, function), origin)
        super().__init__(definition, inspect.signature(function))
        self._function = function
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        return self._function(*args, **kwargs)


class FunctionJob(_Function[P, R], Generic[P, R]):
    """A job that is a plain function.  Calling it runs it here and now."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        result: R = self._function(*args, **kwargs)
        return result


class AsyncFunctionJob(_Function[P, R], Generic[P, R]):
    """A job that is an ``async def``.  Calling it makes the coroutine."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        coroutine: Coroutine[Any, Any, R] = self._function(*args, **kwargs)
        return coroutine


class Decorator(Protocol):
    """``@job`` with options."""

    @overload  # the first that fits counts, and what returns a coroutine fits both
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncFunctionJob[P, R]: ...  # type: ignore[overload-overlap]

    @overload
    def __call__(self, function: Callable[P, R], /) -> FunctionJob[P, R]: ...


def _run(function: Callable[..., Any], payload: dict[str, Any]) -> Any:
    return function(*arguments(payload))


@overload  # as above
def job(function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncFunctionJob[P, R]: ...  # type: ignore[overload-overlap]


@overload
def job(function: Callable[P, R], /) -> FunctionJob[P, R]: ...


@overload
def job(*, name: str | None = None, **options: Any) -> Decorator: ...


def job(function: Callable[..., Any] | None = None, /, *, name: str | None = None, **options: Any) -> Any:
    """Make a job of a function: ``@job``, or ``@job(queue="heavy", timeout=60)``.

    The options are those of ``JobOptions``.  The name on the wire is the function's, or *name*.

    Raises:
        UnknownOption: there is no such option.
        ArgumentError: an option has a value it cannot have, the name is taken, or the function is a generator.
    """
    if function is not None:
        if isinstance(function, type) or not hasattr(function, "__qualname__"):
            raise ArgumentError(f"@job is for functions, not {function!r}; give options by name: @job(queue='low')")
        return _made(function, name, options)
    return lambda function: _made(function, name, options)


def _made(function: Callable[..., Any], name: str | None, options: dict[str, Any]) -> _Function[..., Any]:
    kind = AsyncFunctionJob if inspect.iscoroutinefunction(function) else FunctionJob
    return kind(function, name, options)
