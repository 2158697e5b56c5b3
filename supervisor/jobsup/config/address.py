"""Addresses to listen on."""

import ipaddress


def parse(text: str) -> tuple[str, int]:
    """``127.0.0.1:7433`` or ``[::]:7433`` as host and port.

    Only IP addresses: a name would have to be looked up, by processes that must not wait for that.

    Raises:
        ValueError: it is none.
    """
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = str(ipaddress.IPv6Address(host[1:-1]))
    else:
        host = str(ipaddress.IPv4Address(host))
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65_536):
        raise ValueError(f"{port!r} is no port")
    return host, int(port)
