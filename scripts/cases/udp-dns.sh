# shellcheck shell=bash disable=SC2034
about='--udp: queries to one DNS server copied to a second one, over IPv4 and IPv6; as many on both, and as many answers seen'
unit=queries
needs=dns
wire=any
ours=yes

# shellcheck source=scripts/lib/dns.sh
source "$ROOT/scripts/lib/dns.sh"
# shellcheck source=scripts/lib/routes.sh
source "$ROOT/scripts/lib/routes.sh"

run() {
  local all before
  dns_start online
  dns_start test
  no_way_for_answers
  route_setup add --udp --port 53 --via "$ASSIST4,$ASSIST6" >routes.log 2>&1 || stopped_short 'no routes' routes
  intercept_start --udp -i eth0
  tcpcopy_start tcpcopy --udp -x "53-$TEST4:53,53-[$TEST6]:53" -s "$ASSIST4" -i eth0
  # Once an answer is seen, the filter of intercept is in place.
  await 20 is_answered || fail 'no answer is seen'
  await 20 is_settled "$FIRST" || fail 'the first queries do not settle'
  before=$(ledger tcpcopy .datagrams.answered)
  counting count_dns
  all=$(size 20000 200000)
  load v4 "$ROOT/scripts/lib/dns-queries.py" "$ONLINE4" 20 "$all"
  load v6 "$ROOT/scripts/lib/dns-queries.py" "$ONLINE6" 20 $((all / 10))
  all=$((all + all / 10))
  settle
  await 20 is_settled $((FIRST + all)) || fail 'some copies have no answer'
  ends tcpcopy
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
  ((N_ONLINE == all)) || fail "$N_ONLINE queries at the online server instead of $all"
  ((N_TEST == all)) || fail "$N_TEST queries at the test server instead of $all"
  ledger_holds tcpcopy '.balanced' 'the account does not balance'
  ledger_holds tcpcopy ".datagrams.answered == $before + $all" 'not every copy has its answer'
  ledger_holds tcpcopy '[.datagrams.dropped[]] | add == 0' 'something was dropped'
  ledger_holds tcpcopy '.capture.kernel_dropped == 0' 'something was not captured'
  route_setup del >>routes.log
  answers_via_assist "$CLIENT4" "$CLIENT6"
}

FIRST=0 # queries before those that count
is_answered() {
  FIRST=$((FIRST + 1))
  on client "$ROOT/scripts/lib/dns-queries.py" "$ONLINE4" 1 1 >first.txt 2>&1 || return 1
  [[ $(ledger tcpcopy '.datagrams.answered > 0' 2>/dev/null) == true ]]
}
is_settled() { [[ $(ledger tcpcopy ".datagrams | .pending == 0 and .captured == $1" 2>/dev/null) == true ]]; } # CAPTURED

# ends NAME: as tcpcopy_stop, whose checks are those of streams.
ends() {
  local pid=${TCPCOPY[$1]} status=0
  unset "TCPCOPY[$1]"
  TCPCOPY_US=$(cpu_us "$pid") TCPCOPY_KB=$(peak_kb "$pid")
  alive "$pid" || fail "$1 had ended by itself: $(tail -n 1 "$CASE_DIR/$1.log")"
  end "$pid" TERM 15 || fail "$1 does not end"
  wait "$pid" 2>/dev/null || status=$?
  ((status == 0)) || fail "$1 ended with status $status"
  intercept_stop
}
