"""aiWriting on one machine: `bin/run` starts it when everything is installed.

It keeps a Redis-protocol server (unless REDIS_URL names one), the web, a worker and the scheduler running, with their
data under `var/`. If it cannot start, it says why in one line.
"""

import argparse
import contextlib
import fcntl
import http.client
import io
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import django
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection

from aiWriting import environment, reachable
from aiWriting.environment import BASE_DIR, VAR_DIR
from workers.embedded import secret_file
from workers.embedded.server import ServerError, prepare
from workers.supervision.supervisor import Child, Supervisor

if TYPE_CHECKING:
    from aiWriting.sample import Sample

HOST = "127.0.0.1"
#: Seconds that running tasks may go on after Ctrl-C, unless WORKER_DRAIN_SECONDS says otherwise.
DRAIN_SECONDS = 6
#: Seconds on top of that, for writing the outcomes.
CLOSING_SECONDS = 2.5
#: Deaths of a child within half a minute after which the run ends.
GIVE_UP_AFTER = 5
#: Seconds that the last process of a killed run may take to end.
LEAVING_SECONDS = 20
POLL_SECONDS = 0.1
#: Prefix of the sample task's lines, beside those of the children.
SAMPLE = "sample"
#: The user of the first start.
USERNAME = "writer"


class CannotStartError(Exception):
    """The reason why aiWriting cannot start, in one line."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="bin/run", description="Runs aiWriting on this machine; Ctrl-C stops it.")
    parser.epilog = "Environment: PORT (8000), DATABASE_URL, REDIS_URL, WORKER_PROCESSES, WORKER_THREADS, PYTHON."
    parser.parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        return Standalone(port=environment.integer("PORT", 8000, minimum=1, maximum=65535)).run()
    except KeyboardInterrupt:
        return 130
    except (
        CannotStartError,
        ServerError,
        reachable.UnreachableError,
        ImproperlyConfigured,
        DatabaseError,
        OSError,
    ) as error:
        print(f"bin/run: {' '.join(str(error).split())}", file=sys.stderr)
        return 1


class Standalone:
    """One run.

    Parameters:
      port: Port of the web, which listens on this machine alone.
    """

    def __init__(self, *, port: int) -> None:
        self.port = port
        self.url = f"http://{HOST}:{port}"
        self.sample: Sample | None = None
        self.stopping = threading.Event()

    def run(self) -> int:
        """Start everything, keep it running until a signal, stop it, and return the exit code."""
        os.umask(0o077)  # Only the owner may read the database and the server's data.
        VAR_DIR.mkdir(parents=True, exist_ok=True)
        with alone() as lock, contextlib.ExitStack() as stack:
            check_port(self.port)
            supervisor = stack.enter_context(Supervisor(prefixed=True, give_up_after=GIVE_UP_AFTER, keep_open=(lock,)))
            stack.callback((VAR_DIR / "redis-url").unlink, missing_ok=True)
            self.prepare(supervisor)
            greeter = threading.Thread(target=self.greet, args=(supervisor,), name="greeter", daemon=True)
            greeter.start()
            for child in self.children():
                supervisor.start(child)
            code = supervisor.run()
            self.stopping.set()
            greeter.join(1)
            return code

    def prepare(self, supervisor: Supervisor) -> None:
        """Prepare the secret files, Redis, the settings, the database and the first data."""
        os.environ["DJANGO_SETTINGS_MODULE"] = "aiWriting.settings"
        os.environ["WORKER_DRAIN_SECONDS"] = environment.text("WORKER_DRAIN_SECONDS", str(DRAIN_SECONDS))
        os.environ["PYTHONUNBUFFERED"] = "1"
        os.environ["LOG_FORMAT"] = environment.text("LOG_FORMAT", "terminal")
        if supervisor.terminal.coloured:
            # The children write into pipes.
            os.environ["FORCE_COLOR"] = "1"
        if not environment.text("SECRET_KEY"):
            secret_file.read_or_make(VAR_DIR / "secret-key", make=lambda: secrets.token_urlsafe(50))
        (VAR_DIR / "redis-url").unlink(missing_ok=True)
        server = None
        if not environment.text("REDIS_URL"):
            server = prepare(VAR_DIR / "valkey")
            secret_file.write(VAR_DIR / "redis-url", server.url)
            supervisor.start(server.child())
        django.setup()
        if server is not None:
            try:
                server.wait_until_ready(alive=lambda: supervisor.alive("valkey"))
            except ServerError:
                supervisor.show_tail("valkey")
                raise
        self.prepare_data()

    def prepare_data(self) -> None:
        from django.conf import settings
        from django.core.management import call_command
        from django.db.migrations.executor import MigrationExecutor

        from aiWriting import migration_history, sample

        reachable.check_redis(settings.REDIS_URL)
        reachable.check_database(settings.DATABASE_URL)
        executor = MigrationExecutor(connection)
        if not migration_history.is_ours(connection, executor.loader):
            place = "the database of DATABASE_URL" if environment.text("DATABASE_URL") else str(VAR_DIR)
            raise CannotStartError(
                "the database was made by another version of aiWriting and cannot be used; "
                f"delete {place} to start anew"
            )
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            print("Bringing the database up to date ...", flush=True)
            call_command("migrate", interactive=False, verbosity=0)
        self.sample = sample.seed(username=USERNAME)
        connection.close()

    def children(self) -> list[Child]:
        """Return the processes besides Redis, which outlives them."""
        manage = (sys.executable, str(BASE_DIR / "manage.py"))
        web = (
            sys.executable, "-m", "uvicorn", "aiWriting.asgi:application", "--host", HOST, "--port", str(self.port),
            "--http", "aiWriting.gate.connection:Connection", "--ws", "none", "--no-proxy-headers",
            "--no-server-header",
        )  # fmt: skip
        drain_seconds = environment.integer("WORKER_DRAIN_SECONDS", DRAIN_SECONDS)
        return [
            Child(
                name="web",
                argv=(*web, "--log-level", "warning", "--no-access-log", "--timeout-graceful-shutdown", "2"),
                # There is no collected copy of the static files, and none is needed here.
                env={**os.environ, "PYTHONWARNINGS": "ignore:No directory at"},
                cwd=BASE_DIR,
                grace_seconds=4,
            ),
            Child(
                name="worker", argv=(*manage, "runworker"), cwd=BASE_DIR, grace_seconds=drain_seconds + CLOSING_SECONDS
            ),
            Child(name="scheduler", argv=(*manage, "runscheduler"), cwd=BASE_DIR, grace_seconds=4),
        ]

    def greet(self, supervisor: Supervisor) -> None:
        """Show the addresses when the web answers, and the progress of the sample until it is done."""
        while not self.answers():
            if self.stopping.wait(POLL_SECONDS):
                break
        supervisor.write("\n".join(["", *self.banner(), ""]))
        if self.sample is not None:
            for line in self.sample_lines(self.sample.task_id):
                supervisor.say(SAMPLE, line)

    def answers(self) -> bool:
        """Return whether the web answers, with any status."""
        link = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            link.request("GET", "/healthz")
            link.getresponse()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            link.close()
        return True

    def banner(self) -> list[str]:
        """Return the lines with addresses and user. A new password is shown even if the web never answered."""
        lines = []
        if not self.stopping.is_set():
            lines += ["aiWriting runs; Ctrl-C stops it.", ""]
            lines += [f"  Open      {self.url}/", f"  Admin     {self.url}/admin/", f"  API       {self.url}/api/"]
        if self.sample is not None:
            lines += [f"  User      {self.sample.username}", f"  Password  {self.sample.password}   (shown only now)"]
        elif self.has_sample_user():
            lines += [f"  User      {USERNAME}   (password lost? .venv/bin/python manage.py changepassword {USERNAME})"]
        return lines

    def has_sample_user(self) -> bool:
        from apps.accounts.models import User

        try:
            return User.objects.filter(username=USERNAME).exists()
        finally:
            connection.close()

    def sample_lines(self, task_id: str) -> Iterator[str]:
        """Yield a line for each progress of the sample's task, until it ends or the run stops."""
        from apps.tasks.models import TaskStatus

        last = None
        try:
            while not self.stopping.wait(POLL_SECONDS):
                task = TaskStatus.objects.filter(task_id=task_id).first()
                if task is None:
                    return
                now = (task.status, task.progress, task.progress_text)
                if now != last:
                    yield f"{task.progress:3d} %  {task.error_message or task.progress_text or task.status}"
                    last = now
                if task.is_finished:
                    return
        finally:
            connection.close()


@contextlib.contextmanager
def alone() -> Iterator[int]:
    """Hold the lock of `var/` and yield its descriptor.

    The supervisor's watchdog shares the lock. After `kill -9` the next run waits until the last process is gone, since
    two servers would destroy each other's data.

    Raises:
      CannotStartError: Another run holds the lock.
    """
    with (VAR_DIR / "lock").open("a+") as lock:
        deadline = time.monotonic() + LEAVING_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                lock.seek(0)
                holder = lock.read().strip()
                if is_running(holder) or time.monotonic() > deadline:
                    raise CannotStartError(
                        f"aiWriting runs already with {VAR_DIR} (process {holder}); "
                        "stop that one first, or give this one its own AIWRITING_VAR and PORT"
                    ) from None
            time.sleep(POLL_SECONDS)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield lock.fileno()


def is_running(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def check_port(port: int) -> None:
    """Check that the web can listen on the port.

    Raises:
      CannotStartError: It cannot.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen()
        except OSError as error:
            raise CannotStartError(
                f"port {port} cannot be had on {HOST}: {error.strerror}; choose another with PORT={port + 1} bin/run"
            ) from None


if __name__ == "__main__":
    sys.exit(main())
