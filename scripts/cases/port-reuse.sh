# shellcheck shell=bash disable=SC2034
about='one request for each connection, from 100 client ports that are reused repeatedly'
unit=connections
wire=any
ours=yes
fault=yes

run() {
  local count
  count=$(size 4000 40000)
  nginx_start online
  nginx_start test
  on client sysctl -q -w net.ipv4.ip_local_port_range='20000 20099'
  copying
  counting count_http
  load ab ab -q -c 20 -n "$count" "http://$ONLINE4/"
  all_arrived
  # ab opens more connections than it needs in the end.
  ledger_holds tcpcopy ".ledger | .turns.seen == $count and .sessions.seen >= $count" 'not every connection is a session'
  account_whole
}
