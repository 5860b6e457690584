# shellcheck shell=bash disable=SC2034
about='copies over the control connection into a device of the test host, while the switch drops foreign sources: keep-alive, one-shot, POST, uploads, IPv6'
ours=yes

run() {
  local n
  nginx_start online
  nginx_start test
  mkdir files
  for n in 1 2 3; do head -c "$(size 3M 32M)" /dev/urandom >"files/$n"; done
  head -c 20480 /dev/urandom >body
  strict_wire
  agent_copying 80 -x "80-[$TEST6]:80"
  counting count_http
  load keepalive ab -q -k -c 20 -n "$(size 4000 200000)" "http://$ONLINE4/"
  load one-shot ab -q -c 20 -n "$(size 1000 40000)" "http://$ONLINE4/"
  load ipv6 ab -q -k -c 10 -n "$(size 1000 40000)" "http://[$ONLINE6]/"
  load post h2load --h1 -t 1 -c 10 -n "$(size 500 10000)" -d body "http://$ONLINE4/post"
  load put curl -sS --fail --parallel --upload-file 'files/{1,2,3}' "http://$ONLINE4/put/"
  all_arrived
  for n in 1 2 3; do cmp -s "files/$n" "test/put/$n" || fail "upload $n differs on the test host"; done
  ledger_holds tcpcopy '[.ledger.bytes.dropped[], .ledger.sessions.incomplete[]] | add == 0' 'something was dropped'
  agent_clean
}
