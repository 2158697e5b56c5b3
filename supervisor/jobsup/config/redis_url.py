"""Where Redis is when nothing names it, and what to say when it is not there."""

import os
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from jobsup.config.model import masked
from jobsup.errors import ArgumentError

DEFAULT = "redis://127.0.0.1:6379/0"
CREDENTIAL = "redis_url"
"""Name of the file in ``$CREDENTIALS_DIRECTORY``, where systemd's ``LoadCredential=`` puts it."""

TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
"""Options that name a PEM file: whom to trust, and the client's own certificate and key."""
_TLS = (*TLS_FILES, "ssl_ca_path", "ssl_password", "ssl_cert_reqs", "ssl_check_hostname", "ssl_min_version")
_PLAIN = ("db", "username", "password", "client_name", "socket_timeout", "socket_connect_timeout", "max_connections")
_NO_URL = "must be a URL like redis://host:6379/0, rediss://… or unix:///path"
_MOST_BYTES = 65_536


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
        parts = urlsplit(url)
        usable = parts.path if parts.scheme == "unix" else parts.hostname and parts.port != 0
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError:
        return _NO_URL
    if not usable or parts.scheme not in {"redis", "rediss", "unix"}:
        return _NO_URL
    known = (*_PLAIN, *_TLS)
    for option in options:
        if option not in known:
            return f"has an option after '?' that does not exist; known: {', '.join(known)}"
        if option in _TLS and parts.scheme != "rediss":
            return f"has {option}, which needs TLS: begin it with rediss://"
    if options.get("ssl_cert_reqs", "required") not in ("required", "optional", "none"):
        return "has an ssl_cert_reqs other than required, optional or none"
    return None


def server(url: str) -> tuple[str, ...]:
    """Which database *url* leads to, whatever the credentials and certificates to get there."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2], parts.path, dict(parse_qsl(parts.query)).get("db", "")


def unanswered(url: str, reason: object) -> str:
    """One sentence for a person: nobody answers at *url*, and what to do."""
    return (
        f"Redis does not answer at {masked(url)} ({reason}); "
        "set REDIS_URL to one that does, or start jobsup with --embedded to run its own."
    )
