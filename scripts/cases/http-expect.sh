# shellcheck shell=bash disable=SC2034
about='a test server that refuses "Expect: 100-continue" with 417 and closes: the body does not begin a new connection'
unit=requests
wire=any
ours=yes
fault=yes

run() {
  local clients requests=5 strays
  clients=$(size 10 100)
  nginx_start online
  mkdir -p test
  spawn test "$CASE_DIR/test/expect.log" python3 "$ROOT/scripts/lib/refuse-expect.py"
  await 10 listening test 80 || stopped_short 'the refusing server does not start' test/expect
  head -c 20480 /dev/urandom >body
  copying
  counting count_expect
  # One connection each. The body follows "100 Continue" of nginx, which the test server never sends.
  for ((n = 0; n < clients; n++)); do
    load curl curl -sS --fail -H 'Expect: 100-continue' --expect100-timeout 10 --data-binary @body \
      "http://$ONLINE4/post?[1-$requests]" -o /dev/null
  done
  all_arrived
  ((N_ONLINE == clients * requests)) || fail "the client sent $N_ONLINE requests only"
  strays=$(grep -c '^stray' test/expect.log || true)
  ((strays == 0)) || fail "$strays bodies went out as the beginning of a connection"
  ledger_holds tcpcopy ".ledger.bytes.dropped | .state_lost + .closed_by_server >= $((N_ONLINE * 20480))" \
    'the bodies are not dropped as what they are'
  ledger_holds tcpcopy '.ledger.sessions.replayed == 0' 'sessions without their bodies count as whole'
}

count_expect() {
  if [[ $1 == online ]]; then count_http online; else grep -c '^refused' test/expect.log || true; fi
}
