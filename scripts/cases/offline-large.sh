# shellcheck shell=bash disable=SC2034
about='a capture file that is larger than what tcpcopy may use of the memory: 400 MB, with --full 4 GB'
unit=requests
wire=any
ours=yes
full=yes

# shellcheck source=scripts/lib/offline.sh
source "$ROOT/scripts/lib/offline.sh"

run() {
  local times
  nginx_start online
  nginx_start test
  counting count_http
  capture_start online http.pcap tcp port 80
  load ab ab -q -c 20 -n 2000 "http://$ONLINE4/"
  load wrk wrk -t1 -c20 -d1 "http://$ONLINE4/"
  sleep 0.3
  N_ONLINE=$(arrived online)
  capture_stop
  times=$("$ROOT/scripts/lib/pcap-variants.py" repeat http.pcap large.pcap "$(size 400000000 4000000000)")
  N_ONLINE=$((N_ONLINE * times))
  intercept_start -i eth0
  replay large 80 large.pcap -a 1000
  counted "$N_ONLINE" "$times times the capture"
  N_TEST=$(arrived test)
  ((TCPCOPY_KB < 60 * 1024)) || fail "$TCPCOPY_KB KB of memory"
  measured large_cpu_us "$REPLAY_CPU_US"
  intercept_stop
  rm -f large.pcap
}
