"""Make .venv what the requirements say. `bin/_venv.sh` runs it with a Python that is new enough.

A stamp in .venv holds the text of what was installed. It is removed before an installation and written after it, so
an installation that was interrupted leaves none and is made anew.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
FILES = {
    "run": "requirements.txt",
    "test": "requirements-dev.txt",
}
SHOWN_LINES = 40


def stamp(purpose: str) -> Path:
    return VENV / f".installed-for-{purpose}"


def wanted(purpose: str) -> str:
    """Return the text that the stamp must have: the Python and the pinned requirements."""
    return f"{sys.version}\n{(ROOT / FILES[purpose]).read_text()}"


def installed(purpose: str) -> str:
    try:
        return stamp(purpose).read_text()
    except OSError:
        return ""


def same_python() -> bool:
    """Return whether .venv holds an installation that was finished, by this version of Python."""
    stamps = [installed(purpose) for purpose in FILES]
    return os.access(PYTHON, os.X_OK) and any(text.startswith(sys.version + "\n") for text in stamps)


def run(*command: "str | Path") -> None:
    """Run the command in silence. If it fails, show the end of its output and exit with 1."""
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        print("\n".join(done.stdout.splitlines()[-SHOWN_LINES:]), file=sys.stderr)
        sys.exit(f"{' '.join(map(str, command))} failed with exit code {done.returncode}, see above")


def install(purpose: str) -> None:
    if not same_python():
        print(f"Making .venv with Python {sys.version.split()[0]} ...", flush=True)
        shutil.rmtree(VENV, ignore_errors=True)
        base = getattr(sys, "_base_executable", None) or sys.executable  # Not the one inside the old .venv.
        run(base, "-m", "venv", VENV)
    for every in FILES:
        stamp(every).unlink(missing_ok=True)
    print(f"Installing {FILES[purpose]} into .venv (about half a minute) ...", flush=True)
    home = os.environ.get("HOME")
    cache = [] if home and os.access(home, os.W_OK) else ["--no-cache-dir"]
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", *cache]
    run(*pip, "-r", FILES[purpose])
    for done in FILES if purpose == "test" else ("run",):  # The requirements of the tests include those of a run.
        unfinished = VENV / ".unfinished"
        unfinished.write_text(wanted(done))
        unfinished.replace(stamp(done))


def main() -> None:
    purpose = sys.argv[1]
    if installed(purpose) == wanted(purpose) and os.access(PYTHON, os.X_OK):
        return
    with open(__file__) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another installation into .venv ...", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        if installed(purpose) != wanted(purpose) or not os.access(PYTHON, os.X_OK):
            install(purpose)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted; the next start begins anew")
