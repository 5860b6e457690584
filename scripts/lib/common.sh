# shellcheck shell=bash
# Used by every script: paths, messages, waiting for events, one run at a time.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# Built here and run from here, wherever the user's environment or configuration has cargo build: programs that lie
# somewhere else may be older.
export CARGO_TARGET_DIR=$ROOT/target

# The lab's name: prefix of its namespaces, so that several labs can stand side by side.
: "${LAB:=lab}"
# All files of a lab. They are on a disk, not in a memory file system, because uploads and access logs are large.
LAB_STATE=${LAB_STATE:-/var/lib/tcpcopy-lab}
LAB_DIR=$LAB_STATE/$LAB

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { warn "$*"; exit 1; }

usage() { # the comment at the top of the script is its help text
  sed -n '2,/^$/{/^#/!d;s/^# \{0,1\}//;p}' "$0"
}

need_root() {
  ((EUID == 0)) || die "network namespaces need root: sudo $0${*:+ $*}"
}

check_lab_name() {
  [[ $LAB =~ ^[a-z][a-z0-9-]{0,30}$ ]] || die "LAB='$LAB' is no usable name: lower case letters, digits and -, please"
}

# await SECONDS COMMAND...: polls until the command succeeds; fails when the time is over.
await() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.1
  done
}

# One run a lab: held on descriptor 9 until the script ends, and closed for everything that it starts.
lock_lab() {
  mkdir -p "${LAB_DIR%/*}"
  exec 9>"$LAB_DIR.lock"
  flock -n 9 || die "lab '$LAB' is in use by another run; wait for it, or choose another name: LAB=other $0"
}

# Gives files made as root in the work tree back to the user who called sudo.
give_back() {
  [[ -z ${SUDO_UID:-} ]] || chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$@"
}
