# shellcheck shell=bash disable=SC2034
about='pgbench, 200 clients at a fixed rate, prepared statements'
unit=transactions
wire=any
ours=yes
needs=protocols

run() {
  # shellcheck source=scripts/lib/postgres.sh
  source "$ROOT/scripts/lib/postgres.sh"
  PG_OPTIONS=(-c max_connections=300)
  pg_servers
  copying 5432 -B 256 --config tcpcopy.toml
  counting pg_count
  pgbench_load clients -M prepared -c 200 -R 300 -t "$(size 5 50)"
  all_arrived
  pg_same_data
  ledger_holds tcpcopy '.protocols.postgres.server_errors == null' 'the test server reports errors'
}
