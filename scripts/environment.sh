# Sourced by scripts/demo and scripts/test: makes .venv at the root from one of the two hashed locks.
# Usage: prepare_environment requirements.lock | requirements-test.lock

find_python() {
    local name
    for name in python3.11 python3.12 python3; do
        if command -v "$name" >/dev/null 2>&1 &&
            "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null; then
            command -v "$name"
            return 0
        fi
    done
    return 1
}

make_virtual_environment() {
    local python=$1
    if "$python" -m venv .venv >/dev/null 2>&1; then
        return 0
    fi
    rm -rf .venv
    # Debian parts ensurepip from Python: any pip or virtualenv at hand will do instead.
    if command -v virtualenv >/dev/null 2>&1 && virtualenv -q -p "$python" .venv >/dev/null 2>&1; then
        return 0
    fi
    if "$python" -m venv --without-pip .venv >/dev/null 2>&1 && "$python" -m pip --version >/dev/null 2>&1; then
        return 0
    fi
    rm -rf .venv
    echo "Python's venv module is missing: apt-get install python3-venv" >&2
    exit 69
}

run_pip() {
    local python=$1
    shift
    if .venv/bin/python -m pip --version >/dev/null 2>&1; then
        .venv/bin/python -m pip --disable-pip-version-check "$@"
    else
        "$python" -m pip --disable-pip-version-check --python .venv/bin/python "$@"
    fi
}

# Our own modules compiled beforehand: a node's start would otherwise compile them each time where the environment
# forbids Python to write (PYTHONDONTWRITEBYTECODE), which takes longer than everything else in it.
compile_modules() {
    .venv/bin/python -m compileall -q node consensus contracts || true
}

prepare_environment() {
    local lock=$1 python wanted stamp=.venv/.praya-environment
    wanted=$(cat "$lock" pyproject.toml | sha256sum | cut -d' ' -f1)
    # The testing lock is a superset of the running one with the same versions, so it serves both.
    if [ -x .venv/bin/praya ] && grep -qs "^$lock $wanted $PWD$" "$stamp"; then
        compile_modules
        return 0
    fi
    python=$(find_python) || {
        echo "Python 3.11 or 3.12 is missing: apt-get install python3 python3-venv" >&2
        exit 69
    }
    echo "Setting up .venv with $("$python" --version) from $lock ..." >&2
    [ -x .venv/bin/python ] || make_virtual_environment "$python"
    run_pip "$python" install -q --compile --require-hashes --only-binary :all: -r "$lock"
    run_pip "$python" install -q --no-build-isolation --no-deps -e .
    {
        echo "$lock $wanted $PWD"
        if [ "$lock" = requirements-test.lock ]; then
            echo "requirements.lock $(cat requirements.lock pyproject.toml | sha256sum | cut -d' ' -f1) $PWD"
        fi
    } >"$stamp"
    compile_modules
}
