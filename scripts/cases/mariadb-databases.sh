# shellcheck shell=bash disable=SC2034
about='connections choose databases in many ways, then their copies break: rows land in the same database'
unit=commands
wire=any
ours=yes
fault=yes
needs=databases

run() { databases_kept mariadb; }

databases_kept() {
  local host name way
  sql_servers "$1" app
  sql_up
  for host in online test; do
    sql_ask "$host" 'CREATE DATABASE other; CREATE TABLE sbtest.said (way VARCHAR(50)); CREATE TABLE other.said (way VARCHAR(50))'
  done
  sql_first_login "$1" app
  sql_copying --config tcpcopy.toml
  counting_sql
  load_start client databases "$PYTHON" "$ROOT/scripts/lib/sql-databases.py" "$ONLINE4" app app-online "$CASE_DIR"
  await 10 test -e chosen || stopped_short 'the client does not come so far' databases
  settle
  break_connections test 3306
  touch broken
  load_end databases
  sql_ended
  # Which of several statements were executed is not known if one has failed, and nobody can leave a database: what such a
  # connection sends after the break is left out.
  local unknown=(refused 'not reached' none)
  for name in sbtest other; do
    for host in online test; do
      sql_ask "$host" "SELECT way FROM $name.said" | sort | grep -v -E "^($(IFS='|' && printf '%s' "${unknown[*]}")) [0-9]" >"$host/$name.rows"
    done
    [[ -s online/$name.rows ]] || fail "there is nothing in $name"
    cmp -s {online,test}/"$name.rows" || fail "$name differs: $(diff {online,test}/"$name.rows" | grep '^[<>]' | head -n 8 | paste -sd,)"
    for way in "${unknown[@]}"; do
      [[ -z $(sql_ask test "SELECT way FROM $name.said WHERE way LIKE '$way%'") ]] || fail "$name has rows of '$way'"
    done
  done
  ledger_holds tcpcopy '.ledger.tcp.reconnected > 15' 'nothing was broken'
  ledger_holds tcpcopy ".ledger.sessions.incomplete | add == ${#unknown[@]}" 'other sessions are incomplete'
}
