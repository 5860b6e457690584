# shellcheck shell=bash disable=SC2034
about='5 000 connections in a burst, 1 000 at a time'
unit=connections
wire=any
ours=yes
fault=yes

run() {
  local count
  count=$(size 5000 20000)
  nginx_start online
  nginx_start test
  copying
  counting count_http
  load ab ab -q -r -c 1000 -n "$count" "http://$ONLINE4/"
  note "in $(awk '/^Time taken/ { print $5 }' ab.log) s"
  all_arrived
  ((N_ONLINE == count)) || fail "the online server answered $N_ONLINE requests only"
  # ab opens more connections than it needs in the end.
  ledger_holds tcpcopy ".ledger | .turns.seen == $count and .sessions.seen >= $count and .sessions.joined == 0" \
    'not every connection is a session with a request'
  account_whole
}
