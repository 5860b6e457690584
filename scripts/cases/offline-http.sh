# shellcheck shell=bash disable=SC2034
about='capture files: one-shot and keep-alive HTTP, at the pace of the capture and as fast as the test server allows; repeats, one side alone'
unit=requests
wire=any
ours=yes

# shellcheck source=scripts/lib/offline.sh
source "$ROOT/scripts/lib/offline.sh"

run() {
  nginx_start online
  nginx_start test
  counting count_http
  capture_start online http.pcap tcp port 80
  load ab ab -q -c 50 -n "$(size 4000 40000)" "http://$ONLINE4/"
  load wrk wrk -t1 -c20 -d"$(size 1 6)" "http://$ONLINE4/"
  sleep 0.3
  N_ONLINE=$(arrived online)
  capture_stop
  intercept_start -i eth0
  replay fast 80 http.pcap -a 1000
  counted "$N_ONLINE" '-a 1000'
  ledger_holds fast '.ledger.bytes.replayed == .client_bytes' 'not all was replayed'
  N_TEST=$(arrived test)
  measured fast_us "$REPLAY_CPU_US"

  counting count_http
  replay twice 80 http.pcap -a 1000 -T 2
  counted $((2 * N_ONLINE)) '-T 2'
  ledger_holds twice '.files.passes == 2 and .files.shifted > 0' 'the passes are not counted'

  counting count_http
  replay paced 80 http.pcap
  counted "$N_ONLINE" '-a 1'
  local span
  span=$(tcpdump -r http.pcap -tt 2>/dev/null | awk 'NR == 1 { first = $1 } { last = $1 } END { print last - first }')
  # A short capture is no longer than the start and the end of a busy machine.
  awk -v took="$REPLAY_SECONDS" -v span="$span" -v more="$(size 5 0.5)" \
    'BEGIN { exit !(took >= span && took < span * 1.02 + more) }' ||
    fail "-a 1 took $REPLAY_SECONDS s, the capture $span s"
  measured paced_seconds "$REPLAY_SECONDS"

  # The clients' side alone, without its first packets.
  tcpdump -r http.pcap -w half.pcap "tcp dst port 80" >/dev/null 2>&1
  counting count_http
  replay half 80 half.pcap -a 1000
  counted "$N_ONLINE" 'the side of the clients'
  intercept_stop
}
