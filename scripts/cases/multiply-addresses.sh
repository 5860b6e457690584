# shellcheck shell=bash disable=SC2034
about='-c with four addresses, many clients at once: no collision, and each line of the map log is right'
wire=any
ours=yes
# shellcheck source=scripts/lib/multiply.sh
source "$ROOT/scripts/lib/multiply.sh"

run() {
  local clients=10.21.0.1,10.21.0.2,10.21.0.4/31
  nginx_peers_start online test
  route_via test "$ASSIST4" 10.21.0.1 10.21.0.2 10.21.0.4 10.21.0.5
  copying 80 -c "$clients" --map-log "$(map_log)"
  counting count_multiples
  extra_host client2 35
  local half host last add=0
  half=$(size 500 5000) last=$(size 2499 6999)
  for host in client client2; do
    load_start "$host" "at-once-$host" python3 "$ROOT/scripts/lib/numbered-clients.py" "$ONLINE4" "2000-$last" \
      --at-once "$half" --requests 3 --add "$add"
    add=10000
  done
  loads_end
  load one-shot ab -q -c 50 -n "$(size 2000 20000)" "http://$ONLINE4/"
  all_arrived
  copies_are_right 1
  local used
  used=$(awk '{ sub(/:.*/, "", $2); print $2 }' "$CASE_DIR/test/peers.log" | sort -u | tr '\n' ' ')
  [[ $used == '10.21.0.1 10.21.0.2 10.21.0.4 10.21.0.5 ' ]] || fail "the copies came from $used"
  ledger_holds tcpcopy '.ledger.sessions | .seen == .replayed + .without_data' 'a session was not replayed whole'
}
