# How scripts get what they need and is not there; for scripts to source, from the root of the repository with `set -euo pipefail`.

# has COMMAND PACKAGE...: whether the command is there, after trying to install the packages of Debian that bring it.
has() {
    local command=$1 as_root=()
    shift
    command -v "$command" >/dev/null && return 0
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || return 1
        as_root=(sudo -n)
    fi
    printf '==== installing %s\n' "$*"
    "${as_root[@]}" apt-get update -qq || true
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" || return 1
    command -v "$command" >/dev/null
}

# python_venv DIRECTORY REQUIREMENTS: a virtual environment with exactly these packages. Gives 3 where it cannot be made, and says why.
python_venv() {
    command -v python3 >/dev/null || { echo "$0: python3 is MISSING. Install Python 3.10 or newer with its venv." >&2; return 3; }
    cmp -s "$2" "$1/installed" && return 0
    echo "==== installing what $2 lists below $1"
    rm -rf "$1"
    mkdir -p "$(dirname "$1")"
    python3 -m venv "$1" || { echo "$0: python3 cannot make a virtual environment. Install the package python3-venv." >&2; return 3; }
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$2" ||
        { echo "$0: $2 cannot be installed. It says what is needed." >&2; return 3; }
    cp "$2" "$1/installed"
}
