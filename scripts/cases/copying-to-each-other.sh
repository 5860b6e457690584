# shellcheck shell=bash disable=SC2034
about='two tcpcopies copy to each other, so that each target is production; and one copies to itself'
wire=any
ours=yes
finds='intercept-away'

run() {
  nginx_start online
  nginx_start test
  intercept_start -i eth0
  # With one intercept neither may go on: both targets are copied from.
  tcpcopy_start tcpcopy -x "80-$TEST4:80" -s "$ASSIST4" -i eth0
  spawn test "$CASE_DIR/other.log" "${TCPCOPY_COMMAND[@]}" -x "80-$ONLINE4:80" -s "$ASSIST4" -i eth0
  await 5 grep -q "$ONLINE4:80 are copied: it is a production service; name a test server" "$CASE_DIR/other.log" ||
    fail "the other one does not say what is wrong: $(tail -n 1 "$CASE_DIR/other.log")"
  await 5 grep -q "$TEST4:80 are copied: it is a production service" "$CASE_DIR/tcpcopy.log" ||
    fail "the first one does not say what is wrong: $(tail -n 1 "$CASE_DIR/tcpcopy.log")"
  counting count_http
  load ab ab -q -c 10 -n "$(size 500 5000)" "http://$ONLINE4/"
  await 5 reached online "$(size 500 5000)" || fail 'production is not served'
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
  ((N_ONLINE == $(size 500 5000) && N_TEST == 0)) || fail "production served $N_ONLINE, and $N_TEST copies"
  tcpcopy_stop tcpcopy
  ledger_holds tcpcopy '.ledger.tcp.segments_sent == 0' 'something was sent to a production service'
  # A tcpcopy that copies to itself does not start.
  spawn online "$CASE_DIR/itself.log" "${TCPCOPY_COMMAND[@]}" -x "80-$ONLINE4:80" -s "$ASSIST4" -i eth0
  await 5 grep -q "$ONLINE4:80 is a service of this host" "$CASE_DIR/itself.log" || fail 'it copies to itself'
  intercept_stop
}
