"""Where Redis is when nothing names it, and what to say when it is not there."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from jobsup.config.model import masked
from jobsup.errors import ArgumentError

DEFAULT = "redis://127.0.0.1:6379/0"
CREDENTIAL = "redis_url"
"""Name of the file in ``$CREDENTIALS_DIRECTORY``, where systemd's ``LoadCredential=`` puts it."""

TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
"""Options that name a PEM file: whom to trust, and the client's own certificate and key."""
_TLS = (*TLS_FILES, "ssl_ca_path", "ssl_password", "ssl_cert_reqs", "ssl_check_hostname", "ssl_min_version")
_PLAIN = ("db", "username", "password", "client_name", "socket_timeout", "socket_connect_timeout", "max_connections")
_SENTINEL = ("sentinel_username", "sentinel_password")
_NO_URL = "must be a URL like redis://host:6379/0, rediss://…, unix:///path or redis+sentinel://…"
_NO_SENTINEL_URL = "must be like redis+sentinel://host:26379,host:26379/mymaster/0: hosts, the primary's name, a number"
_MOST_BYTES = 65_536
_SENTINEL_PORT = 26379
_BEGIN = re.compile(r"(rediss?)\+sentinel://([^/?#]*)")
"""Compiled here, once for all workers that are forked."""


@dataclass(frozen=True, slots=True)
class Sentinels:
    """What a ``redis+sentinel://`` or ``rediss+sentinel://`` URL says.

    Attributes:
        hosts: (host, port) of each Sentinel, in the order of the URL.
        primary: the name under which they know it.
        node: the URL of the primary, whose host is theirs to tell; has its credentials, database and options.
        username, password: what the Sentinels themselves ask for.
    """

    hosts: tuple[tuple[str, int], ...]
    primary: str
    node: str = field(repr=False)
    username: str | None
    password: str | None = field(repr=False)


def sentinels(url: str) -> Sentinels | None:
    """Whom *url* names to ask for the primary; None: it names the server itself.

    Raises:
        ValueError: it begins like such a URL and is none.
    """
    begin = _BEGIN.match(url)
    if begin is None:
        return None
    # Taken apart here: to urlsplit, several hosts are none.
    credentials, at, hosts = begin[2].rpartition("@")
    parts = urlsplit(f"{begin[1]}://{credentials}{at}primary{url[begin.end() :]}")
    name, _, db = parts.path.removeprefix("/").partition("/")
    if not name or (db and not db.isdecimal()):
        raise ValueError(_NO_SENTINEL_URL)
    options = parse_qsl(parts.query, keep_blank_values=True)
    own = {option: value for option, value in options if option in _SENTINEL}
    query = urlencode([(option, value) for option, value in options if option not in _SENTINEL])
    return Sentinels(
        tuple(_sentinel(host) for host in hosts.split(",")),
        unquote(name),
        urlunsplit(parts._replace(path=f"/{db}", query=query)),
        own.get("sentinel_username"),
        own.get("sentinel_password"),
    )


def _sentinel(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.port == 0:
        raise ValueError(_NO_SENTINEL_URL)
    return parts.hostname, parts.port or _SENTINEL_PORT


def from_environment(environ: Mapping[str, str]) -> tuple[str, str]:
    """URL and origin: the credential that systemd gave this service, else Sidekiq's rules.

    Those are: the variable that REDIS_PROVIDER names, else REDIS_URL, else this host's.

    Raises:
        ArgumentError: the credential cannot be read, or REDIS_PROVIDER does not name a variable that is set.
    """
    if directory := environ.get("CREDENTIALS_DIRECTORY"):
        try:
            with open(os.path.join(directory, CREDENTIAL), encoding="utf-8") as file:
                return file.read(_MOST_BYTES).strip(), f"$CREDENTIALS_DIRECTORY/{CREDENTIAL}"
        except FileNotFoundError:
            pass  # the service has other credentials
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ArgumentError(f"$CREDENTIALS_DIRECTORY/{CREDENTIAL} cannot be read: {reason}") from None
    if provider := environ.get("REDIS_PROVIDER"):
        if ":" in provider:
            raise ArgumentError("$REDIS_PROVIDER must be the name of the variable that holds the URL")
        if not environ.get(provider):
            raise ArgumentError(f"$REDIS_PROVIDER names the variable {provider}, which is not set")
        return environ[provider], f"${provider}"
    if url := environ.get("REDIS_URL"):
        return url, "$REDIS_URL"
    return DEFAULT, "default"


def resolve(flag: str | None = None) -> str:
    """*flag*, else what this process' environment says.  Raises ArgumentError as ``from_environment``."""
    return flag or from_environment(os.environ)[0]


def fault(url: str) -> str | None:
    """What is wrong with *url*, in words that follow its name; None: nothing.  Never shows a value of it."""
    try:
        asked = sentinels(url)
    except ValueError:
        return _NO_SENTINEL_URL
    try:
        parts = urlsplit(asked.node if asked else url)
        usable = parts.path if parts.scheme == "unix" else parts.hostname and parts.port != 0
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError:
        return _NO_URL
    if not usable or parts.scheme not in {"redis", "rediss", "unix"}:
        return _NO_URL
    known = (*_PLAIN, *_TLS, *_SENTINEL)
    for option in options:
        if option not in known:
            return f"has an option after '?' that does not exist; known: {', '.join(known)}"
        if option in _TLS and parts.scheme != "rediss":
            return f"has {option}, which needs TLS: begin it with {'rediss+sentinel' if asked else 'rediss'}://"
        if option in _SENTINEL:
            return f"has {option}, which needs Sentinels: begin it with redis+sentinel://"
    if options.get("ssl_cert_reqs", "required") not in ("required", "optional", "none"):
        return "has an ssl_cert_reqs other than required, optional or none"
    return None


def server(url: str) -> tuple[str, ...]:
    """Which database *url* leads to, whatever the credentials and certificates to get there."""
    asked = sentinels(url)
    parts = urlsplit(asked.node if asked else url)
    where = (str(asked.hosts), asked.primary) if asked else (parts.netloc.rpartition("@")[2],)
    return parts.scheme, *where, parts.path, dict(parse_qsl(parts.query)).get("db", "")


def unanswered(url: str, reason: object) -> str:
    """One sentence for a person: nobody answers at *url*, and what to do."""
    return (
        f"Redis does not answer at {masked(url)} ({reason}); "
        "set REDIS_URL to one that does, or start jobsup with --embedded to run its own."
    )
