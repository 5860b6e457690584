# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/mariadb-to-mysql.sh
source "$ROOT/scripts/cases/mariadb-to-mysql.sh"
about='MySQL 9 in production, MariaDB on the test host'

run() { other_vendor mysql mariadb; }
