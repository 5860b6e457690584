# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/mariadb-protocol.sh
source "$ROOT/scripts/cases/mariadb-protocol.sh"
about='PyMySQL and mysql-connector with MySQL 9, MariaDB on the test host: query attributes that it does not know'

run() { drivers mysql mariadb; }

# MariaDB does not know the collation of MySQL's SET NAMES, and does not prepare again after a change of tables.
arrived_whole() {
  local kind
  await 10 sql_level Com_insert || true
  copy_stop
  sql_count_kinds
  for kind in Com_insert Com_select Com_stmt_execute Com_stmt_send_long_data Com_stmt_close Com_change_user; do
    N_ONLINE=$((N_ONLINE + $(sql_kind online "$kind"))) N_TEST=$((N_TEST + $(sql_kind test "$kind")))
    (($(sql_kind online "$kind") == $(sql_kind test "$kind"))) || fail "$kind online/test: $(sql_kind online "$kind")/$(sql_kind test "$kind")"
  done
  ledger_holds tcpcopy '.protocols.mysql.sessions.query_attributes_left_out > 0' 'no query attributes were left out'
  ledger_holds tcpcopy '.ledger.bytes.dropped.left_out == 0' 'something was left out'
}
