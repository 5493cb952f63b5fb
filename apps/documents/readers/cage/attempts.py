"""Attempts to leave the cage, for the probe. Outside of the cage each succeeds, and does no harm.

An attempt returns if it succeeds, and raises if it is held.
"""

import ctypes
import fcntl
import json
import mmap
import os
import resource
import signal
import socket
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from apps.documents.readers.cage import ROOT, kernel

PTRACE_SEIZE = 0x4206
CLONE_NEWUSER = 0x10000000
#: Numbers of system calls that no module of Python's makes, on x86_64 and aarch64.
CALLS = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "unshare": (272, 97),
    "setns": (308, 268), "mount": (165, 40), "fsopen": (430, 430), "memfd_create": (319, 279), "execveat": (322, 281),
    "keyctl": (250, 219), "bpf": (321, 280), "perf_event_open": (298, 241), "shmget": (29, 194), "chroot": (161, 51),
    "setitimer": (38, 103), "landlock_restrict_self": (446, 446), "io_uring_setup": (425, 425),
    "userfaultfd": (323, 282), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "rt_sigqueueinfo": (129, 138),
    "inotify_init1": (294, 26), "open_by_handle_at": (304, 265), "clock_settime": (227, 112),
    "timer_create": (222, 107), "personality": (135, 92), "finit_module": (313, 273), "setpriority": (141, 140),
}  # fmt: skip
#: Sets input of a terminal, as if its user had typed it.
TIOCSTI = 0x5412
#: Machine code that makes the 32-bit call `getpid` on a processor of 64 bits, and the first number of x32's calls.
GETPID_OF_32_BITS, X32_CALLS = bytes.fromhex("b814000000cd80c3"), 0x40000000
#: Bytes of one write to the error output.
MUCH_BYTES = 1024**2
#: Environment variables of the process that are known to hold no secret.
HARMLESS = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUTF8", "OPENBLAS_NUM_THREADS", "TMPDIR", "LC_CTYPE"}
#: Descriptors of the process: the file, the error output (twice), and the answers.
DESCRIPTORS = {0, 1, 2, 3}


class HeldError(Exception):
    """The attempt is held without an error of the system's."""


class Attempts:
    """The attempts.

    Parameters:
      folder: A folder outside of the cage, with a file `secret`, a file `program` that may be started and is no
        program, and a socket `socket` that is listened to.
      port: A TCP port of this host that is listened to.
      abstract: Name of an abstract socket that is listened to.
      parent: Pid of the process that started this one.
      deadly: Name of an attempt at which the process ends where it is held. Empty: all the others are made.
    """

    def __init__(self, *, folder: str, port: int, abstract: str, parent: int, deadly: str = "") -> None:
        self.deadly = deadly
        self.folder = Path(folder)
        self.port = port
        self.abstract = abstract
        self.parent = parent

    def __call__(self, file: BinaryIO, limits: Any, on_progress: Any) -> bytes:
        """Make the attempts, and return for each whether it was held: as JSON, by name."""
        attempts = {self.deadly: DEADLY[self.deadly]} if self.deadly else self.all(limits.memory_bytes)
        return json.dumps({name: _held(attempt) for name, attempt in attempts.items()}).encode()

    def all(self, memory_bytes: int) -> dict[str, Callable[[], object]]:
        secret, new = self.folder / "secret", self.folder / "new"
        settings = ROOT / "aiWriting" / "settings.py"
        parent = Path("/proc") / str(self.parent)
        program = str(self.folder / "program")
        return {
            "network: connect by TCP": lambda: socket.create_connection(("127.0.0.1", self.port), timeout=5).close(),
            "network: send by UDP": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(
                b"x", ("127.0.0.1", self.port)
            ),
            "network: listen": lambda: socket.create_server(("127.0.0.1", 0)).close(),
            "network: connect to a socket in a folder": lambda: _connect(str(self.folder / "socket")),
            "network: connect to an abstract socket": lambda: _connect(f"\0{self.abstract}"),
            "network: make a pair of sockets": socket.socketpair,
            "network: watch the network (netlink)": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
            "programs: replace this process": lambda: _execute(program),
            "programs: fork": _fork,
            "programs: start one": lambda: os.posix_spawn("/bin/true", ["true"], {}),
            "programs: make one in memory": lambda: _call("memfd_create", ctypes.create_string_buffer(b"x"), 0),
            "programs: replace this process by an open one": lambda: _faulty("execveat", -1, None, None, None, 0),
            "programs: start a thread": _thread,
            "others: trace the parent": lambda: _call("ptrace", PTRACE_SEIZE, self.parent, None, 0),
            "others: read the parent's memory": lambda: _read_memory(self.parent),
            "others: write to the parent's memory": lambda: _faulty(
                "process_vm_writev", self.parent, None, 0, None, 0, 0
            ),
            "others: open the parent's memory": lambda: (parent / "mem").open("rb").close(),
            "others: list the parent's descriptors": lambda: os.listdir(parent / "fd"),
            "others: take a descriptor of the parent's": lambda: _faulty("pidfd_getfd", -1, 0, 0),
            "others: signal the parent": lambda: os.kill(self.parent, 0),
            "others: signal all processes": lambda: os.kill(-1, 0),
            "others: signal the own group": lambda: os.killpg(0, 0),
            "others: have a signal sent to the parent": lambda: fcntl.fcntl(0, fcntl.F_SETOWN, self.parent),
            "others: queue a signal for the parent": lambda: _faulty("rt_sigqueueinfo", self.parent, 0, None),
            "others: type into a terminal": lambda: _faulty_control(TIOCSTI),
            "others: watch files": lambda: _call("inotify_init1", 0),
            "others: hold the parent by a descriptor": lambda: _call("pidfd_open", self.parent, 0),
            "others: share memory": lambda: _call("shmget", 0, 4096, 0o1600),
            "others: share memory by a file": lambda: tempfile.TemporaryFile(dir="/dev/shm").close(),
            "others: look at the parent's limits": lambda: resource.prlimit(self.parent, resource.RLIMIT_CORE),
            "others: change the parent's limits": lambda: resource.prlimit(
                self.parent, resource.RLIMIT_CORE, resource.prlimit(self.parent, resource.RLIMIT_CORE)
            ),
            "files: read /etc/passwd": Path("/etc/passwd").read_bytes,
            "files: read the settings": settings.read_bytes,
            "files: read another file": secret.read_bytes,
            "files: list a folder": lambda: os.listdir("/"),
            "files: open one without a name": lambda: _faulty("open_by_handle_at", -1, None, 0),
            "files: read the parent's environment": (parent / "environ").read_bytes,
            "files: read the own environment": Path("/proc/self/environ").read_bytes,
            "files: make one": lambda: new.write_text("x"),
            "files: write to one": lambda: secret.open("r+").close(),
            "files: write to the code": lambda: (ROOT / "apps" / "__init__.py").open("a").close(),
            "files: cut one off": lambda: os.truncate(secret, 6),
            "files: delete one": lambda: (self.folder / "deleted").unlink(),
            "files: rename one": lambda: (self.folder / "renamed").rename(self.folder / "other"),
            "files: link to one": lambda: os.symlink(secret, self.folder / "link"),
            "files: make a folder": lambda: (self.folder / "made").mkdir(),
            "files: make a pipe": lambda: os.mkfifo(self.folder / "pipe"),
            "files: change the mode of one": lambda: secret.chmod(0o600),
            "files: write to the own file": lambda: os.write(0, b"x"),
            "files: fill the disk by the error output": lambda: [os.write(2, bytes(MUCH_BYTES)) for _ in range(8)],
            "kernel: make a namespace of users": lambda: _call("unshare", CLONE_NEWUSER),
            "kernel: change the root": lambda: _call("chroot", ctypes.create_string_buffer(b"/")),
            "kernel: enter a namespace": lambda: _faulty("setns", -1, 0),
            "kernel: mount": lambda: _faulty("mount", None, None, None, 0, None),
            "kernel: open a file system": lambda: _faulty("fsopen", None, 0),
            "kernel: load a module": lambda: _faulty("finit_module", -1, None, 0),
            "kernel: set the clock": lambda: _faulty("clock_settime", 0, None),
            "kernel: be another system": lambda: _call("personality", 0xFFFFFFFF),
            "kernel: io_uring": lambda: _call("io_uring_setup", 1, ctypes.create_string_buffer(120)),
            "kernel: load a filter": lambda: _faulty("bpf", 0, None, 128),
            "kernel: count events": lambda: _faulty("perf_event_open", None, 0, -1, -1, 0),
            "kernel: handle faults of pages": lambda: _call("userfaultfd", 1),
            "kernel: keys": lambda: _call("keyctl", 0, -3, 1),
            "limits: take much memory": lambda: _take(2 * memory_bytes),
            "limits: take much shared memory": lambda: mmap.mmap(-1, 2 * memory_bytes),
            "limits: change one": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20)),
            "limits: stop the own alarm": lambda: signal.setitimer(signal.ITIMER_REAL, 0),
            "limits: set a timer": lambda: _faulty("timer_create", -1, None, None),
            "limits: compute before others": lambda: _faulty("setpriority", 0, 0, 0),
            "inherited: an environment": _environment,
            "inherited: descriptors": _descriptors,
        }


def _held(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    # Python says RuntimeError if a thread does not start, and ValueError if a limit does not change.
    except (OSError, MemoryError, RuntimeError, ValueError, HeldError):
        return True
    return False


def _number(name: str) -> int:
    return CALLS[name][kernel.architecture() is kernel.AARCH64]


def _call(name: str, *arguments: Any) -> None:
    kernel.call(_number(name), *arguments)


def _faulty(name: str, *arguments: Any) -> None:
    """Make a call with arguments that it refuses, as a right one would do harm or need rights."""
    try:
        _call(name, *arguments)
    except PermissionError:
        raise
    except OSError:
        return


def _faulty_control(control: int) -> None:
    try:
        fcntl.ioctl(0, control, b"x")
    except PermissionError:
        raise
    except OSError:
        return  # It looked at the file, which is no terminal.


def _call_of_32_bits() -> None:
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(GETPID_OF_32_BITS)
    function = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    if function() != os.getpid():
        raise HeldError


def _call_of_x32() -> None:
    kernel.call(X32_CALLS | kernel.X86_64.calls["getpid"])


def _execute(program: str) -> None:
    try:
        os.execv(program, [program])  # noqa: S606
    except OSError as error:
        # It was looked at: an empty file is no program.
        if error.strerror != "Exec format error":
            raise


def _connect(address: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address)


def _fork() -> None:
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _thread() -> None:
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()


class _Area(ctypes.Structure):
    _fields_ = (("start", ctypes.c_void_p), ("size_bytes", ctypes.c_size_t))


def _read_memory(pid: int) -> None:
    """Ask for a word of the parent's memory."""
    word = ctypes.create_string_buffer(8)
    own = _Area(ctypes.addressof(word), 8)
    try:
        _call("process_vm_readv", pid, own, 1, _Area(8, 8), 1, 0)
    except PermissionError:
        raise
    except OSError:
        return  # It looked, and there is nothing at that address.


def _take(size_bytes: int) -> None:
    taken = bytearray(size_bytes)
    del taken


def _environment() -> None:
    if not set(os.environ) - HARMLESS:
        raise HeldError


def _descriptors() -> None:
    found = set()
    for descriptor in range(1024):
        with suppress(OSError):
            os.fstat(descriptor)
            found.add(descriptor)
    if found <= DESCRIPTORS:
        raise HeldError


#: Attempts that the filter answers with the end of the process, on the architecture that has them.
DEADLY: dict[str, Callable[[], object]] = {
    "kernel: make a call of 32 bits": _call_of_32_bits,
    "kernel: make a call of x32": _call_of_x32,
}

#: `readers.__main__` starts this.
WORK = Attempts
