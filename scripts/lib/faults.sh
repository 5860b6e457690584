# shellcheck shell=bash
# Faults in the lab, their repair, and the expected report afterwards.

HERE=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=scripts/lib/mirror.sh
source "$HERE/mirror.sh"

# pause SECONDS PID...: stops processes for so long. The time is the fault itself.
pause() {
  local seconds=$1
  shift
  kill -STOP "$@"
  sleep "$seconds"
  kill -CONT "$@"
}

# The process of a host's nginx that answers.
nginx_worker() { pgrep -P "$(<"$CASE_DIR/$1/nginx.main")"; }

# break_connections HOST PORT: resets all connections of a host's server, as if its machine had restarted: the server gets
# an error, its peers a RST. BROKEN has their number. Wait for load before, which opens the connections.
#
# If the kernel cannot do that (CONFIG_INET_DIAG_DESTROY), a RST answers every packet to the server for 20 ms. This breaks
# new connections of these 20 ms, too, and the server notices only later packets.
BROKEN=0
break_connections() {
  BROKEN=$(on "$1" ss -K -Htn state established "sport = :$2" | wc -l)
  if ((BROKEN == 0)); then
    nft_rule "$1" inet "type filter hook input priority 0; tcp dport $2 tcp flags & (syn | rst) == 0 counter name dropped reject with tcp reset"
    sleep 0.02
    BROKEN=$(on "$1" nft -j list counter inet lab dropped | jq '.nftables[] | .counter? // empty | .packets')
    nft_end "$1" inet
  fi
  ((BROKEN > 0)) || fail 'there was no connection to break'
}

# late_copying SECONDS [PORT [ARGUMENT...]]: as copying, when the load that runs already has been there for so long. Its
# connections are then in use, and tcpcopy does not know their earlier bytes. Count from here on:
#   load_start client ...; late_copying 3 6379; counting count_redis
# with "quiet" around the last two if the counts must agree exactly.
late_copying() {
  local seconds=$1
  shift
  sleep "$seconds"
  copying "$@"
}

# quiet NAME COMMAND...: runs the command while a load (of load_start) is paused and its requests have arrived.
quiet() {
  local pid=${LOAD[$1]} status=0
  shift
  kill -STOP -- "-$pid"
  sleep 0.3
  "$@" || status=$?
  kill -CONT -- "-$pid"
  return "$status"
}

# wire_cut HOST SECONDS: the host's cable is pulled out for so long.
wire_cut() {
  ip -n "$(netns wire)" link set "$1" down
  sleep "$2"
  ip -n "$(netns wire)" link set "$1" up
}

# control_cut SECONDS: for this time nothing from tcpcopy reaches intercept, although the connection exists.
control_cut() {
  nft_rule assist inet "type filter hook input priority 0; tcp dport $CONTROL_PORT counter name dropped drop"
  sleep "$1"
  note "$(on assist nft -j list counter inet lab dropped | jq '.nftables[] | .counter? // empty | .packets') control packets dropped"
  nft_end assist inet
}

# own_way_to_test: packets from the online host to the test host use an interface of their own, "copies", so that faults
# there do not affect the online service.
own_way_to_test() {
  local wire mac
  wire=$(netns wire)
  mac=$(ip -n "$(netns test)" -j link show eth0 | jq -r '.[0].address')
  ip -n "$wire" link add copies type veth peer name copies netns "$(netns online)"
  ip -n "$wire" link set copies master wire up
  # It must not answer ARP for the address of eth0.
  on online sysctl -q -w net.ipv4.conf.copies.arp_ignore=8 net.ipv4.conf.copies.rp_filter=0 net.ipv6.conf.copies.disable_ipv6=1
  ip -n "$(netns online)" link set copies up
  ip -n "$(netns online)" neigh replace "$TEST4" lladdr "$mac" dev copies nud permanent
  ip -n "$(netns online)" route replace "$TEST4/32" dev copies src "$ONLINE4"
}

# nft_rule HOST FAMILY RULE, nft_end HOST FAMILY
nft_rule() { on "$1" nft "table $2 lab { counter dropped { }; chain fault { $3; }; }"; }
nft_end() { on "$1" nft "table $2 lab; delete table $2 lab"; }

# lose PERCENT HOST...: as lab_loss, and keeps the sum of dropped packets in LOST.
LOST=0
lose() {
  local percent=$1 host
  shift
  for host in "$@"; do
    LOST=$((LOST + $(lab_dropped "$host" 2>/dev/null || echo 0)))
    lab_loss "$host" "$percent"
  done
}

# loss_case HOST...: drops 0.5, 2 and 5 % of the packets that arrive at these hosts.
loss_case() {
  local percent
  nginx_start online
  nginx_start test
  copying
  counting count_http
  for percent in 0.5 2 5; do
    lose "$percent" "$@"
    load "keepalive-$percent" ab -q -k -c 50 -n "$(size 2000 40000)" "http://$ONLINE4/"
    load "one-shot-$percent" ab -q -c 20 -n "$(size 200 4000)" "http://$ONLINE4/"
  done
  all_arrived
  lose 0 "$@"
  note "$LOST packets dropped"
  ((LOST > 0)) || fail 'nothing was dropped'
  account_whole
}

# Before each case: an earlier one may have been interrupted amid its fault.
mend() {
  local host link
  # A second interface of a host goes with its routes.
  for link in copies second; do ip -n "$(netns wire)" link delete "$link" 2>/dev/null || true; done
  # Answers to the online host go straight to it, unless it is a client.
  ip -n "$(netns test)" route delete "$ONLINE4/32" 2>/dev/null || true
  swapper_end
  lax_wire
  monitor_down
  for host in "${HOSTS[@]}"; do
    lab_loss "$host" 0
    nft_end "$host" inet
    ip -n "$(netns wire)" link set "$host" up
    on "$host" sysctl -q -w net.ipv4.ip_local_port_range='10000 65000' net.core.somaxconn=65535
  done
}

# swapper EVERY: of the long segments that leave the test host, every EVERY-th is overtaken by the next one. SWAPPER is the
# process that does it, and is ended before another begins.
# shellcheck disable=SC2034
swapper() {
  local wire
  wire=$(netns wire)
  if ! on wire ip link show swap0 >/dev/null 2>&1; then
    ip -n "$wire" link add swap0 type veth peer name swap1
    ip -n "$wire" link set swap0 master wire up
    ip -n "$wire" link set swap1 promisc on up
    ip -n "$wire" link set test promisc on nomaster
  fi
  spawn wire "$CASE_DIR/swapper.log" python3 "$ROOT/scripts/lib/swapper.py" test swap1 "$1"
  SWAPPER=$SPAWNED
  await 5 grep -qs forwarding "$CASE_DIR/swapper.log" || stopped_short 'nothing swaps' swapper
}

# The test host is on the wire again.
swapper_end() {
  ip -n "$(netns wire)" link delete swap0 2>/dev/null || return 0
  ip -n "$(netns wire)" link set test promisc off master wire
}

# The report shows no loss and no expired answer timeout. After all_arrived.
account_whole() {
  ledger_holds tcpcopy '[.ledger.bytes.dropped[], .ledger.sessions.incomplete[], .ledger.turns.dropped] | add == 0' \
    'something was dropped'
  ledger_holds tcpcopy '.ledger.gaps.count == 0 and .capture.kernel_dropped == 0' 'something was not captured'
  ledger_holds tcpcopy '.ledger.bytes | .captured == .duplicate + .replayed' 'not all bytes were replayed'
  ledger_holds tcpcopy '.ledger.turns.timed_out == 0' 'answers were waited for in vain'
}
