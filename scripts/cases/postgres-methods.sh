# shellcheck shell=bash disable=SC2034
about='pgbench with md5, passwords in the clear, and trust; 50 clients at a fixed rate'
unit=transactions
wire=any
ours=yes
full=yes
needs=protocols

run() {
  # shellcheck source=scripts/lib/postgres.sh
  source "$ROOT/scripts/lib/postgres.sh"
  local host method
  pg_servers md5
  copying 5432 -B 256 --config tcpcopy.toml
  counting pg_count
  for method in md5 password trust; do
    for host in online test; do
      printf 'local all all trust\nhost all all all %s\n' "$method" >"$CASE_DIR/$host/postgres/pg_hba.conf"
      pg_ask "$host" 'SELECT pg_reload_conf()' >/dev/null
    done
    pgbench_load "$method" -M prepared -c 50 -R 200 -T "$(size 3 10)"
    settle
    pgbench_load "$method-login" -C -c 4 -t 25
    settle
  done
  all_arrived
  pg_same_data
  ledger_holds tcpcopy '.protocols.postgres.logins | .accepted_md5 > 100 and .accepted_cleartext > 100 and .accepted_trust > 100' \
    'not all methods were used'
}
