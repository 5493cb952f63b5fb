"""The embedded server: its files, port and password, and whether it answers."""

import io
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers.embedded.server import ServerError, prepare
from workers.supervision.supervisor import Supervisor


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with Supervisor(prefixed=True, stream=io.StringIO()) as supervisor:
        yield supervisor


def test_it_requires_its_password_and_keeps_its_data(tmp_path: Path, supervisor: Supervisor) -> None:
    server = prepare(tmp_path / "a directory" / "valkey")
    supervisor.start(server.child(name="first"))
    server.wait_until_ready(alive=lambda: supervisor.alive("first"))
    with redis.Redis.from_url(server.url) as client:
        client.set("kept", "yes")
    with (
        redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0)) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()
    supervisor.stop()

    again = prepare(tmp_path / "a directory" / "valkey")
    assert (again.port, again.password) == (server.port, server.password)
    supervisor.start(again.child(name="second"))
    again.wait_until_ready(alive=lambda: supervisor.alive("second"))
    with redis.Redis.from_url(again.url) as client:
        assert client.get("kept") == b"yes"


def test_it_listens_on_the_loopback_address_only_and_shows_no_password(tmp_path: Path, supervisor: Supervisor) -> None:
    server = prepare(tmp_path / "valkey")
    pid = supervisor.start(server.child())
    server.wait_until_ready(alive=lambda: supervisor.alive("valkey"))
    process = psutil.Process(pid)
    listening = {c.laddr for c in process.net_connections() if c.status == psutil.CONN_LISTEN}
    assert listening == {("127.0.0.1", server.port)}
    assert server.password not in " ".join(process.cmdline())
    assert server.password not in repr(server)
    for path in (tmp_path / "valkey").glob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE((tmp_path / "valkey").stat().st_mode) == 0o700


def test_a_port_that_another_program_has_taken_is_changed(tmp_path: Path) -> None:
    port = prepare(tmp_path / "valkey").port
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        changed = prepare(tmp_path / "valkey").port
    assert changed != port
    assert prepare(tmp_path / "valkey").port == changed


def test_a_server_that_ends_at_its_start_is_an_error(tmp_path: Path, supervisor: Supervisor) -> None:
    server = prepare(tmp_path / "valkey")
    os.mkdir(tmp_path / "valkey" / "appendonlydir")
    (tmp_path / "valkey" / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense")
    supervisor.start(server.child())
    with pytest.raises(ServerError, match=r"valkey-server ended at its start \(its data: .*valkey\)"):
        server.wait_until_ready(alive=lambda: supervisor.alive("valkey"))


def test_a_server_that_does_not_answer_is_an_error(tmp_path: Path) -> None:
    server = prepare(tmp_path / "valkey")
    with pytest.raises(ServerError, match=rf"does not answer on 127.0.0.1:{server.port} after 0.1 s"):
        server.wait_until_ready(alive=lambda: True, timeout_seconds=0.1)
