# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/lib/load-local.sh
source "$ROOT/scripts/lib/load-local.sh"
about='LOAD DATA LOCAL with large files by three clients, absent files, one among several statements: the same data'
unit=commands
wire=any
ours=yes
needs=databases

run() { files_arrive mariadb; }

files_arrive() {
  local mb
  mb=$(size 5 22)
  local_servers "$1" 1 1
  large_file "$mb"
  file_of_commands
  local_load pymysql_large connector_large several absent commands
  if [[ $1 == mariadb ]]; then
    # shellcheck disable=SC2016
    load client bash -c '"$@" <<<"INSERT INTO said VALUES (\"client before\"); LOAD DATA LOCAL INFILE \"large\" INTO TABLE loaded; INSERT INTO said VALUES (\"client after\")"' \
      client mariadb --no-defaults -h "$ONLINE4" -u app -papp-online --skip-ssl --local-infile sbtest
  else
    # shellcheck disable=SC2016
    load client bash -c '"$@" <<<"INSERT INTO said VALUES (\"client before\"); LOAD DATA LOCAL INFILE \"$0\" INTO TABLE loaded; INSERT INTO said VALUES (\"client after\")"' \
      "$CASE_DIR/large" "${MYSQL_ROOT[@]}" mysql --no-defaults -h "$ONLINE4" -u app -papp-online --ssl-mode=DISABLED --local-infile=1 sbtest
  fi
  sql_arrived
  local_same said loaded
  local_unharmed
  ledger_holds tcpcopy '.ledger.sessions.incomplete | add == 0' 'sessions are incomplete'
  ledger_holds tcpcopy '.protocols.mysql.left_out == null' 'something was left out'
}
