# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/sqlreplay-mariadb.sh
source "$ROOT/scripts/cases/sqlreplay-mariadb.sh"
about='sqlreplay: the same with MySQL 9'

run() {
  SECRET="'hunter4'" SECRET_KIND=Com_set_password
  recorded_and_replayed mysql "${MYSQL_ROOT[@]}" mysql --no-defaults --ssl-mode=DISABLED --get-server-public-key
}
