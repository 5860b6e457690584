# shellcheck shell=bash disable=SC2034
about='each hop breaks after 20 s of load: a warning names it, its command mends it, the end is told'
wire=any
ours=yes
fault=yes

# shellcheck source=scripts/lib/findings.sh
source "$ROOT/scripts/lib/findings.sh"

run() {
  nginx_start online
  nginx_start test
  copying
  counting count_http
  findings_load 200
  sleep 20
  fault route-missing answers_go_astray
  answers_via_assist "$CLIENT4"
  on test "$ROOT/scripts/route-setup" del >>cures.log
  fault server-hangs stop_the_server
  fault assistant-forwards let_the_assistant_forward
  fault refused end_the_server start_the_server
  fault intercept-misses filter_wrongly
  fault intercept-away end_intercept
  fault neighbour-unknown lose_the_gateway
  ip -n "$(netns online)" route delete "$TEST4/32"
  fault target-silent pull_the_cable plug_the_cable
  fault two-tcpcopies copy_twice copy_once
  no_other_findings
  for client in kept anew; do end "${LOAD[$client]}" TERM || true; done
  tcpcopy_stop tcpcopy
  end "$INTERCEPT" TERM || fail 'intercept does not end'
  INTERCEPT=
  ledger_holds tcpcopy '.findings | length == 9 and all(.present == false)' 'the report does not have all findings'
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
}

answers_go_astray() { ip -n "$(netns test)" route delete "$CLIENT4/32"; }
stop_the_server() { kill -STOP "$(nginx_worker test)"; }
let_the_assistant_forward() { on assist sysctl -q -w net.ipv4.ip_forward=1; }
end_the_server() { nginx_stop test; }
start_the_server() { nginx_start test; }
end_intercept() {
  end "$INTERCEPT" KILL || true
  INTERCEPT=
}
filter_wrongly() {
  end_intercept
  intercept_start -i eth0 -F 'tcp and src port 81'
}
lose_the_gateway() { ip -n "$(netns online)" route add "$TEST4/32" via 10.20.0.99; }
pull_the_cable() { ip -n "$(netns wire)" link set test down; }
plug_the_cable() { ip -n "$(netns wire)" link set test up; }
copy_twice() { tcpcopy_start second -x "80-$TEST4:80" -s "$ASSIST4" -i eth0; }
copy_once() { tcpcopy_stop second; }
