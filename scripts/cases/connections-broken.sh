# shellcheck shell=bash disable=SC2034
about='the connections of the test server are reset repeatedly under keep-alive load: every missing byte has a reason'
wire=any
ours=yes
fault=yes

run() {
  local round resets=0 missing bytes
  nginx_start online
  nginx_start test
  copying
  counting count_http
  load_start client pool "$HELD_CLIENT" --rate 1000 "$(size 4 20)" "$ONLINE4" 20
  for ((round = 1; round <= 3; round++)); do
    await 10 reached test $((round * 500)) || fail 'no load'
    break_connections test 80
    resets=$((resets + BROKEN))
  done
  load_runs pool || fail 'the load ended too early'
  load_end pool
  settle
  copy_stop
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
  note "$resets connections reset"
  missing=$((N_ONLINE - N_TEST))
  ((missing >= 0)) || fail "$((-missing)) requests were sent twice"
  # Each reset may lose one request, which is on its way or just arriving.
  ((missing <= resets)) || fail "$missing requests are missing for $resets connections"
  bytes=$(awk '/^2/ { print $2; exit }' online/access.log)
  ledger_holds tcpcopy ".ledger | .bytes.dropped.closed_by_server / $bytes + .turns.cut_off >= $missing" \
    "not all of $missing requests have a name"
  ledger_holds tcpcopy ".ledger.sessions.incomplete.closed_by_server >= ([$missing, 1] | min)" 'no session lost anything'
}
