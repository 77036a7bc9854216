# Where cfn-guard comes from; for scripts to source, from the root of the repository. guard_install sets $guard, or gives 3 and says why not.
#
# The registry of npm has its binary for Linux and macOS, inside of another package of AWS's, and it is there in seconds; that package is
# held to a digest. Where it cannot be had, cargo builds it, which takes some ten minutes.

guard_package=@cdklabs/cdk-validator-cfnguard@0.0.62
guard_digest=660c14562d4c79d524d0623d80d494e41797acae9da23ecb10915d7f66ada80c
guard_version=3.2.1
guard=""

guard_install() {
    local tools system archive work
    tools=${CARGO_TARGET_DIR:-$PWD/target}/tools
    guard=$tools/bin/cfn-guard
    [ -x "$guard" ] && return 0
    case "$(uname -s)" in Linux) system=ubuntu ;; Darwin) system=macos ;; *) system="" ;; esac
    mkdir -p "$tools/bin"
    work=$(mktemp -d)
    if [ -n "$system" ] && command -v npm >/dev/null && (cd "$work" && npm pack --silent "$guard_package" >/dev/null); then
        archive=$(echo "$work"/*.tgz)
        if [ "$(guard_sum "$archive")" = "$guard_digest" ]; then
            tar -xzf "$archive" -C "$work"
            cp "$work/package/bin/$system/$(uname -m | sed s/arm64/aarch64/)/cfn-guard" "$guard" && chmod +x "$guard"
        else
            echo "$0: $guard_package is not what it was; it is not used" >&2
        fi
    fi
    rm -rf "$work"
    if ! "$guard" --version >/dev/null 2>&1; then
        rm -f "$guard"
        echo "==== building cfn-guard (takes some ten minutes)"
        (unset CARGO_TARGET_DIR && cargo install cfn-guard --version "$guard_version" --locked --quiet --debug --root "$tools" --target-dir "$tools/build") || {
            echo "$0: cfn-guard is MISSING: neither npm nor cargo could get it; THE RULES WERE NOT HELD TO ANYTHING" >&2
            return 3
        }
    fi
}

guard_sum() {
    if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1
}
