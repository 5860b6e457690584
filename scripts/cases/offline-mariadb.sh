# shellcheck shell=bash disable=SC2034
about='capture files of MariaDB: sysbench with prepared statements, whole and from the middle of its connections, passwords that differ'
unit=commands
wire=any
ours=yes
needs=databases

# shellcheck source=scripts/lib/offline.sh
source "$ROOT/scripts/lib/offline.sh"

run() {
  sql_servers mariadb app
  sql_up
  capture_start online sql.pcap tcp port 3306
  counting_sql
  sysbench_load sysbench app app-online
  sleep 0.3
  capture_stop
  intercept_start -i eth0
  replay whole 3306 sql.pcap -a 1000 --config tcpcopy.toml
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
  ((N_ONLINE > 0)) || fail 'no load at all'
  sql_count_kinds
  local difference
  difference=$(join -a 1 -a 2 -e 0 -o 0,1.2,2.2 "$CASE_DIR"/{online,test}/commands.txt | awk '$2 != $3 { print $1 " " $2 "/" $3 }')
  [[ -z $difference ]] || fail "commands online/test: $(paste -sd, <<<"$difference")"

  # The rows may differ: a thousand times faster, statements of different sessions come in another order.

  # From the middle: no login, no prepared statement is known, so nothing is executed in a wrong place, and all is counted.
  tcpdump -r sql.pcap -w middle.pcap "tcp[13] & 2 == 0" >/dev/null 2>&1
  sql_passwords 'app = "app-test"' '[mysql.default]' 'user = "app"' 'database = "sbtest"'
  replay middle 3306 middle.pcap -a 1000 --config tcpcopy.toml
  ledger_holds middle '.ledger.sessions.joined > 0 and .ledger.sessions.joined == .ledger.sessions.seen' 'not all sessions were joined'
  ledger_holds middle '.ledger.bytes.pending == 0' 'the ledger is not closed'
  intercept_stop
}
