# shellcheck shell=bash disable=SC2034
about='MariaDB behind a proxy (PROXY protocol 1 and 2): sessions that are older than tcpcopy, and connections that break'
unit=commands
wire=any
ours=yes
fault=yes
needs=databases

run() {
  local version
  sql_servers mariadb app --proxy-protocol-networks='*'
  sql_passwords 'app = "app-test"' '[mysql.default]' 'user = "app"' 'database = "sbtest"'
  sql_up
  for version in 1 2; do proxy_start "$version"; done
  proxied_start late 1 --time="$(size 5 10)" --rate=100
  await 10 more_than 100 count_sql online || fail 'the first clients cannot connect'
  sql_copying --config tcpcopy.toml
  counting_sql
  await 10 reached online 100 || fail 'no load'
  load_end late
  settle
  # A server that takes the proxy's word for the address shows that the header came first on each connection.
  for version in 1 2; do
    proxied_start "broken-$version" "$version" --time="$(size 4 10)" --rate=100
    sleep 1
    break_connections test 3306
    sleep 1
    [[ $(copies_hosts) == 192.0.2.1 ]] || fail "version $version: the copies come from $(copies_hosts | paste -sd' ')"
    load_end "broken-$version"
  done
  settle
  copy_stop
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
  # Ten connections lose what was on its way, twice; the late ones may end for want of their header.
  ((N_TEST * 100 >= N_ONLINE * 90)) || fail "$((N_ONLINE - N_TEST)) of $N_ONLINE commands are missing"
  ledger_holds tcpcopy '.ledger.sessions.incomplete | .module_failed + .login_failed == 0' 'logins failed'
  ledger_holds tcpcopy '.ledger.tcp.connected <= 60' 'a storm of connections'
}

proxy_start() {
  local port=$((3306 + $1))
  spawn client "$CASE_DIR/proxy-$1.log" python3 "$ROOT/scripts/lib/tcp-proxy.py" "$port" "$ONLINE4" 3306 "$1"
  await 10 listening client "$port" || stopped_short 'no proxy' "proxy-$1"
}

proxied_start() {
  local name=$1 port=$((3306 + $2))
  shift 2
  sysbench_start "$name" app app-online --db-ps-mode=disable --mysql-host=127.0.0.1 --mysql-port="$port" "$@"
}

copies_hosts() {
  sql_ask test "SELECT DISTINCT SUBSTRING_INDEX(host, ':', 1) FROM information_schema.processlist WHERE user = 'app'"
}
