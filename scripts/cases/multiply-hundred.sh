# shellcheck shell=bash disable=SC2034
about='-n 100 with two workers: each request arrives a hundred times'
wire=any
ours=yes
# shellcheck source=scripts/lib/multiply.sh
source "$ROOT/scripts/lib/multiply.sh"

run() {
  COPIES=100
  nginx_peers_start online test
  copying 80 -n $COPIES -C 2 --map-log "$(map_log)"
  counting count_multiples
  load keepalive ab -q -k -c 5 -n "$(size 200 5000)" "http://$ONLINE4/"
  numbered_clients numbered "$ONLINE4" 2000-2059 --at-once 20 --requests 2
  all_arrived
  copies_are_right $COPIES
  ledger_holds tcpcopy '.ledger.sessions | .seen == .replayed and .seen == 6500' 'the account is not one of copies'
}
