# shellcheck shell=bash disable=SC2034
about='clients behind a proxy (PROXY protocol 1 and 2), before nginx: from the start, late, broken'
ours=yes

run() {
  local count proxied=$ROOT/scripts/lib/proxied.py
  count=$(size 100 1000)
  NGINX_LISTEN='proxy_protocol' nginx_start online
  NGINX_LISTEN='proxy_protocol' nginx_start test
  # These are older than tcpcopy: their header is not known, and nginx accepts nothing without it.
  load_start client late python3 "$proxied" "$ONLINE4" 1 5 "$count"
  await 10 more_than 4 count_http online || fail 'the first clients cannot connect'
  copying
  load_end late
  [[ $(count_http test) == 0 ]] || fail 'sessions that were joined late were copied'
  counting count_http
  load one python3 "$proxied" "$ONLINE4" 1 5 "$count"
  load two python3 "$proxied" "$ONLINE4" 2 5 "$count"
  load_start client broken python3 "$proxied" "$ONLINE4" 2 5 $((count * 20))
  sleep 1
  break_connections test 80
  load_end broken
  all_arrived
  ledger_holds tcpcopy '.ledger.sessions.incomplete.state_unknown <= 5' 'more than the late sessions have lost their state'
  ledger_holds tcpcopy '.ledger.tcp.connected <= 30' 'a storm of connections'
}
