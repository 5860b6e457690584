# shellcheck shell=bash disable=SC2034
about='the walk in docs/SQLREPLAY.md: its commands print what it says'
unit=statements
wire=any
ours=yes
fault=yes
needs=protocols

run() {
  # shellcheck source=scripts/lib/postgres.sh
  source "$ROOT/scripts/lib/postgres.sh"
  pg_servers
  printf 'host all all 127.0.0.1/32 trust\nlocal all all trust\n' >"$CASE_DIR/online/postgres/pg_hba.conf"
  pg_ask online 'SELECT pg_reload_conf()' >/dev/null
  ln -sfn "$ROOT/modules" modules
  load_on online walk env PGUSER=lab PATH="$CARGO_TARGET_DIR/release:$PATH" "$ROOT/scripts/lib/walk.py" "$ROOT/docs/SQLREPLAY.md"
}
