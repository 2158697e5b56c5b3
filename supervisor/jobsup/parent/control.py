"""What ``jobsup ctl`` can ask of a running parent."""

from collections.abc import Callable
from typing import Any, Protocol

from jobsup.parent.loop import Loop
from jobsup.typedefs import JSON
from jobsup.unix import ctlsock

_MOST_CONNECTIONS = 32


class Steered(Protocol):
    """The supervisor, as far as it can be asked.  Each returns None, or a sentence why not."""

    def status(self) -> dict[str, JSON]: ...
    def quiet(self) -> str | None: ...
    def drain(self) -> str | None: ...
    def await_stop(self) -> float | None: ...
    def reload(self) -> str | None: ...
    def scale(self, sizes: dict[str, int]) -> str | None: ...
    def dump(self) -> str | None: ...
    def cancel(self, jid: str) -> str | None: ...
    def why(self, jid: str, ask: bool) -> dict[str, JSON] | None: ...


class Control:
    """Serves the control socket from the parent's loop."""

    def __init__(self, loop: Loop, path: str, supervisor: Steered) -> None:
        """Raises: SocketInUse: somebody listens there, or the path cannot be used."""
        self._loop = loop
        self._supervisor = supervisor
        self._commands: dict[str, Callable[[], str | None]] = {
            "ping": lambda: None,
            "quiet": supervisor.quiet,
            "stop": supervisor.drain,
            "reload": supervisor.reload,
            "dump": supervisor.dump,
        }
        self._open: list[ctlsock.Connection] = []
        self._server = ctlsock.Server(path, self._answer)
        loop.watch(self._server, self._accept)

    def close(self) -> None:
        self._loop.forget(self._server)
        self._server.close()

    def _accept(self) -> None:
        connection = self._server.accept()
        if connection is None:
            return
        if len(self._open) >= _MOST_CONNECTIONS:  # each holds a descriptor, and the oldest had its time
            self._hang_up(self._open[0])
        self._open.append(connection)
        self._loop.watch(connection, lambda: self._serve(connection))

    def _serve(self, connection: ctlsock.Connection) -> None:
        if connection.readable():
            self._hang_up(connection)

    def _hang_up(self, connection: ctlsock.Connection) -> None:
        self._open.remove(connection)
        self._loop.forget(connection)
        connection.close()

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request.get("command")
        if name == "drain":
            return {"ok": True, "within": self._supervisor.await_stop()}
        if name == "status":
            return {"ok": True, **self._supervisor.status()}
        if name == "why":
            found = self._supervisor.why(str(request.get("jid")), request.get("ask") is True)
            return (
                {"ok": False, "error": f"No job {request.get('jid')} runs here."}
                if found is None
                else {"ok": True, **found}
            )
        if name == "cancel":
            refusal = self._supervisor.cancel(str(request.get("jid")))
        elif name == "scale":
            refusal = self._scale(request.get("sizes"))
        elif command := self._commands.get(str(name)):
            refusal = command()
        else:
            return {
                "ok": False,
                "error": f"unknown command; known: status, scale, cancel, why, {', '.join(self._commands)}",
            }
        return {"ok": True} if refusal is None else {"ok": False, "error": refusal}

    def _scale(self, sizes: Any) -> str | None:
        if not isinstance(sizes, dict) or not all(type(size) is int and size >= 0 for size in sizes.values()):
            return "The sizes must be whole numbers, by the name of the pool."
        return self._supervisor.scale(sizes)
