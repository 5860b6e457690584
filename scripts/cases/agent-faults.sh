# shellcheck shell=bash disable=SC2034
about='agent mode: a firewall behind the device is found, and its end; intercept is killed and starts again; a tcpcopy without the key, and an intercept without --tun'
fault=yes
wire=any
ours=yes

run() {
  local said
  nginx_start online
  nginx_start test
  strict_wire
  agent_copying
  counting count_http
  load_start client slow bash -c "until [[ -e stop ]]; do curl -sS --fail -o /dev/null http://$ONLINE4/ || exit 1; sleep 0.05; done"
  await 10 reached test 20 || fail 'nothing arrives'
  nft_rule test inet 'type filter hook input priority 0; iifname "tcpcopy0" counter name dropped drop'
  await 20 grep -q 'WARN.*tunnel-silent' tcpcopy.log || fail 'no finding names the firewall'
  nft_end test inet
  await 20 grep -q 'INFO.*tunnel-silent' tcpcopy.log || fail 'the end of the fault is not told'
  touch stop
  load_end slow
  settle
  ((N_TEST == N_ONLINE)) || fail "$((N_ONLINE - N_TEST)) of $N_ONLINE are missing after the fault"

  kill -KILL "$INTERCEPT"
  wait "$INTERCEPT" 2>/dev/null || true
  INTERCEPT=
  ! on test ip link show tcpcopy0 >/dev/null 2>&1 || fail 'the device has survived its intercept'
  agent_start
  await 10 more_than 0 count_links || fail 'tcpcopy does not come back'
  load after ab -q -c 5 -n 500 "http://$ONLINE4/"
  all_arrived
  agent_clean

  agent_start
  refused 'it wants a key' --tunnel
  intercept_stop
  intercept_start -i eth0
  refused 'it takes no copies (--tun)' --tunnel
  intercept_stop
}

# refused PATTERN FLAG...: a tcpcopy that cannot start, and says why.
refused() {
  local said host=$TEST4
  [[ $INTERCEPT_HOST == test ]] || host=$ASSIST4
  said=$(on online timeout 20 "${TCPCOPY_COMMAND[@]}" -x "8089-$TEST4:8089" -s "$host" "${@:2}" 2>&1) || true
  [[ $said == *"$1"* ]] || fail "tcpcopy ${*:2}: $said"
}
