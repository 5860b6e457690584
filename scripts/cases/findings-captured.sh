# shellcheck shell=bash disable=SC2034
about='tcpcopy captures on the wrong interface: a warning names it'
wire=any
ours=yes
fault=yes

# shellcheck source=scripts/lib/findings.sh
source "$ROOT/scripts/lib/findings.sh"

run() {
  nginx_start online
  nginx_start test
  intercept_start
  tcpcopy_start tcpcopy -x "80-$TEST4:80" -s "$ASSIST4" -i lo
  counting count_http
  findings_load 20
  await 12 more_than 0 warnings not-captured || fail 'not-captured is not found'
  cure not-captured
  grep -q "> $ONLINE4.80:" "$CASE_DIR/cures.log" || note "no tcpdump: $(tail -n 1 "$CASE_DIR/cures.log")"
  EXPECTED=(not-captured)
  no_other_findings
  loads_end
  copy_stop
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
  ((N_TEST == 0)) || fail 'something was copied'
}
