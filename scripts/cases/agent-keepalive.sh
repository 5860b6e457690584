# shellcheck shell=bash disable=SC2034
about='agent mode: the load of http-keepalive, to be compared with it'
full=yes
ours=yes

run() {
  nginx_start online
  nginx_start test
  strict_wire
  agent_copying
  counting count_http
  load wrk wrk -t1 -c50 -d"$(size 2 6)" "http://$ONLINE4/"
  load_unharmed wrk
  all_arrived
  agent_clean
}
