# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/mariadb-connection-limit.sh
source "$ROOT/scripts/cases/mariadb-connection-limit.sh"
about='a test server with room for some of the clients: MySQL 9'

run() { limited mysql caching_sha2_password --admin-address="$TEST4" --admin-port=3307; }
