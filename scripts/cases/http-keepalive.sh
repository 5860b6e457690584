# shellcheck shell=bash disable=SC2034
about='wrk, 50 keep-alive connections, saturating'
answers='equal shorter'

run() {
  nginx_start online
  nginx_start test
  copying
  counting count_http
  load wrk wrk -t1 -c50 -d"$(size 2 6)" "http://$ONLINE4/"
  load_unharmed wrk
  all_arrived
}
