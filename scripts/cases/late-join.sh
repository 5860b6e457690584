# shellcheck shell=bash disable=SC2034
about='20 connections opened before tcpcopy starts, requests on them after'

run() {
  local count=20
  nginx_start online
  nginx_start test
  mkfifo go
  # The client holds its connections until something is written to "go".
  load_start client held "$HELD_CLIENT" "$ONLINE4" "$count" "$(size 50 200)" opened go
  await 10 test -e opened || stopped_short 'the client cannot connect' held
  await 10 more_than $((count - 1)) count_http online || fail 'the first requests are not counted'
  copying
  counting count_http
  echo go >go
  load_end held
  all_arrived
  ((N_ONLINE == count * $(size 50 200))) || fail "the client sent $N_ONLINE requests only"
  ledger_holds tcpcopy ".ledger.sessions.joined == $count" 'not all sessions were joined in mid-stream'
}
