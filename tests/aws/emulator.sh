# How the emulator of AWS is installed, started and stopped; for scripts to source, from the root of the repository with `set -euo pipefail`.
#
#   . tests/aws/emulator.sh
#   emulator_install          # below target/, every package pinned by digest (tests/aws/requirements.txt)
#   emulator_start            # on loopback, on a free port: sets $emulator_url, $emulator_log and $emulator_dir
#   trap emulator_stop EXIT
#
# emulator_install and emulator_start give 3 where something is missing and 1 where the emulator does not start, and say so.

. tests/install.sh

emulator_url="" emulator_log="" emulator_dir="" emulator_pid=""
emulator_venv=${CARGO_TARGET_DIR:-$PWD/target}/tools/emulator

emulator_missing() {
    echo "$0: $1; NOTHING WAS ASKED OF THE EMULATOR. $2" >&2
    return 3
}

emulator_install() {
    python_venv "$emulator_venv" tests/aws/requirements.txt ||
        emulator_missing "what the emulator needs is MISSING" "See the line before."
}

# The account is that of the correspondence of layers: the ARNs must be the bundle's.
emulator_start() {
    local account port
    account=$(sed -n 's/^account = "\([0-9]*\)"$/\1/p' policies/correspondence.toml)
    [ ${#account} = 12 ] ||
        { emulator_missing "policies/correspondence.toml names no account" "Expected: account = \"123456789012\"."; return 3; }
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    emulator_dir=$(mktemp -d)
    emulator_log=$emulator_dir/log
    emulator_url=http://127.0.0.1:$port

    # Nothing of the caller's AWS set-up may reach the emulator or whoever asks it. Every listener is on loopback: the one for MQTT
    # would be on all interfaces. Without a Docker socket it starts no containers.
    local name
    for name in $(compgen -e AWS_ || true); do unset "$name"; done
    (
        cd "$emulator_dir"
        exec env AUTH=true BIND_HOST=127.0.0.1 GATEWAY_PORT="$port" MINISTACK_ACCOUNT_ID="$account" IOT_MTLS_ENABLED=0 \
            DOCKER_HOST="unix://$emulator_dir/no-docker.sock" HOME="$emulator_dir" TMPDIR="$emulator_dir" \
            "$emulator_venv/bin/python" -m ministack
    ) >"$emulator_log" 2>&1 &
    emulator_pid=$!

    for _ in $(seq 150); do
        emulator_ready && return 0
        kill -0 "$emulator_pid" 2>/dev/null || break
        sleep 0.2
    done
    emulator_ready && return 0
    tail -n 30 "$emulator_log" >&2
    echo "$0: the emulator does not start; NOTHING WAS ASKED OF IT." >&2
    return 1
}

emulator_ready() {
    python3 - "$emulator_url/_ministack/health" <<'END' 2>/dev/null
import sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
sys.exit(opener.open(sys.argv[1], timeout=2).status != 200)
END
}

emulator_stop() {
    if [ -n "$emulator_pid" ] && kill -0 "$emulator_pid" 2>/dev/null; then
        kill "$emulator_pid" 2>/dev/null || true
        for _ in $(seq 50); do
            kill -0 "$emulator_pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$emulator_pid" 2>/dev/null || true
    fi
    [ -z "$emulator_dir" ] || rm -rf "$emulator_dir"
}
