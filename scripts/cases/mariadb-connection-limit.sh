# shellcheck shell=bash disable=SC2034
about='a test server with room for some of the clients: one log line, counted by code, tried again, and all once there is room'
unit=commands
wire=any
ours=yes
fault=yes
needs=databases

run() { limited mariadb mysql_native_password --extra-port=3307 --extra-max-connections=2; }

# limited mariadb|mysql PLUGIN ARGUMENT...: these give the administrator a port of his own.
limited() {
  local kind=$1 plugin=$2 connections=15 room=10 commands=20 # a smaller limit is none to MariaDB
  shift 2
  sql_server online "$kind" app
  sql_server test "$kind" app --max-connections="$room" "$@"
  # MySQL's driver does not ask for the public key that a first login needs.
  sql_up
  [[ $kind == mariadb ]] || on client "${MYSQL_ROOT[@]}" mysql --no-defaults -h "$ONLINE4" -u app -papp-online --ssl-mode=DISABLED \
    --get-server-public-key -e 'DO 1' >known.log 2>&1 || stopped_short 'no first login' known
  sql_passwords 'app = "app-test"'
  sql_copying --config tcpcopy.toml
  sql_hold app app-online "$connections" "$commands"
  sql_phase before
  await 10 logged_in "$room" || fail 'not even those for whom there is room are logged in'
  ! logged_in $((room + 2)) || fail 'there is no limit'
  on test mariadb --no-defaults --ssl=0 -h "$TEST4" -P 3307 -u app -papp-test -e 'SET GLOBAL max_connections = 1000'
  await 20 all_logged_in || fail 'not all connections were tried again'
  counting_sql
  sql_phase delete
  await 20 sql_level Com_delete || true
  copy_stop
  sql_count_kinds
  N_ONLINE=$(sql_kind online Com_delete) N_TEST=$(sql_kind test Com_delete)
  ((N_ONLINE == 2 * connections * commands)) || fail "the client sent $N_ONLINE commands only"
  ((N_TEST == N_ONLINE)) || fail "$((N_ONLINE - N_TEST)) commands are missing"
  ledger_holds tcpcopy '.ledger.bytes.dropped.refused > 0 and .ledger.tcp.refused > 0' 'nothing was refused'
  ledger_holds tcpcopy '.protocols.mysql.refused_connections | keys == ["1040"]' 'refusals are not counted by code'
  ledger_holds tcpcopy '.ledger.bytes.dropped.login_failed == 0' 'logins failed'
  ledger_holds tcpcopy ".protocols.mysql.logins.accepted_$plugin == $connections" 'not all are logged in'
  (($(grep -c 'WARN.*1040' tcpcopy.log) == 1)) || fail "$(grep -c 'WARN.*1040' tcpcopy.log) warnings instead of one"
}

logged_in() { [[ $(ledger tcpcopy ".protocols.mysql.logins.accepted_$plugin >= $1" 2>&1) == true ]]; }

# A server that has refused is left alone for a second.
all_logged_in() {
  sql_phase meanwhile
  logged_in "$connections"
}
