# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/mariadb-state.sh
source "$ROOT/scripts/cases/mariadb-state.sh"
about='connections of copies break at random, one a second: the same with MySQL 9'

run() { state_kept mysql; }
