# shellcheck shell=bash disable=SC2034
about='pgbench with prepared statements while the connections to the test server break: each transaction is whole, each lost one counted'
unit=transactions
wire=any
ours=yes
fault=yes
needs=protocols

run() {
  # shellcheck source=scripts/lib/postgres.sh
  source "$ROOT/scripts/lib/postgres.sh"
  local count
  pg_servers
  copying 5432 -B 256 --config tcpcopy.toml
  counting pg_count
  # At a rate: no transaction begins in the second after a refusal.
  pgbench_start pgbench -M prepared -c 5 -R 20 -T 8
  for count in 1 2 3; do
    sleep 1.5
    pg_ask test "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'" >/dev/null
  done
  load_end pgbench
  settle
  copy_stop
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
  ((N_TEST > N_ONLINE / 2)) || fail 'most transactions are missing'
  pg_whole test
  ledger_holds tcpcopy "(.protocols.postgres.state_lost.transaction // 0) >= $((N_ONLINE - N_TEST))" 'not all lost transactions are counted'
  ledger_holds tcpcopy '.ledger.tcp.reconnected >= 3' 'connections are not rebuilt'
  ledger_holds tcpcopy '.protocols.postgres.sessions.prepared_again > 0' 'statements are not prepared again'
  ledger_holds tcpcopy '.protocols.postgres.server_errors | del(.["57P01"]) | . == {}' 'the test server reports errors'
}
