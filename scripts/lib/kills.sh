# shellcheck shell=bash
# The parts of cases with KILL.

STRANGERS=60

# kill_servers KIND: with strangers on the test server, whose ids the victims have on the online server.
kill_servers() {
  local host
  sql_servers "$1" app
  sql_up
  for host in online test; do sql_ask "$host" 'CREATE TABLE sbtest.said (way VARCHAR(50), what VARCHAR(50))'; done
  spawn test "$CASE_DIR/strangers.log" "$PYTHON" "$ROOT/scripts/lib/sql-strangers.py" "$CASE_DIR/test/sql.sock" "$STRANGERS"
  await 60 strangers_live || stopped_short 'no strangers' strangers
  sql_ask test "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'root'" | sort >strangers
  sql_first_login "$1" app
  sql_copying --config tcpcopy.toml
  counting_sql
}

# All, and half of them execute something. One connection more is that of the question.
strangers_live() {
  local all busy
  read -r all busy < <(sql_ask test "SELECT COUNT(*) - 1, COALESCE(SUM(INFO LIKE 'SELECT SLEEP%'), 0) FROM information_schema.PROCESSLIST WHERE USER = 'root'")
  ((all == STRANGERS && busy == STRANGERS / 2))
}

# kills_start KIND PART, and kills_end, which checks what is left.
kills_start() { load_start client kills "$PYTHON" "$ROOT/scripts/lib/sql-kills.py" "$ONLINE4" app app-online "$@"; }

kills_end() {
  local host missed named
  load_end kills
  ! grep -E 'Error|Exception' kills.log || fail 'the client has an error'
  [[ -n $(sort kills.log | comm -12 - strangers) ]] || fail 'no victim has the id of a stranger'
  sleep 4 # the slow statements of those who were missed
  sql_ended
  strangers_live || fail 'strangers were killed'
  for host in online test; do sql_ask "$host" 'SELECT way, what FROM sbtest.said' | sort >"$host/said.rows"; done
  ! grep during online/said.rows || fail 'production has rows of killed statements'
  comm -13 {online,test}/said.rows >missed.txt
  comm -23 {online,test}/said.rows >lost.txt
  missed=$(wc -l <missed.txt)
  [[ ! -s lost.txt ]] || fail "$(wc -l <lost.txt) rows are missing: $(head -n 5 lost.txt | paste -sd,)"
  ! grep -v during missed.txt || fail 'rows are there twice'
  # A kill that does not hit its victim's copy is left out, and its session is not whole.
  named=$(ledger tcpcopy '.protocols.mysql.left_out // {} | [to_entries[] | select(.key | test("^(kill|unreadable_sql)")) | .value] | add // 0')
  ((missed <= named)) || fail "$missed kills missed, $named counted: $(cut -f 1 missed.txt | paste -sd,)"
  ledger_holds tcpcopy ".ledger.sessions.incomplete | add >= $missed" 'sessions with lost kills are whole'
  ((missed == 0)) || note "missed: $(cut -f 1 missed.txt | paste -sd,)"
}

# kills_hit WAY...: these must have hit.
kills_hit() {
  local way
  for way; do ! grep -q "^$way	" missed.txt || fail "'$way' missed its victim"; done
}
