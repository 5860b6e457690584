# shellcheck shell=bash disable=SC2034
about='floods and crowds on the control port during load: copying goes on, a restarted tcpcopy has its place, a line names the source'
ours=yes

run() {
  local kind hosts=() n
  nginx_start online
  nginx_start test
  intercept_start -i eth0 -F 'tcp and src port 80' --stats-json "$CASE_DIR/intercept.json"
  tcpcopy_start tcpcopy -x "80-$TEST4:80" -s "$ASSIST4"
  counting count_http
  load_start client wrk wrk -t1 -c20 -d"$(size 25 40)" "http://$ONLINE4/"
  await 10 reached online 500 || fail 'no load'
  for n in {1..10}; do
    hosts+=("10.9.9.$n")
    on client ip address replace "10.9.9.$n/32" dev lo
    on assist ip route replace "10.9.9.$n/32" via "$CLIENT4"
  done
  # Each kind from a host of its own: one that is cut off is kept out.
  strangers test mute 64
  strangers client pings "${hosts[8]}"
  strangers client routes "${hosts[9]}"
  strangers client many 10000
  strangers client hold 128 "${hosts[@]:0:8}"
  await 10 grep -q held hold.log || fail 'the crowd does not hold its connections'
  tcpcopy_start late -x "8081-$TEST4:8081" -s "$ASSIST4"
  load_end wrk
  load_unharmed wrk
  all_arrived
  ledger_holds tcpcopy '[.intercepts[] | .connects, .disconnects] == [1, 0]' 'the control connection of tcpcopy was lost'
  for kind in mute pings routes many hold; do end "${LOAD[$kind]}" TERM || true; done
  (($(grep -c 'cut off for' intercept.log) == 2)) || fail "$(grep -c 'cut off for' intercept.log) lines about two floods"
  ((INTERCEPT_KB < 60000)) || fail "intercept took $INTERCEPT_KB KB"
  jq -e --arg pings "${hosts[8]}" --arg routes "${hosts[9]}" \
    '[.hosts[] | select(.cut_off > 0).address] | sort == ([$pings, $routes] | sort)' intercept.json >/dev/null ||
    fail 'the account does not name the flooders'
  note "$(jq -c '[.hosts[] | {address, accepted, cut_off, refused}]' intercept.json)"
}

# strangers HOST KIND ARGUMENT...: one kind of them in the background.
strangers() {
  load_start "$1" "$2" python3 "$ROOT/scripts/lib/strangers.py" "$2" "$ASSIST4" "${@:3}"
  sleep 2
}
