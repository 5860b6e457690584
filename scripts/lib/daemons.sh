# shellcheck shell=bash
# tcpcopy on the online host and intercept on assist, started as a user would start them.

: "${TCPCOPY_BIN:=$CARGO_TARGET_DIR/release/tcpcopy}"
: "${INTERCEPT_BIN:=$CARGO_TARGET_DIR/release/intercept}"
SQLREPLAY=$CARGO_TARGET_DIR/release/sqlreplay
HELD_CLIENT=$CARGO_TARGET_DIR/release/held-client # a client for cases, see scripts/held-client
CONTROL_PORT=36524

# Totals of the case, added up when a daemon ends.
TCPCOPY_US=0 INTERCEPT_US=0 TCPCOPY_KB=0 INTERCEPT_KB=0
declare -A TCPCOPY=() # name -> process id
INTERCEPT='' INTERCEPT_HOST=assist # and the host where it runs

# Other implementations of the same command lines can be measured too (commands, possibly with arguments), but
# write no ledger.
read -ra TCPCOPY_COMMAND <<<"$TCPCOPY_BIN"
read -ra INTERCEPT_COMMAND <<<"$INTERCEPT_BIN"
OURS=yes
[[ ${TCPCOPY_COMMAND[0]} == "$ROOT"/* ]] || grep -q -e --stats-json <("${TCPCOPY_COMMAND[@]}" -h 2>&1) || OURS=

# give_to_daemons DIRECTORY: the daemons, which are user nobody once they run, replace files there.
give_to_daemons() { chown nobody "$1"; }

# intercept_start [ARGUMENT...]
intercept_start() {
  (($# > 0)) || set -- -i eth0 -F 'tcp and src port 80'
  INTERCEPT_HOST=assist
  spawn assist "$CASE_DIR/intercept.log" "${INTERCEPT_COMMAND[@]}" "$@"
  INTERCEPT=$SPAWNED
  await 5 intercept_listens || stopped_short "intercept does not listen" intercept
}

intercept_listens() { listening "$INTERCEPT_HOST" "$CONTROL_PORT"; }

# intercept_stop [SIGNAL]
intercept_stop() {
  local pid=$INTERCEPT status=0
  [[ -n $pid ]] || return 0
  INTERCEPT=
  INTERCEPT_US=$((INTERCEPT_US + $(cpu_us "$pid")))
  INTERCEPT_KB=$(largest "$INTERCEPT_KB" "$(peak_kb "$pid")")
  alive "$pid" || fail "intercept had ended by itself: $(tail -n 1 "$CASE_DIR/intercept.log")"
  end "$pid" "${1:-TERM}" || fail "intercept does not end by SIG${1:-TERM}"
  wait "$pid" 2>/dev/null || status=$?
  [[ -z $OURS || $status == 0 || ${1:-} == KILL ]] || fail "intercept ended with status $status"
}

# tcpcopy_start NAME [ARGUMENT...]: returns when its control connection is established and its capture sockets are open. It runs on
# the online host, or on $TCPCOPY_HOST.
tcpcopy_start() {
  local name=$1 links sockets
  shift
  (($# > 0)) || set -- -x "80-$TEST4:80" -s "$ASSIST4"
  [[ -z $OURS ]] || set -- "$@" --stats-json "$CASE_DIR/$name.json"
  links=$(count_links) sockets=$(count_capture_sockets)
  spawn "${TCPCOPY_HOST:-online}" "$CASE_DIR/$name.log" "${TCPCOPY_COMMAND[@]}" "$@"
  TCPCOPY[$name]=$SPAWNED
  await 5 more_than "$links" count_links || stopped_short "$name has no control connection" "$name"
  await 5 more_than "$sockets" count_capture_sockets || stopped_short "$name captures nothing" "$name"
}

count_links() { on "$INTERCEPT_HOST" ss -Htn state established "sport = :$CONTROL_PORT" | wc -l; }
count_capture_sockets() { on "${TCPCOPY_HOST:-online}" cat /proc/net/packet /proc/net/raw | grep -cv '^ *s[kl]' || true; }
more_than() { # N COUNTER...
  local count
  count=$("${@:2}")
  ((${count:-0} > $1)) # no count at all: we are being interrupted
}
largest() { echo $(($1 > ${2:-0} ? $1 : ${2:-0})); }

# tcpcopy_stop NAME [SIGNAL]: it must end well and its account must balance.
tcpcopy_stop() {
  local name=$1 signal=${2:-TERM} pid=${TCPCOPY[$1]:-} status=0 dropped
  [[ -n $pid ]] || return 0
  unset "TCPCOPY[$name]"
  TCPCOPY_US=$((TCPCOPY_US + $(cpu_us "$pid")))
  TCPCOPY_KB=$(largest "$TCPCOPY_KB" "$(peak_kb "$pid")")
  alive "$pid" || fail "$name had ended by itself: $(tail -n 1 "$CASE_DIR/$name.log")"
  end "$pid" "$signal" 15 || fail "$name does not end by SIG$signal"
  wait "$pid" 2>/dev/null || status=$?
  [[ -n $OURS ]] || return 0
  ((status == 0)) || fail "$name ended with status $status"
  ledger_holds "$name" '.balanced' "the ledger does not balance"
  ledger_holds "$name" '.ledger.sessions.active == 0 and .ledger.bytes.pending == 0' "the ledger is not closed"
  dropped=$(ledger "$name" '.ledger.bytes.dropped | to_entries | map(select(.value > 0) | "\(.key) \(.value)") | join(", ")')
  [[ -z $dropped ]] || note "$name dropped bytes: $dropped"
  dropped=$(ledger "$name" .capture.kernel_dropped)
  [[ $dropped == 0 ]] || note "the kernel dropped $dropped packets before capture"
}

# tcpcopy_kill NAME: it leaves its connections behind.
tcpcopy_kill() {
  end "${TCPCOPY[$1]}" KILL || fail "$1 does not end by SIGKILL"
  unset "TCPCOPY[$1]"
}

# ledger NAME FILTER: something out of the account of a tcpcopy.
ledger() { jq -r "$2" "$CASE_DIR/$1.json"; }

# ledger_holds NAME CONDITION WHAT: fails with WHAT unless the condition is true of the account.
ledger_holds() {
  [[ -n $OURS ]] || return 0
  [[ $(ledger "$1" "$2" 2>&1) == true ]] || fail "$1: $3 ($2)"
}

copy_stop() {
  local name
  for name in "${!TCPCOPY[@]}"; do tcpcopy_stop "$name"; done
  intercept_stop
}

# copying [PORT [ARGUMENT...]]: starts both daemons as most cases need them; the arguments are for tcpcopy.
copying() {
  local port=${1:-80}
  intercept_start -i eth0 -F "tcp and src port $port"
  tcpcopy_start tcpcopy -x "$port-$TEST4:$port" -s "$ASSIST4" ${OURS:+-i eth0} "${@:2}"
}
