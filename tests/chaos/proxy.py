"""A TCP proxy whose network can be bad, as a process of its own.

    python -m tests.chaos.proxy PORT TARGET_PORT

It reads commands, one JSON object a line, and answers each with a line. `Proxy` is the storm's side.

A byte that is dropped is never delivered later: when a black hole ends, the connections that lost bytes are reset, as
by a peer that forgot them. The others go on.
"""

import asyncio
import contextlib
import itertools
import json
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

HOST = "127.0.0.1"
#: Directions of bytes: from the client to the server, and back.
DIRECTIONS = ("up", "down")


@dataclass(eq=False)
class Trouble:
    """A fault of the network while it lasts.

    Parameters:
      kind: `hole`, `delay` (value: seconds) or `throttle` (value: bytes per second).
      directions: Directions that it has.
      until_link: Links with a number below it are hit. None: new ones as well.
    """

    kind: str
    directions: list[str]
    value: float = 0
    until_link: int | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(eq=False)
class Link:
    """A client's connection and the server's."""

    number: int
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter

    def reset(self) -> None:
        """End both connections with RST."""
        for writer in (self.client, self.server):
            with contextlib.suppress(OSError):
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()

    def half_close(self, direction: str) -> None:
        """End one direction. The other one stays open."""
        with contextlib.suppress(OSError):
            (self.server if direction == "up" else self.client).write_eof()


class Relayed:
    """The proxy's process: links, troubles and commands."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.links: dict[int, Link] = {}
        self.troubles: dict[int, Trouble] = {}
        self.numbers = itertools.count()

    async def serve(self, port: int) -> None:
        await asyncio.start_server(self.accept, HOST, port, backlog=512)
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            answer = self.obey(json.loads(line))
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()

    def obey(self, command: dict[str, Any]) -> Any:
        match command.pop("do"):
            case "target":
                self.target = command["port"]
            case "begin":
                is_old = command.pop("existing")
                number = next(self.numbers)
                trouble = Trouble(**command, until_link=number if is_old else None)
                self.troubles[number] = trouble
                return number
            case "end":
                if ended := self.troubles.pop(command["number"], None):
                    ended.over.set()
            case "cut":
                links = list(self.links.values())[:: command["every"]]
                for link in links:
                    if command["how"] == "reset":
                        link.reset()
                    else:
                        link.half_close(command["direction"])
                return len(links)
        return None

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            their_reader, their_writer = await asyncio.open_connection(HOST, self.target)
        except OSError:
            writer.transport.abort()
            return
        for one in (writer, their_writer):
            one.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = next(self.numbers)
        link = self.links[number] = Link(number, writer, their_writer)
        try:
            await asyncio.gather(
                self.pump(reader, their_writer, link, "up"), self.pump(their_reader, writer, link, "down")
            )
        finally:
            self.links.pop(number, None)
            for one in (writer, their_writer):
                one.close()

    async def pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: Link, direction: str
    ) -> None:
        try:
            while data := await reader.read(65_536):
                if not await self.passes(data, link, direction):
                    link.reset()
                    return
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except (OSError, RuntimeError):
            link.reset()

    async def passes(self, data: bytes, link: Link, direction: str) -> bool:
        """Wait as the troubles have it. Return whether the bytes arrive."""
        for trouble in list(self.troubles.values()):
            is_hit = trouble.until_link is None or link.number < trouble.until_link
            if not is_hit or direction not in trouble.directions:
                continue
            if trouble.kind == "hole":
                await trouble.over.wait()
                return False
            await asyncio.sleep(trouble.value if trouble.kind == "delay" else len(data) / trouble.value)
        return True


class Proxy:
    """The storm's side of one proxy.

    Parameters:
      launch: Starts a process from its arguments and options of `Popen`.
    """

    def __init__(self, launch: "Callable[..., subprocess.Popen[bytes]]", *, port: int, target: int) -> None:
        self.port = port
        argv = (sys.executable, "-m", "tests.chaos.proxy", str(port), str(target))
        self.process = launch(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def tell(self, do: str, **command: Any) -> Any:
        """Give a command. Return the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": do, **command}).encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def retarget(self, port: int) -> None:
        """Send new connections to another server."""
        self.tell("target", port=port)

    def begin(self, kind: str, *, directions: list[str], value: float = 0, existing: bool = False) -> int:
        """Begin a trouble. Return its number for `end`.

        Parameters:
          existing: Only connections that are open now have it.
        """
        return int(self.tell("begin", kind=kind, directions=directions, value=value, existing=existing))

    def end(self, number: int) -> None:
        self.tell("end", number=number)

    def cut(self, how: str, *, every: int = 1, direction: str = "up") -> None:
        """Reset or half-close every n-th connection."""
        self.tell("cut", how=how, every=every, direction=direction)


if __name__ == "__main__":
    asyncio.run(Relayed(int(sys.argv[2])).serve(int(sys.argv[1])))
