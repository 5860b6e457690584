# shellcheck shell=bash disable=SC2034
about='forged requests and SYNs beside real load: the test server sees none of them, and all of the load'
wire=any
ours=yes

run() {
  local forged syns=300 held kind
  forged=$(size 20000 200000)
  nginx_start online
  nginx_start test
  # The online host's resets need a way, and so would answers of the test host.
  on online ip route replace 10.1.0.0/16 via "$CLIENT4"
  on test ip route replace 10.1.0.0/16 via "$ASSIST4"
  copying
  counting count_http
  load_start client paced "$HELD_CLIENT" --rate 500 "$(size 8 20)" "$ONLINE4" 20
  forge data "$forged" "$(size 3 15)" 10.1.200.1
  forge mixed "$syns" 1 10.1.201.1
  forge syn "$syns" 1 10.1.202.1
  sleep 1.5
  held=$(($(established test) - $(established online)))
  ((held <= 2)) || fail "the test server holds $held connections more than the online server"
  load_end paced
  all_arrived
  on online ip route del 10.1.0.0/16
  on test ip route del 10.1.0.0/16
  ledger_holds tcpcopy ".ledger.sessions.incomplete.rejected_online >= $forged" 'not all forged requests count as rejected'
  ledger_holds tcpcopy ".ledger.sessions.incomplete.never_established >= $syns" 'not all forged SYNs count as never established'
  note "$held connections more than online; $(jq -c .ledger.sessions.incomplete "$CASE_DIR/tcpcopy.json")"
}

# forge KIND COUNT SECONDS FIRST_SOURCE
forge() { load "$1" python3 "$ROOT/scripts/lib/forged-segments.py" "$1" "$ONLINE4" 80 "${@:2}"; }

established() { on "$1" ss -Htn state established 'sport = :80' | wc -l; }
