# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/mariadb-clients.sh
source "$ROOT/scripts/cases/mariadb-clients.sh"
about='the programs mysql, mysqlslap, mysqldump of MySQL 9, drivers of Node and Java; also compressed connections (zlib, zstd)'

run() {
  local algorithm
  sql_servers mysql app
  sql_copying --config tcpcopy.toml
  counting_sql
  local start=("${MYSQL_ROOT[@]}") server=(--no-defaults -h "$ONLINE4" -u app -papp-online --ssl-mode=DISABLED --get-server-public-key)
  sql_programs mysql mysqlslap mysqldump
  for algorithm in zlib zstd; do
    load "$algorithm" "${start[@]}" mysql "${server[@]}" --compression-algorithms="$algorithm" sbtest \
      -e "SELECT * FROM sbtest1; UPDATE sbtest3 SET pad = '$algorithm' WHERE k > 500"
  done
  sql_drivers
  sql_arrived
  sql_same_data
  sql_same_said
}
