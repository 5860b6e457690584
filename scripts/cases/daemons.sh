# shellcheck shell=bash disable=SC2034
about='-d, -P and -l of both programs; a second process with the same PID file is refused'
wire=any
ours=yes

run() {
  nginx_start online
  nginx_start test
  on assist "${INTERCEPT_COMMAND[@]}" -d -P "$CASE_DIR/intercept.pid" -l "$CASE_DIR/intercept.log" -i eth0
  await 5 test -s intercept.pid || stopped_short 'intercept writes no PID file' intercept
  INTERCEPT=$(<intercept.pid)
  record "$INTERCEPT"
  await 5 intercept_listens || stopped_short 'intercept does not listen' intercept
  local start=(on online "${TCPCOPY_COMMAND[@]}" -d -P "$CASE_DIR/tcpcopy.pid" -l "$CASE_DIR/tcpcopy.log"
    -x "80-$TEST4:80" -s "$ASSIST4" -i eth0 --stats-json "$CASE_DIR/tcpcopy.json")
  "${start[@]}"
  await 5 test -s tcpcopy.pid || stopped_short 'tcpcopy writes no PID file' tcpcopy
  TCPCOPY_PID=$(<tcpcopy.pid)
  record "$TCPCOPY_PID"
  await 5 more_than 0 count_links || stopped_short 'tcpcopy has no control connection' tcpcopy
  ! "${start[@]}" >second.log 2>&1 || fail 'a second tcpcopy takes the same PID file'
  (($(wc -l <second.log) == 1)) || fail 'the second tcpcopy does not print one line with the reason'

  counting count_http
  load ab ab -q -c 10 -n "$(size 1000 10000)" "http://$ONLINE4/"
  settle
  ((N_TEST == N_ONLINE && N_ONLINE > 0)) || fail "$((N_ONLINE - N_TEST)) of $N_ONLINE are missing"

  # Their parent is not this shell: their end is seen, their status is not.
  end "$TCPCOPY_PID" TERM 15 || fail 'tcpcopy does not end by SIGTERM'
  end "$INTERCEPT" || fail 'intercept does not end by SIGTERM'
  INTERCEPT=
  [[ ! -e tcpcopy.pid && ! -e intercept.pid ]] || fail 'a PID file is left'
  grep -q replayed tcpcopy.log || fail 'no ledger in the log file'
  ledger_holds tcpcopy .balanced 'the ledger does not balance'
}
