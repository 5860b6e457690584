# shellcheck shell=bash disable=SC2034
about='long answers of MariaDB whose segments overtake each other: no slower than in order, and each command after its answer'
unit=commands
ours=yes
fault=yes
needs=databases

run() {
  local plain swapped megabytes again
  megabytes=$(size 100 300)
  sql_servers mariadb app
  sql_copying --config tcpcopy.toml
  counting_sql
  swapper 1000000000
  plain=$(answered_after "$megabytes")
  end "$SWAPPER"
  swapper 20
  again=$(sent_again)
  swapped=$(answered_after "$megabytes")
  end "$SWAPPER"
  swapper_end
  note "$megabytes MB in $plain ms, with swapped segments in $swapped ms, $(($(sent_again) - again)) segments sent again"
  sql_arrived
  ledger_holds tcpcopy '.ledger.tcp.received_out_of_order >= 5' 'no segment was swapped'
  ledger_holds tcpcopy '.ledger.turns.timed_out == 0' 'a turn did not wait for its answer'
  ((swapped * 10 <= plain * 13 + 10000)) || fail "swapped segments take $swapped ms instead of $plain ms"
}

# answered_after MEGABYTES: how long until the command behind an answer of that length has arrived, in ms.
answered_after() {
  local before start
  before=$(sql_now test Com_insert)
  start=$(date +%s%3N)
  on client mariadb --no-defaults --skip-ssl -h "$ONLINE4" -u app -papp-online sbtest -N \
    -e "SELECT REPEAT('x', 1000000) FROM seq_1_to_$1; INSERT INTO sbtest1 (k) VALUES (1)" >/dev/null
  await 60 arrived_more "$before" || return
  echo $(($(date +%s%3N) - start))
}
arrived_more() { (($(sql_now test Com_insert) > ${1:-0})); }
sent_again() { on test nstat -az TcpRetransSegs | awk '/Retrans/ { print $2 }'; }
