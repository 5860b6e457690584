# shellcheck shell=bash disable=SC2034
about='the online service at a fixed rate, alone and while it is copied'
wire=any

run() {
  local rate=2000 seconds
  seconds=$(size 3 10)
  nginx_start online
  nginx_start test
  paced alone "$rate" "$seconds"
  copying
  counting count_http
  paced copied "$rate" "$seconds"
  all_arrived
  # In the lab the test server uses the same processors, so these figures exaggerate the effect of copying.
  note "$(jq -r '"by itself \(.alone_rate) requests/s, median \(.alone_median_us) us, 99th percentile \(.alone_p99_us) us; copied \(.copied_rate), \(.copied_median_us), \(.copied_p99_us)"' <<<"$MEASURED")"
}

# paced NAME RATE SECONDS
paced() {
  local what
  load "$1" "$HELD_CLIENT" --rate "$2" "$3" "$ONLINE4" 50
  for what in rate median_us p99_us; do
    measured "$1_$what" "$(jq ".$what" "$CASE_DIR/$1.log")"
  done
}
