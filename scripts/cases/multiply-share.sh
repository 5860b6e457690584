# shellcheck shell=bash disable=SC2034
about='-r 30: 30 % of the sessions, each of them whole, and the same ones again'
wire=any
ours=yes
# shellcheck source=scripts/lib/multiply.sh
source "$ROOT/scripts/lib/multiply.sh"

run() {
  local sessions requests
  nginx_peers_start online test
  copying 80 -r 30 --map-log "$(map_log)"
  counting count_http
  numbered_clients first "$ONLINE4" 2000-4999 --at-once 200 --requests 2
  await 10 copied_all || fail 'not all that was chosen arrives'
  sessions=$(sort -u "$CASE_DIR/test/peers.log" -k 3,3 | wc -l)
  ((sessions >= 870 && sessions <= 930)) || fail "$sessions of 3000 sessions are copied"
  # The same clients come from the same ports: the same ones are chosen.
  numbered_clients again "$ONLINE4" 2000-4999 --at-once 200 --requests 2
  await 10 copied_all || fail 'not all that was chosen arrives'
  copy_stop
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
  requests=$(awk '{ print $3 }' "$CASE_DIR/test/peers.log" | sort | uniq -c | awk '{ print $1 }' | sort -u)
  [[ $requests == 4 ]] || fail "sessions have ${requests//$'\n'/, } requests instead of 4"
  ledger_holds tcpcopy '.ledger.bytes.dropped.not_chosen > 0 and .ledger.bytes.replayed == .client_bytes' \
    'those that are not chosen are not apart'
}

# Nothing is under way: all that was captured and chosen is acknowledged.
copied_all() {
  [[ $(ledger tcpcopy '.ledger.bytes.pending == 0 and .ledger.sessions.active == 0') == true ]] &&
    (($(arrived test) > 0 && $(arrived test) % 2 == 0))
}
