"""Webhooks: an alert is posted as signed JSON to an address outside.

The name of the host is looked up once, and the connection goes to the address that was checked. A redirect is not
followed. So neither a name that changes nor an answer leads to a server inside.
"""

import hmac
import http.client
import json
import socket
import ssl
import time
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from apps.tasks import networks
from apps.tasks.conf import conf
from apps.tasks.errors import TaskError

#: Header with the time and the signature: `t=1700000000,v1=3a7f...`.
SIGNATURE_HEADER = "X-Task-Signature"
#: Seconds for connecting, and for each answer of the server.
CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 10.0
#: Answers that say "try later".
LATER = (408, 425, 429)
#: Addresses that stand for an IPv4 address behind a translator.
TRANSLATED = IPv6Network("64:ff9b::/96")


class WebhookError(TaskError):
    """hooks.example.com answered with 502"""


class WebhookRefusedError(WebhookError):
    """The webhook is 'http://10.0.0.1/', must begin with https://"""


def sign(body: bytes, *, secret: str, at: int) -> str:
    """Return the header of a body: the time in seconds since 1970, and HMAC-SHA256 over it, a dot and the body."""
    signature = hmac.new(secret.encode(), b"%d." % at + body, sha256).hexdigest()
    return f"t={at},v1={signature}"


def why_wrong(url: str) -> str:
    """Return in words why an address can be no webhook. Empty: it can. Names of hosts are not looked up."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        return str(error)
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return "it must have neither spaces nor letters outside of ASCII"
    if parts.scheme not in ("https", "http") or not host:
        return "it must be an address such as https://hooks.example.com/tasks"
    if parts.username is not None or parts.password is not None:
        return "it must have no user and no password"
    if port == 0:
        return "its port must be 1 to 65535"
    inside = _is_named(host)
    if parts.scheme == "http" and not inside:
        return "it must begin with https://, unless its address is in TASK_ALERT_NETWORKS"
    if not inside and (address := _parsed(host)) is not None and not _is_outside(address):
        return f"{host} is an address inside. Networks inside are named in TASK_ALERT_NETWORKS"
    return ""


def post(url: str, payload: dict[str, Any]) -> None:
    """Post a payload, signed if `TASK_ALERT_SECRET` is set.

    Raises:
      WebhookRefusedError: The address is wrong or inside, or the server refuses the payload for good.
      WebhookError, OSError: Try again later.
    """
    if reason := why_wrong(url):
        # Not the address itself: it may have a secret in it.
        raise WebhookRefusedError(f"The webhook cannot be posted to: {reason}")
    parts = urlsplit(url)
    body = json.dumps(payload).encode()
    headers = {"Content-Type": "application/json", "Host": parts.netloc, "User-Agent": "tasks-alerts"}
    if conf.TASK_ALERT_SECRET:
        headers[SIGNATURE_HEADER] = sign(body, secret=conf.TASK_ALERT_SECRET, at=int(time.time()))
    status = _status(parts, body, headers)
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise WebhookRefusedError(f"{parts.hostname} answered with {status}, and redirects are not followed")
    kind = WebhookRefusedError if 400 <= status < 500 and status not in LATER else WebhookError
    raise kind(f"{parts.hostname} answered with {status}")


def _status(parts: SplitResult, body: bytes, headers: dict[str, str]) -> int:
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    plain = socket.create_connection((_address(host, port), port), timeout=CONNECT_SECONDS)
    with plain:
        plain.settimeout(ANSWER_SECONDS)
        connection = http.client.HTTPConnection(host, port)
        connection.sock = plain
        if parts.scheme == "https":
            connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", target, body=body, headers=headers)
            return connection.getresponse().status
        except http.client.HTTPException as error:
            raise WebhookError(f"{host} gave no answer of HTTP: {type(error).__name__}") from None
        finally:
            connection.close()


def _address(host: str, port: int) -> str:
    """Return the first address of a host that may be reached."""
    found = [str(place[0]) for *_rest, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in found:
        parsed = _parsed(address)
        if networks.contain(conf.TASK_ALERT_NETWORKS, address) or (parsed is not None and _is_outside(parsed)):
            return address
    raise WebhookRefusedError(
        f"The webhook cannot be posted to: {host} has no address outside. Networks inside are named in "
        "TASK_ALERT_NETWORKS"
    )


def _is_named(host: str) -> bool:
    """Return whether a host is an address of `TASK_ALERT_NETWORKS`, to which plain HTTP may go."""
    return networks.contain(conf.TASK_ALERT_NETWORKS, host)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _is_outside(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return _is_outside(address.ipv4_mapped)
        if address.sixtofour is not None or address.teredo is not None or address in TRANSLATED:
            return False
    return address.is_global and not address.is_multicast
