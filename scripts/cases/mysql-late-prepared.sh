# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/mariadb-late-prepared.sh
source "$ROOT/scripts/cases/mariadb-late-prepared.sh"
about='the same with MySQL 9, which tells session variables, too'

run() { late_prepared mysql; }
