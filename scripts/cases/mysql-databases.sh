# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/mariadb-databases.sh
source "$ROOT/scripts/cases/mariadb-databases.sh"
about='connections choose databases in many ways, then their copies break: the same with MySQL 9'

run() { databases_kept mysql; }
