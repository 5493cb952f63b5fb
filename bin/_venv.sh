# Sourced by bin/run and bin/test: finds the checkout and a Python, and makes .venv. Plain POSIX sh.

unset CDPATH PYTHONHOME PYTHONPATH PIP_PREFIX PIP_TARGET PIP_USER
ROOT=$(cd -- "$(dirname -- "$0")/.." && pwd -P) || exit 1
cd "$ROOT" || exit 1
VENV=$ROOT/.venv

refuse() {
    printf '%s: %s\n' "$0" "$1" >&2
    exit 1
}

# Must run on any Python since 2.
PROBE='
import sys
version = "%d.%d.%d" % sys.version_info[:3]
if sys.version_info < (3, 11):
    print("old " + version)
else:
    try:
        import ensurepip, venv
        print("good " + version)
    except ImportError:
        print("bare " + version)
'

# Set $python to the one that PYTHON names, else that of .venv, else the newest.
find_python() {
    if [ -n "${PYTHON:-}" ]; then
        set -- "$PYTHON"
    else
        set -- "$VENV/bin/python" python3.13 python3.12 python3.11 python3
    fi
    old='' bare=''
    for candidate in "$@"; do
        # Run it: pyenv puts a python3.12 on the PATH that does not run.
        answer=$("$candidate" -c "$PROBE" 2>/dev/null) || continue
        case $answer in
            good\ *) python=$candidate; return ;;
            bare\ *) bare=${bare:-"$candidate is Python ${answer#* }"} ;;
            old\ *) old=${old:-"$candidate is Python ${answer#* }"} ;;
        esac
    done
    other="name another with PYTHON=/path/to/python $0"
    [ -z "$bare" ] || refuse "$bare without the venv module (Debian, Ubuntu: apt install python3-venv); or $other"
    [ -z "$old" ] || refuse "$old, too old: aiWriting needs 3.11 or newer; $other"
    refuse "${PYTHON:-python3} does not run: aiWriting needs Python 3.11 or newer; $other"
}

# Install requirements.txt (run) or requirements-dev.txt (test) into .venv, unless that is done.
prepare_venv() {
    find_python
    "$python" "$ROOT/bin/_venv.py" "$1" || exit 1
}
