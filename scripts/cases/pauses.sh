# shellcheck shell=bash disable=SC2034
about='each process in turn is paused for 50 ms, repeatedly'
wire=any
ours=yes
fault=yes

run() {
  local pid pids rounds=0
  nginx_start online
  nginx_start test
  copying
  pids=("${TCPCOPY[tcpcopy]}" "$INTERCEPT" "$(nginx_worker online)" "$(nginx_worker test)")
  counting count_http
  load_start client wrk wrk -t1 -c20 -d"$(size 2 20)" "http://$ONLINE4/"
  while load_runs wrk; do
    for pid in "${pids[@]}"; do pause 0.05 "$pid"; done
    rounds=$((rounds + 1))
  done
  load_end wrk
  all_arrived
  note "$rounds pauses of each"
  ((rounds > 3)) || fail 'the load ended too early'
  account_whole
}
