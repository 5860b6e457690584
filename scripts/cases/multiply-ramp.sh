# shellcheck shell=bash disable=SC2034
about='-g: the share of the sessions grows by one percent a second'
wire=any
ours=yes
# shellcheck source=scripts/lib/multiply.sh
source "$ROOT/scripts/lib/multiply.sh"

run() {
  local before after lowest highest
  nginx_peers_start online test
  intercept_start -i eth0
  before=$(date +%s.%N)
  tcpcopy_start tcpcopy -x "80-$TEST4:80" -s "$ASSIST4" -i eth0 -g
  after=$(date +%s.%N)
  counting count_http
  numbered_clients numbered "$ONLINE4" 2000-5999 --at-once 20 --pace 400
  await 10 settled || fail 'copies are under way for long'
  copy_stop
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
  lowest=$(($(share_since "$after") - N_ONLINE / 50)) highest=$(($(share_since "$before") + N_ONLINE / 50))
  note "$N_TEST of $N_ONLINE, $lowest to $highest expected"
  ((N_TEST >= lowest && N_TEST <= highest)) || fail "$N_TEST arrive, $lowest to $highest are expected"
  ((N_TEST > 50)) || fail 'nothing grows'
}

# The sum of the shares at the time of each request, if the ramp began then.
share_since() {
  awk -v began="$1" '$1 > began { n += ($1 - began) / 100 } END { printf "%d", n }' "$CASE_DIR/online/peers.log"
}
settled() { [[ $(ledger tcpcopy '.ledger.bytes.pending == 0 and .ledger.sessions.active == 0') == true ]]; }
