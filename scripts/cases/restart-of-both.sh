# shellcheck shell=bash disable=SC2034
about='tcpcopy and intercept are killed, and start again: the test server still holds the copies; without a key and with one'
ours=yes

run() {
  local requests
  requests=$(size 20 100)
  nginx_start online
  nginx_start test
  "${INTERCEPT_COMMAND[@]}" --new-key copy.key >key.txt || fail 'no key'
  # Nobody may learn the numbers of connections that are left behind, so the copies take other ports.
  killed_and_started_again plain ".ledger.tcp | .stale_reset == 0 and .moved == $CONNECTIONS"
  # Who has the key resets them. On a busy machine one may come too late for that.
  killed_and_started_again keyed ".ledger.tcp | .stale_reset > 0 and .stale_reset + .moved >= $CONNECTIONS" --key-file copy.key
}

CONNECTIONS=20

# killed_and_started_again NAME CONDITION [ARGUMENT...]: the arguments are for both programs.
killed_and_started_again() {
  local name=$1 condition=$2
  shift 2
  intercept_start -i eth0 -F 'tcp and src port 80' "$@"
  tcpcopy_start "$name-before" -x "80-$TEST4:80" -s "$ASSIST4" "$@"
  counting count_http
  mkfifo "go-$name"
  # The client holds its connections, on each of which it has made a request, until something is written to "go".
  load_start client "held-$name" "$HELD_CLIENT" "$ONLINE4" "$CONNECTIONS" "$requests" "opened-$name" "go-$name"
  await 10 test -e "opened-$name" || stopped_short 'the client cannot connect' "held-$name"
  await 10 reached test "$CONNECTIONS" || fail "$name: the first requests do not arrive"
  tcpcopy_kill "$name-before"
  intercept_stop KILL
  intercept_start -i eth0 -F 'tcp and src port 80' "$@"
  tcpcopy_start "$name" -x "80-$TEST4:80" -s "$ASSIST4" "$@"
  counting count_http
  echo go >"go-$name"
  load_end "held-$name"
  all_arrived
  ((N_ONLINE == CONNECTIONS * requests)) || fail "$name: the client sent $N_ONLINE requests only"
  ledger_holds "$name" "$condition" 'not what is done about connections that are left behind'
}
