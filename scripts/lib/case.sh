# shellcheck shell=bash
# The parts of a case. A case is a file in scripts/cases that defines
#   about=   a description in one line
#   unit=    the unit of the count
#   run()    the case itself
# and may set  wire=any  (offloads make no difference),  ours=yes  (other implementations cannot do it),
#   fault=yes  (something goes wrong: nothing to measure),  full=yes  (takes long: only with --full or by name),
#   needs=databases, needs=protocols or needs=dns  (see install-databases.sh and install-protocols.sh) or
#   finds='NAME ...'  (findings of which tcpcopy may warn; any: all of them. With fault=yes that is the default. Any other warning
#   of a finding fails the case),
#   answers='equal shorter ...'  (it is run with each of these; $ANSWER_KIND is the one, see servers.sh).

HERE=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=scripts/lib/lab.sh
source "$HERE/lab.sh"
# shellcheck source=scripts/lib/suite.sh
source "$HERE/suite.sh"
# shellcheck source=scripts/lib/servers.sh
source "$HERE/servers.sh"
# shellcheck source=scripts/lib/databases.sh
source "$HERE/databases.sh"
# shellcheck source=scripts/lib/daemons.sh
source "$HERE/daemons.sh"
# shellcheck source=scripts/lib/agent.sh
source "$HERE/agent.sh"
# shellcheck source=scripts/lib/faults.sh
source "$HERE/faults.sh"

FAILURES=() NOTES=() MEASURED='{}' N_ONLINE=0 N_TEST=0 COUNTER=''
declare -A BEFORE=([online]=0 [test]=0)

fail() { FAILURES+=("$*"); }
note() { NOTES+=("$*"); }
measured() { MEASURED=$(jq -c --arg what "$1" --argjson value "$2" '.[$what] = $value' <<<"$MEASURED"); } # WHAT VALUE
stopped_short() { fail "$1: $(tail -n 1 "$CASE_DIR/$2.log")"; exit 1; }

# size SHORT FULL: the test suite runs short sizes, the benchmark full ones.
size() { if [[ -n ${FULL:-} ]]; then echo "$2"; else echo "$1"; fi; }

# load NAME COMMAND...: runs a client program, which must succeed. load_on HOST NAME COMMAND... runs it on another host.
load() { load_on client "$@"; }
load_on() {
  load_start "$@"
  load_end "$2"
}

# The same in the background: load_start HOST NAME COMMAND... and load_end NAME, or loads_end for all.
declare -A LOAD=()
load_start() {
  local host=$1 name=$2
  shift 2
  spawn "$host" "$CASE_DIR/$name.log" "$@"
  LOAD[$name]=$SPAWNED
}
load_end() {
  wait "${LOAD[$1]}" || fail "$1 failed: $(tail -n 1 "$CASE_DIR/$1.log")"
}
loads_end() {
  local name
  for name in "${!LOAD[@]}"; do load_end "$name"; done
}
load_runs() { alive "${LOAD[$1]}"; }

# A wrk log without errors: the online service must not notice anything.
load_unharmed() {
  ! grep -E 'Socket errors|Non-2xx' "$CASE_DIR/$1.log" || fail "$1 saw errors of the online service"
}

# counting COUNTER: from here on, as COUNTER (a function of the host) counts.
counting() {
  COUNTER=$1
  BEFORE[online]=$("$COUNTER" online)
  BEFORE[test]=$("$COUNTER" test)
}
arrived() { echo $(($("$COUNTER" "$1") - BEFORE[$1])); }
reached() { (($(arrived "$1") >= $2)); }

# Waits until the test host has as much as the online host, for as long as there is progress. The counts must agree
# for a while, because the servers write their logs up to 0.1 s late.
settle() {
  local last='' idle=0 agreed=0
  while ((agreed < 3 && idle < ${PATIENCE:-10} * 5)); do
    N_ONLINE=$(arrived online) N_TEST=$(arrived test)
    if [[ "$N_ONLINE $N_TEST" == "$last" ]]; then idle=$((idle + 1)); else idle=0 agreed=0; fi
    last="$N_ONLINE $N_TEST"
    ((N_TEST < N_ONLINE || N_ONLINE == 0)) || agreed=$((agreed + 1))
    sleep 0.2
  done
}

# The usual end: everything arrived, nothing twice. It counts again after the end of tcpcopy, to find late duplicates.
all_arrived() {
  settle
  ((N_TEST >= N_ONLINE)) || where_it_stopped
  copy_stop
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
  ((N_ONLINE > 0)) || fail "no load at all"
  ((N_TEST == N_ONLINE)) || fail "$((N_ONLINE - N_TEST)) of $N_ONLINE are missing"
}

# Keeps evidence of where copies stopped.
where_it_stopped() {
  local host
  for host in client online test assist; do
    say "== $host: connections"
    on "$host" ss -Htanio | head -n 100
    say "== $host: kernel counters"
    on "$host" nstat -az 2>/dev/null | awk '$2 != 0'
    say "== $host: capture sockets"
    on "$host" cat /proc/net/packet
  done >"$CASE_DIR/where.txt" 2>&1 || true
}

percent() { # never rounded up to 100
  awk -v all="$1" -v part="$2" 'BEGIN { printf "%.3f", all ? int(100000 * part / all) / 1000 : 0 }'
}

# Findings that say what a kernel or tcpcopy has counted as lost: on a busy machine they are true in any case.
LOSSES='capture-overflow answers-lost memory-limit'

# no_false_alarms: tcpcopy warns of no finding that the case does not cause.
no_false_alarms() {
  local finding
  [[ ${finds:=${fault:+any}} != any ]] || return 0
  while read -r finding; do
    [[ " $finds $LOSSES " == *" $finding "* ]] || fail "a false alarm: $(grep -h "WARN.*TROUBLESHOOTING.md#$finding\$" "$CASE_DIR"/*.log | head -n 1)"
  done < <(sed -n 's/.*WARN.*TROUBLESHOOTING.md#\([a-z-]*\)$/\1/p' "$CASE_DIR"/*.log 2>/dev/null | sort -u)
}

# Writes the result line, result.json, and on failure everything else. Runs when the case ends.
conclude() {
  local status=$? verdict=PASS text failures='' notes='' copied=0
  trap - EXIT INT TERM HUP
  set +e
  ((status == 0)) || ((${#FAILURES[@]} > 0)) || fail "the case stopped with status $status"
  # All requests that the daemons have copied, also those before the relevant count.
  [[ -z $COUNTER ]] || copied=$("$COUNTER" test)
  stop_recorded
  no_false_alarms
  ((${#FAILURES[@]} == 0)) || verdict=FAIL
  text=$(printf '%-24s %-4s %9s %9s %8s %%  %s' "$(run_name "$CASE" "$ANSWER_KIND")" "$OFFLOADS" "$N_ONLINE" "$N_TEST" "$(percent "$N_ONLINE" "$N_TEST")" "$verdict")
  ((${#NOTES[@]} == 0)) || notes=$(printf '%s; ' "${NOTES[@]}")
  ((${#FAILURES[@]} == 0)) || failures=$(printf '%s; ' "${FAILURES[@]}")
  say "$text${failures:+  ${failures%; }}${notes:+  (${notes%; })}"
  jq -cn --arg case "$CASE" --arg answers "$ANSWER_KIND" --arg offloads "$OFFLOADS" --arg unit "$unit" --arg verdict "$verdict" \
    --arg failures "${failures%; }" --arg notes "${notes%; }" \
    --argjson online "$N_ONLINE" --argjson test "$N_TEST" --argjson copied "${copied:-0}" \
    --argjson tcpcopy_us "$TCPCOPY_US" --argjson intercept_us "$INTERCEPT_US" \
    --argjson tcpcopy_kb "$TCPCOPY_KB" --argjson intercept_kb "$INTERCEPT_KB" --argjson measured "$MEASURED" \
    '$ARGS.named' >"$CASE_DIR/result.json"
  # Plain "exit" would give the status from before this trap.
  if [[ $verdict == PASS ]]; then exit 0; else exit 1; fi
}
