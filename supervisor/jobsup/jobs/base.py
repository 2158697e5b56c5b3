"""Jobs as classes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from datetime import datetime
from types import FunctionType
from typing import Any, ClassVar, Self

from jobsup.client import BATCH
from jobsup.errors import ArgumentError
from jobsup.jobs.declaration import arguments, declare
from jobsup.jobs.enqueuer import Enqueuer
from jobsup.jobs.options import JobOptions


class Job:
    """A job: subclass it, give options as class keywords, and define ``perform``.

    ::

        class PaymentJob(Job, queue="critical", retry=10):
            def perform(self, order_id): ...

        PaymentJob.perform_async(42)

    A worker makes a new instance for every run.  The name on the wire is the class's, or ``name="…"``.  A
    subclass inherits the options; ``abstract=True`` makes a base that is no job itself.  The options are those
    of ``JobOptions``; ``retry_in`` may also be a static method ``(count, error, payload)``.

    An ``async def perform`` runs in the worker's event loop.  Class methods that begin with an *a* are to be awaited.

    Attributes:
        jid: of the run, as enqueued.
        payload: everything that was enqueued.
    """

    jid: str
    payload: dict[str, Any]
    perform: Callable[..., Any]
    job_options: ClassVar[JobOptions] = JobOptions()
    _enqueuer: ClassVar[Enqueuer[..., Any] | None] = None

    def __init_subclass__(cls, *, name: str | None = None, abstract: bool = False, **options: Any) -> None:
        super().__init_subclass__()
        origin = f"{cls.__module__}.{cls.__qualname__}"
        if "retry_in" in cls.__dict__:
            if isinstance(inspect.getattr_static(cls, "retry_in"), FunctionType):
                raise ArgumentError(f"{origin}: retry_in must be a @staticmethod; no instance exists when it is asked")
            options.setdefault("retry_in", cls.__dict__["retry_in"].__get__(None, cls))
        cls.job_options = cls.job_options.having(origin, options)
        cls._enqueuer = None
        if abstract:
            return
        cls._enqueuer = cls._declare(cls.__name__ if name is None else name, origin)

    @classmethod
    def _declare(cls, name: str, origin: str) -> Enqueuer[..., Any]:
        perform = cls._method("perform", origin)
        return Enqueuer(declare(name, cls.job_options, perform, cls._run, origin), without_self(perform))

    @classmethod
    def _method(cls, name: str, origin: str) -> FunctionType:
        found = getattr(cls, name, None)
        if not isinstance(found, FunctionType):
            raise ArgumentError(f"{origin} has no method {name}; define it, or say abstract=True")
        return found

    @classmethod
    def _of(cls, payload: dict[str, Any]) -> Self:
        job = cls()
        job.jid = str(payload.get("jid", ""))
        job.payload = payload
        return job

    @classmethod
    def _run(cls, payload: dict[str, Any]) -> Any:
        return cls._of(payload).perform(*arguments(payload))

    @classmethod
    def _enqueue(cls) -> Enqueuer[..., Any]:
        if cls._enqueuer is None:
            raise ArgumentError(f"{cls.__module__}.{cls.__qualname__} is abstract; enqueue one of its subclasses")
        return cls._enqueuer

    @classmethod
    def perform_async(cls, *args: Any) -> str | None:
        """Enqueue it now; see ``Enqueuer.perform_async``."""
        return cls._enqueue().perform_async(*args)

    @classmethod
    def perform_in(cls, seconds: float, /, *args: Any) -> str | None:
        """Run it *seconds* from now; see ``Enqueuer.perform_in``."""
        return cls._enqueue().perform_in(seconds, *args)

    @classmethod
    def perform_at(cls, when: datetime | float, /, *args: Any) -> str | None:
        """Run it at *when*, an aware datetime or Unix seconds; see ``Enqueuer.perform_at``."""
        return cls._enqueue().perform_at(when, *args)

    @classmethod
    def perform_bulk(
        cls,
        arg_lists: Sequence[list[Any]],
        /,
        *,
        batch_size: int = BATCH,
        at: datetime | float | Sequence[datetime | float] | None = None,
    ) -> list[str | None]:
        """Enqueue one job for each list of arguments; see ``Enqueuer.perform_bulk``."""
        return cls._enqueue().perform_bulk(arg_lists, batch_size=batch_size, at=at)

    @classmethod
    def item(cls, *args: Any) -> dict[str, Any]:
        """The job as ``push_many`` takes it; see ``Enqueuer.item``."""
        return cls._enqueue().item(*args)

    @classmethod
    def perform_inline(cls, *args: Any) -> Any:
        """Run it here and now as a worker would; see ``Enqueuer.perform_inline``."""
        return cls._enqueue().perform_inline(*args)

    @classmethod
    async def aperform_async(cls, *args: Any) -> str | None:
        """``perform_async``, awaited; see ``Enqueuer.aperform_async``."""
        return await cls._enqueue().aperform_async(*args)

    @classmethod
    async def aperform_in(cls, seconds: float, /, *args: Any) -> str | None:
        """``perform_in``, awaited."""
        return await cls._enqueue().aperform_in(seconds, *args)

    @classmethod
    async def aperform_at(cls, when: datetime | float, /, *args: Any) -> str | None:
        """``perform_at``, awaited."""
        return await cls._enqueue().aperform_at(when, *args)

    @classmethod
    async def aperform_bulk(
        cls,
        arg_lists: Sequence[list[Any]],
        /,
        *,
        batch_size: int = BATCH,
        at: datetime | float | Sequence[datetime | float] | None = None,
    ) -> list[str | None]:
        """``perform_bulk``, awaited."""
        return await cls._enqueue().aperform_bulk(arg_lists, batch_size=batch_size, at=at)

    @classmethod
    async def aperform_inline(cls, *args: Any) -> Any:
        """``perform_inline``, awaited; see ``Enqueuer.aperform_inline``."""
        return await cls._enqueue().aperform_inline(*args)

    @classmethod
    def set(
        cls, *, at: datetime | float | None = None, wait: float | None = None, **options: Any
    ) -> Enqueuer[..., Any]:
        """The same job with other options; see ``Enqueuer.set``."""
        return cls._enqueue().set(at=at, wait=wait, **options)


def without_self(perform: Callable[..., Any]) -> inspect.Signature:
    """How a method is called on an instance."""
    signature = inspect.signature(perform)
    return signature.replace(parameters=list(signature.parameters.values())[1:])
