# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/mariadb-fuzz.sh
source "$ROOT/scripts/cases/mariadb-fuzz.sh"
about='random SQL scripts by two drivers: the same with MySQL 9'

run() { fuzz mysql; }
