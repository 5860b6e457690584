# shellcheck shell=bash disable=SC2034
about='MariaDB behind a proxy (PROXY protocol 1 and 2), other passwords on the test server: the same data'
unit=commands
wire=any
ours=yes
needs=databases

run() {
  local version port
  sql_servers mariadb app --proxy-protocol-networks='*'
  sql_copying --config tcpcopy.toml
  counting_sql
  for version in 1 2; do
    port=$((3306 + version))
    spawn client "$CASE_DIR/proxy-$version.log" python3 "$ROOT/scripts/lib/tcp-proxy.py" "$port" "$ONLINE4" 3306 "$version"
    await 10 listening client "$port" || stopped_short 'no proxy' "proxy-$version"
    sysbench_load "version-$version" app app-online --own_table=on --time="$(size 2 10)" --rate=200 \
      --mysql-host=127.0.0.1 --mysql-port="$port"
    settle # the next load has the same tables
  done
  sql_arrived
  sql_same_data
  ledger_holds tcpcopy '.ledger.sessions.incomplete | add == 0' 'sessions are incomplete'
}
