# shellcheck shell=bash disable=SC2034
about='requests in SYNs (TCP Fast Open), one and three for each connection'
ours=yes

run() {
  local count before passive client=$ROOT/scripts/lib/fast-open.py
  count=$(size 50 100)
  for host in client online; do on "$host" sysctl -q -w net.ipv4.tcp_fastopen=3; done
  NGINX_LISTEN='fastopen=256' nginx_start online
  nginx_start test
  copying
  # The first connection gets a cookie only.
  on client python3 "$client" "$ONLINE4" 1 1
  await 5 reached_copy 1 || fail 'the first request was not copied'
  counting count_http
  before=$(fast_opens)
  load one python3 "$client" "$ONLINE4" "$count" 1
  load three python3 "$client" "$ONLINE4" "$count" 3
  passive=$(($(fast_opens) - before))
  all_arrived
  note "$passive connections were opened with data"
  ((passive == 2 * count)) || fail "only $passive of $((2 * count)) connections had data in the SYN"
  ((N_ONLINE == 4 * count)) || fail "the clients sent $N_ONLINE requests"
  account_whole
  ledger_holds tcpcopy '.ledger.gaps.count == 0' 'something is missing'
}

reached_copy() { (($(count_http test) >= $1)); }
fast_opens() { on online nstat -asz TcpExtTCPFastOpenPassive | awk '/TCPFastOpenPassive/ { print $2 }'; }
