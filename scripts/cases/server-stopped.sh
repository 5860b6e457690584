# shellcheck shell=bash disable=SC2034
about='the test host is paused for longer than -t, keep-alive clients at a fixed rate: copying continues after its return'
wire=any
ours=yes
fault=yes

# In the suite 6 s with -t 3, else 20 s with -t 10.
run() {
  local limit
  limit=$(size 3 10)
  nginx_start online
  nginx_start test
  copying 80 -t "$limit"
  counting count_http
  load_start client pool "$HELD_CLIENT" --rate 200 "$((4 * limit + 10))" "$ONLINE4" 50
  await 10 reached test 200 || fail 'no load'
  stands_still $((2 * limit)) "$(nginx_worker test)" 80
  comes_back count_http
  ledger_holds tcpcopy '.ledger.bytes.dropped.no_answer > 0' 'nothing was given up: the server was not away for long enough'
}

# stands_still SECONDS PID PORT: pauses the test server, and blocks its kernel, which would acknowledge for it. The load
# "pool" continues.
stands_still() {
  nft_rule test inet "type filter hook input priority 0; tcp dport $3 drop"
  pause "$1" "$2"
  nft_end test inet
  load_runs pool || fail 'the load was over before the server was back'
}

# comes_back COUNTER: from 2 s after the return of the server on, all requests of the load "pool" arrive. The count starts
# while the load is paused, so that earlier requests are in neither count.
comes_back() {
  local counter=$1
  sleep 1.7
  quiet pool counting "$counter"
  load_runs pool || fail 'the load ended too early'
  load_end pool
  # Waiting requests are copied late, and would replace lost ones in the count.
  settle
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
  ((N_ONLINE >= 500)) || fail "only $N_ONLINE requests were sent after the return"
  ((N_TEST >= N_ONLINE)) || where_it_stopped
  ((N_TEST == N_ONLINE)) || fail "$((N_ONLINE - N_TEST)) of $N_ONLINE after the return are missing"
  copy_stop
  # Something is lost in any case: the sessions it belonged to are not whole.
  ledger_holds tcpcopy '.ledger.sessions.incomplete | add > 0' 'no session is counted as incomplete'
}
