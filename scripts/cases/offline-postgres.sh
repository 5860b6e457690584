# shellcheck shell=bash disable=SC2034
about='a capture file of PostgreSQL: pgbench, simple, extended and prepared; SCRAM, other passwords on the test server'
unit=transactions
wire=any
ours=yes
needs=protocols

# shellcheck source=scripts/lib/offline.sh
source "$ROOT/scripts/lib/offline.sh"

run() {
  # shellcheck source=scripts/lib/postgres.sh
  source "$ROOT/scripts/lib/postgres.sh"
  local mode
  pg_servers
  counting pg_count
  capture_start online pg.pcap tcp port 5432
  for mode in simple extended prepared; do
    pgbench_load "$mode" -M "$mode" -c 5 -t "$(size 100 1000)"
  done
  sleep 0.5
  capture_stop
  intercept_start -i eth0
  replay whole 5432 pg.pcap -a 1000 --config tcpcopy.toml
  sleep 1 # the statistics of the server come late
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
  ((N_ONLINE > 0)) || fail 'no load at all'
  ((N_TEST == N_ONLINE)) || fail "$((N_ONLINE - N_TEST)) of $N_ONLINE are missing"
  ledger_holds whole '.ledger.bytes.dropped | del(.replaced) | map(select(. > 0)) == []' 'bytes were dropped'
  intercept_stop
}
