# shellcheck shell=bash disable=SC2034
about='10 000 connections open at once, idle, then a request on each'
wire=any

run() {
  local count=10000 idle us_tcpcopy us_intercept kb_tcpcopy kb_intercept
  idle=$(size 4 10)
  nginx_start online
  nginx_start test
  mkfifo go
  copying
  counting count_http
  load_start client held "$HELD_CLIENT" "$ONLINE4" "$count" 1 opened go
  await 60 test -e opened || stopped_short 'the client cannot connect' held
  settle
  await 5 all_stand "$count" || fail "$(count_connections) of $count connections stand on the test server"
  kb_tcpcopy=$(resident_kb "${TCPCOPY[tcpcopy]}") kb_intercept=$(resident_kb "$INTERCEPT")

  us_tcpcopy=$(cpu_us "${TCPCOPY[tcpcopy]}") us_intercept=$(cpu_us "$INTERCEPT")
  sleep "$idle"
  us_tcpcopy=$((($(cpu_us "${TCPCOPY[tcpcopy]}") - us_tcpcopy) / idle))
  us_intercept=$((($(cpu_us "$INTERCEPT") - us_intercept) / idle))
  # In microseconds a second: 5000 are half a percent of a core. The system counts in steps of 10 000.
  ((us_tcpcopy + us_intercept <= 5000)) ||
    fail "tcpcopy and intercept burn $us_tcpcopy and $us_intercept us a second while nothing happens"
  measured open_kb "$((kb_tcpcopy + kb_intercept))"
  measured idle_us "$((us_tcpcopy + us_intercept))"
  note "tcpcopy $kb_tcpcopy KB, intercept $kb_intercept KB; idle, $us_tcpcopy and $us_intercept us of CPU a second"

  echo go >go
  load_end held
  all_arrived
  ((N_ONLINE == 2 * count)) || fail "the client sent $N_ONLINE requests only"
  ledger_holds tcpcopy ".ledger.sessions.replayed == $count" 'not all sessions are whole'
}

count_connections() { on test ss -Htn state established 'sport = :80' | wc -l; }
all_stand() { (($(count_connections) == $1)); }
resident_kb() { awk '/^VmRSS:/ { print $2 }' "/proc/$1/status"; }
