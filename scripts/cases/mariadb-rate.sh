# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/mariadb-prepared.sh
source "$ROOT/scripts/cases/mariadb-prepared.sh"
about='sysbench read-write, text queries, 150 transactions a second; the test server without passwords'
wire=any

run() { loaded --db-ps-mode=disable --rate=150; }
