# What bin/run and bin/test share, sourced by both: the checkout's place, a Python, and .venv with what is pinned.
# Plain POSIX sh.

unset CDPATH PYTHONHOME PYTHONPATH PIP_PREFIX PIP_TARGET PIP_USER
ROOT=$(cd -- "$(dirname -- "$0")/.." && pwd -P) || exit 1
cd "$ROOT" || exit 1
VENV=$ROOT/.venv

refuse() {
    printf '%s: %s\n' "$0" "$1" >&2
    exit 1
}

# Any Python since 2 understands it.
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

# Sets $python: what PYTHON names, else that of .venv, else the newest that we know.
find_python() {
    if [ -n "${PYTHON:-}" ]; then
        set -- "$PYTHON"
    else
        set -- "$VENV/bin/python" python3.13 python3.12 python3.11 python3
    fi
    old='' bare=''
    for candidate in "$@"; do
        # Ran, not only found: pyenv has a python3.12 on the PATH that refuses to be one.
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

# Makes .venv what requirements.txt (run) or requirements-dev.txt (test) say; does nothing where it is.
prepare_venv() {
    find_python
    "$python" "$ROOT/bin/_venv.py" "$1" || exit 1
}
