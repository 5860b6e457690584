# shellcheck shell=bash disable=SC2034
about='four online hosts to one test host, with the same clients and ports: -f keeps their copies apart'
wire=any
ours=yes
# shellcheck source=scripts/lib/multiply.sh
source "$ROOT/scripts/lib/multiply.sh"

ONLINE_HOSTS=(online online1 online2 online3)

run() {
  local instance host TCPCOPY_HOST peers
  local addresses=("$ONLINE4" 10.20.0.31 10.20.0.32 10.20.0.33)
  nginx_peers_start test
  intercept_start -i eth0
  for instance in 0 1 2 3; do
    host=${ONLINE_HOSTS[instance]}
    [[ $host == online ]] || extra_host "$host" "${addresses[instance]##*.}"
    nginx_peers_start "$host"
    TCPCOPY_HOST=$host
    tcpcopy_start "tcpcopy-$instance" -x "80-$TEST4:80" -s "$ASSIST4" -i eth0 -f "$instance"
  done
  counting count_all_hosts
  # The same ports at each: without -f each copy would be four.
  for instance in 0 1 2 3; do
    load_start client "numbered-$instance" python3 "$ROOT/scripts/lib/numbered-clients.py" \
      "${addresses[instance]}" 2000-2299 --at-once 300 --requests 3
  done
  loads_end
  all_arrived
  ((N_TEST == 3600)) || fail "$N_TEST of 3600 requests"
  peers=$(awk '{ print $2 }' "$CASE_DIR/test/peers.log" | sort -u | wc -l)
  ((peers == 1200)) || fail "$peers connections instead of 1200"
}

count_all_hosts() {
  local host count=0
  if [[ $1 == test ]]; then
    count_http test
    return
  fi
  for host in "${ONLINE_HOSTS[@]}"; do count=$((count + $(count_http "$host"))); done
  echo "$count"
}
