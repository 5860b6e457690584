# shellcheck shell=bash disable=SC2034
about='the same with 0.5 % of the packets to the test host dropped, which the control connection must repair'
ours=yes

run() {
  local n
  nginx_start online
  nginx_start test
  mkdir files
  for n in 1 2; do head -c "$(size 2M 32M)" /dev/urandom >"files/$n"; done
  strict_wire
  agent_copying
  lab_loss test 0.5
  counting count_http
  load keepalive ab -q -k -c 20 -n "$(size 3000 100000)" "http://$ONLINE4/"
  load one-shot ab -q -c 20 -n "$(size 500 20000)" "http://$ONLINE4/"
  load put curl -sS --fail --parallel --upload-file 'files/{1,2}' "http://$ONLINE4/put/"
  # Few packets pass the wire, because many copies share one.
  for ((n = 0; n < 20 && $(lab_dropped test) == 0; n++)); do
    load "more-$n" ab -q -c 5 -n 500 "http://$ONLINE4/"
  done
  all_arrived
  note "$(lab_dropped test) packets dropped"
  (($(lab_dropped test) > 0)) || fail 'nothing was dropped'
  lab_loss test 0
  for n in 1 2; do cmp -s "files/$n" "test/put/$n" || fail "upload $n differs on the test host"; done
  agent_clean
}
