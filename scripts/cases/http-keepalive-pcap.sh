# shellcheck shell=bash disable=SC2034
about='as http-keepalive, but libpcap captures and sends: what that costs'
ours=yes
full=yes

run() {
  nginx_start online
  nginx_start test
  copying 80 -o eth0 --pcap-capture --pcap-send
  counting count_http
  load wrk wrk -t1 -c50 -d"$(size 2 6)" "http://$ONLINE4/"
  load_unharmed wrk
  all_arrived
}
