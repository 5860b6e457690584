# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/mariadb-prepared.sh
source "$ROOT/scripts/cases/mariadb-prepared.sh"
about='sysbench read-write with text queries, 10 threads, saturating; the test server without passwords'

run() { loaded --db-ps-mode=disable; }
