# shellcheck shell=bash disable=SC2034
about='a test server that is half as fast as its clients: a warning names the growing lag within 80 s'
wire=any
ours=yes
fault=yes
full=yes

# shellcheck source=scripts/lib/findings.sh
source "$ROOT/scripts/lib/findings.sh"

# Each of the clients sends 20 requests a second; the test server needs 100 ms for each.
run() {
  nginx_start online
  ANSWER_KIND=slower
  nginx_start test
  sed -i 's/echo_sleep 0.002/echo_sleep 0.1/' "$CASE_DIR/test/nginx.conf"
  kill -HUP "$(<"$CASE_DIR/test/nginx.main")"
  copying
  counting count_http
  load_start client pool "$HELD_CLIENT" --rate 100 100 "$ONLINE4" 5
  await 90 more_than 0 warnings copy-lags || fail 'copy-lags is not found'
  EXPECTED=(copy-lags)
  no_other_findings
  end "${LOAD[pool]}" TERM || true
  copy_stop
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
}
