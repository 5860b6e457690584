# shellcheck shell=bash disable=SC2034
about='tcpcopy starts during a run of pgbench: all from the next statement on; statements of before are left out and counted'
unit=transactions
wire=any
ours=yes
needs=protocols

run() {
  # shellcheck source=scripts/lib/postgres.sh
  source "$ROOT/scripts/lib/postgres.sh"
  pg_servers
  pgbench_start simple -M simple -c 5 -R 50 -T 6
  late_copying 2 5432 -B 256 --config tcpcopy.toml
  # Each connection has a transaction under way. The online count begins last, so that what it has, the other must have.
  counting pg_count
  # shellcheck disable=SC2154 # the associative array of scripts/lib/case.sh
  BEFORE[online]=$(pg_count online)
  load_end simple
  PATIENCE=2 settle
  ((N_TEST >= N_ONLINE - 5)) || fail "$((N_ONLINE - N_TEST)) of $N_ONLINE transactions are missing"
  pgbench_start prepared -M prepared -c 5 -R 50 -T 4
  load_end prepared
  settle
  copy_stop
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
  ledger_holds tcpcopy '.ledger.sessions.joined == 5' 'not all sessions were joined in mid-stream'
  ledger_holds tcpcopy '.protocols.postgres.sessions.joined_with_default_login == 5' 'not all have logged in with the default'
}
