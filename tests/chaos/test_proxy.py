"""The proxy of the storm does to connections what a bad network does."""

import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator

import pytest

from tests.chaos.proxy import HOST, Proxy
from tests.waiting import wait_until
from workers.embedded.server import free_port, is_free

BOTH = ["up", "down"]


class Echo(socketserver.BaseRequestHandler):
    """Answers with what it gets, after the server's name."""

    def handle(self) -> None:
        while data := self.request.recv(100):
            self.request.sendall(self.server.name + data)  # type: ignore[attr-defined]


def serve(name: bytes) -> socketserver.ThreadingTCPServer:
    server = socketserver.ThreadingTCPServer((HOST, 0), Echo)
    server.daemon_threads = True
    server.name = name  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy before a server that is called `one`."""
    with serve(b"one ") as server:
        port = free_port()
        found = Proxy(subprocess.Popen, port=port, target=server.server_address[1])
        wait_until(lambda: not is_free(port))
        yield found
        found.process.kill()
        found.process.communicate()
        server.shutdown()


def connect(proxy: Proxy) -> socket.socket:
    """Return a connection through the proxy to its target. It has been used."""
    link = socket.create_connection((HOST, proxy.port), timeout=10)
    assert ask(link, b"first").endswith(b" first")
    return link


def ask(link: socket.socket, data: bytes) -> bytes:
    link.sendall(data)
    return link.recv(100)


def is_silent(link: socket.socket) -> bool:
    """Return whether no answer comes for a moment."""
    link.settimeout(0.1)
    try:
        link.recv(100)
    except TimeoutError:
        return True
    finally:
        link.settimeout(10)
    return False


def test_a_hole_swallows_bytes_and_its_end_resets_the_connections_that_lost_some(proxy: Proxy) -> None:
    with connect(proxy) as used, connect(proxy) as unused:
        number = proxy.begin("hole", directions=["up"])
        used.sendall(b"lost")
        assert is_silent(used)
        proxy.end(number)
        with pytest.raises(ConnectionResetError):
            used.recv(100)
        assert ask(unused, b"later") == b"one later"


def test_a_hole_in_open_connections_spares_new_ones(proxy: Proxy) -> None:
    with connect(proxy) as old:
        proxy.begin("hole", directions=["down"], existing=True)
        with connect(proxy) as new:
            assert ask(new, b"x") == b"one x"
        old.sendall(b"lost")
        assert is_silent(old)


def test_a_delay_and_a_throttle_let_every_byte_arrive(proxy: Proxy) -> None:
    with connect(proxy) as link:
        proxy.begin("delay", directions=BOTH, value=0.01)
        proxy.begin("throttle", directions=BOTH, value=1_000)
        assert ask(link, b"slow") == b"one slow"


def test_a_cut_resets_connections(proxy: Proxy) -> None:
    with connect(proxy) as link:
        proxy.cut("reset")
        with pytest.raises(ConnectionResetError):
            link.recv(100)


def test_a_half_closed_connection_still_carries_the_other_direction(proxy: Proxy) -> None:
    with connect(proxy) as link:
        proxy.cut("half-close", direction="down")
        assert link.recv(100) == b""
        link.sendall(b"into the void")


def test_new_connections_go_to_another_server(proxy: Proxy) -> None:
    with serve(b"two ") as other, connect(proxy) as old:
        proxy.retarget(other.server_address[1])
        with connect(proxy) as new:
            assert ask(new, b"x") == b"two x"
        assert ask(old, b"x") == b"one x"
        other.shutdown()
