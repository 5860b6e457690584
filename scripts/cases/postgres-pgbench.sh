# shellcheck shell=bash disable=SC2034
about='pgbench, 10 clients, saturating: simple, extended, prepared; a login for each transaction; SCRAM, other passwords on the test server'
unit=transactions
ours=yes
needs=protocols

run() {
  # shellcheck source=scripts/lib/postgres.sh
  source "$ROOT/scripts/lib/postgres.sh"
  local mode
  pg_servers
  copying 5432 -B 256 --config tcpcopy.toml
  counting pg_count
  for mode in simple extended prepared; do
    pgbench_load "$mode" -M "$mode" -c 10 -T "$(size 3 10)"
    settle # the next load has the same tables
  done
  pgbench_load login -C -c 4 -t 25
  all_arrived
  pg_same_data
  ledger_holds tcpcopy '.protocols.postgres.server_errors == null' 'the test server reports errors'
  ledger_holds tcpcopy '.protocols.postgres.sessions.scram_keys_derived == 1' 'keys are derived more than once'
}
