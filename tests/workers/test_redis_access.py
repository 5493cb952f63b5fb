"""Access to Redis: a user who may touch the namespace alone, TLS, and a namespace that two databases share."""

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from dramatiq import Message

from aiWriting import environment
from aiWriting.environment import BASE_DIR
from tests import rows
from tests.acting import tasks
from tests.waiting import PATIENCE_SECONDS
from workers import neighbours
from workers.relay import Relay
from workers.wire import message as wire_message
from workers.wire.queue import WireQueue
from workers.wire.server import unsuited

pytestmark = pytest.mark.redis

QUEUE = "default"
CERTIFICATE = Path(__file__).parent / "self_signed.pem"


def message(number: int) -> Message:
    return wire_message.for_attempt(tasks.effect.message(str(number)), 0)


def documented_commands() -> list[str]:
    """Return the commands that docs/operations.md says a Redis user needs."""
    (line,) = re.findall(r"ACL SETUSER aiwriting .*", (BASE_DIR / "docs/operations.md").read_text())
    return [word for word in line.split() if word[0] in "+-"]


def answers(wire: WireQueue) -> bool:
    try:
        return bool(wire.senders.ping())
    except redis.RedisError:
        return False


@pytest.fixture
def limited_url(redis_client) -> Iterator[str]:
    """URL of a user with the documented rights."""
    redis_client.acl_log_reset()
    redis_client.acl_setuser("limited", enabled=True, passwords=["+limited"], keys=[f"{settings.DRAMATIQ_NAMESPACE}:*"],
                             commands=documented_commands(), reset=True)  # fmt: skip
    parts = urlsplit(settings.REDIS_URL)
    yield parts._replace(netloc=f"limited:limited@{parts.hostname}:{parts.port}").geturl()
    redis_client.acl_deluser("limited")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fast_path", [True, False])
def test_a_user_with_the_documented_rights_suffices(broker, limited_url, monkeypatch, redis_client, fast_path) -> None:
    wire = WireQueue(limited_url, namespace=broker.namespace, fast_path=fast_path)
    monkeypatch.setattr(broker, "wire", wire)
    assert wire.publish([message(1), message(2)])
    assert wire.publish([message(3)])
    wire.settle()
    assert unsuited(wire) == ""
    assert answers(wire)
    assert wire.republish([wire_message.words_of(message(5), priority=5)]) == 1
    assert len(wire.fetch(QUEUE, "me", limit=1)) == 1
    assert len(wire.wait_and_fetch(QUEUE, "me", limit=9, timeout_seconds=1)) == 3
    assert wire.has_fetched([(QUEUE, "me")])
    fetched = sorted(wire.fetched_by(QUEUE, "me"))
    wire.requeue_as(QUEUE, "me", {fetched[0]: message(4)})
    assert wire.requeue(QUEUE, "me", fetched[1:2]) == 1
    wire.ack("me", [(QUEUE, fetched[2])])
    wire.wake("me", count=1)
    tasks.effect.send("n")
    rows.worker_process()
    relay = Relay(broker)
    relay.is_new_redis()
    relay.audit()
    relay.rescue()
    relay.look_around()
    wire.contents.drop(QUEUE, ["none"])
    wire.contents.abandon("none")
    # The name of its library, which redis-py does not insist on.
    assert {entry["object"] for entry in redis_client.acl_log()} <= {"client|setinfo"}
    wire.close()


# --- TLS -----------------------------------------------------------------------------------------


@pytest.fixture
def tls_url(redis_client) -> Iterator[str]:
    """URL of a port that speaks TLS with a self-signed certificate and leads to the session's Redis."""
    target = urlsplit(settings.REDIS_URL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                sink.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, sink):
                end.close()

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                client = context.wrap_socket(client, server_side=True)
            except OSError:
                continue
            server = socket.create_connection((target.hostname, target.port))
            for pair in ((client, server), (server, client)):
                threads.append(threading.Thread(target=pump, args=pair, daemon=True))
                threads[-1].start()

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    yield f"rediss://{target.netloc.rpartition('@')[0]}@127.0.0.1:{listener.getsockname()[1]}/0"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    serving.join(60)


@pytest.mark.parametrize(
    ("options", "is_let_in"),
    [
        ({}, False),
        ({"ssl_cert_reqs": "required"}, False),
        ({"ssl_cert_reqs": "none"}, True),
        ({"ssl_ca_certs": str(CERTIFICATE)}, True),
    ],
)
def test_options_of_tls_reach_every_connection(broker, tls_url, monkeypatch, options, is_let_in) -> None:
    monkeypatch.setattr("workers.wire.queue.PUBLISH_TIMEOUT_SECONDS", PATIENCE_SECONDS)
    wire = WireQueue(environment.with_query(tls_url, options), namespace=broker.namespace)
    assert answers(wire) is is_let_in
    assert wire.publish([message(1), message(2)]) is is_let_in
    if is_let_in:
        assert len(wire.fetch(QUEUE, "me", limit=9)) == 2
        wire.republish([wire_message.words_of(message(3))])
    else:
        with pytest.raises(redis.ConnectionError, match="certificate"):
            wire.fetch(QUEUE, "me", limit=9)
    wire.close()


def test_variables_of_tls_replace_options_of_the_url() -> None:
    url = "rediss://:p%40ss@host:6380/1?ssl_cert_reqs=required&client_name=web"
    found = environment.with_query(url, {"ssl_cert_reqs": "none", "ssl_ca_certs": "/a b", "ssl_keyfile": ""})
    assert found == "rediss://:p%40ss@host:6380/1?client_name=web&ssl_cert_reqs=none&ssl_ca_certs=%2Fa+b"


def test_wrong_values_of_variables_of_tls_are_refused(monkeypatch) -> None:
    monkeypatch.setenv("REDIS_SSL_CERT_REQS", "nun")
    with pytest.raises(ImproperlyConfigured, match="REDIS_SSL_CERT_REQS is 'nun', must be one of: none, optional"):
        environment.choice("REDIS_SSL_CERT_REQS", known=("none", "optional", "required"))
    monkeypatch.setenv("REDIS_SSL_CA_CERTS", "/no/such/file")
    with pytest.raises(ImproperlyConfigured, match="REDIS_SSL_CA_CERTS is '/no/such/file', must be the path of a file"):
        environment.file("REDIS_SSL_CA_CERTS")


# --- One namespace, two databases ----------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_another_database_behind_the_namespace_is_told_once_with_the_remedy(broker, caplog) -> None:
    rows.worker_process()
    relay = Relay(broker)
    relay.look_around()
    assert neighbours.strangers(broker.wire) == []
    broker.wire.processes(add=["0d7c2b0e-6a53-4d0b-8b0a-0f6f2f1d9c55 staging-1:4121"])
    assert neighbours.strangers(broker.wire) == ["staging-1:4121"]
    relay.look_around()
    relay.look_around()
    assert caplog.text.count("another database uses the namespace namespace=aiwriting") == 1
    assert "other=staging-1:4121. Give each database a DRAMATIQ_NAMESPACE of its own." in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_damaged_list_of_processes_is_replaced(broker, redis_client) -> None:
    redis_client.set(f"{broker.namespace}:__processes__", "not a set")
    broker.wire.processes(add=["lonely"])
    assert neighbours.strangers(broker.wire) == []
    redis_client.zadd(f"{broker.namespace}:__processes__", {"no-uuid elsewhere:1": 4e9})
    assert neighbours.strangers(broker.wire) == ["elsewhere:1"]
