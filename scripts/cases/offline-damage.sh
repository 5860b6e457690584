# shellcheck shell=bash disable=SC2034
about='capture files: cut, shuffled, with a wrong time, with garbage; what can be read is replayed, the rest counted; nothing replayed is an error'
unit=requests
wire=any
ours=yes

# shellcheck source=scripts/lib/offline.sh
source "$ROOT/scripts/lib/offline.sh"

run() {
  local name
  nginx_start online
  nginx_start test
  counting count_http
  capture_start online http.pcap tcp port 80
  load wrk wrk -t1 -c10 -d1 "http://$ONLINE4/"
  load ab ab -q -c 10 -n 1000 "http://$ONLINE4/"
  sleep 0.3
  N_ONLINE=$(arrived online)
  capture_stop
  mkdir damage
  "$ROOT/scripts/lib/pcap-variants.py" damage http.pcap damage >damage.txt || fail 'the files cannot be written'
  intercept_start -i eth0

  # Nothing replayed: exit status 1, and the first obstacle is named.
  nginx_stop test
  REPLAY_STATUS=1
  replay refused 80 http.pcap -a 1000
  grep -q 'nothing was replayed: .*the test server refuses' refused.log || fail "no obstacle: $(tail -n 1 refused.log)"
  REPLAY_STATUS=0
  nginx_start test

  for name in cut shuffled hour garbage; do
    counting count_http
    replay "$name" 80 "damage/$name.pcap" -a 100
    counted "$N_ONLINE" "$name"
  done
  N_TEST=$N_ONLINE
  ledger_holds cut '.files.cut == 1' 'the cut is not counted'
  ledger_holds shuffled '.files.out_of_order > 0' 'no packet is out of order'
  ledger_holds hour '.files.clock_jumps == 1' 'the jump is not counted'
  ledger_holds garbage '.files.damaged + .files.cut > 0' 'the garbage is not counted'
  replay flipped 80 damage/flipped.pcap -a 100 -t 5

  REPLAY_STATUS=1
  replay wrong 81 http.pcap
  grep -q 'nothing was replayed: none of the .* packets .*: most go to port 80' wrong.log || fail "no obstacle: $(tail -n 1 wrong.log)"
  intercept_stop
}
