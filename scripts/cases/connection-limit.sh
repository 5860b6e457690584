# shellcheck shell=bash disable=SC2034
about='the test server accepts 30 connections and cuts off the others: a hint names it, and later sessions are complete'
wire=any
ours=yes
fault=yes

run() {
  local missing bytes
  nginx_start online
  NGINX_CONNECTIONS=40 nginx_start test
  copying
  counting count_http
  load many ab -q -k -c 200 -n "$(size 4000 40000)" "http://$ONLINE4/"
  PATIENCE=2 settle
  note "at the limit $N_TEST of $N_ONLINE arrived"
  missing=$((N_ONLINE - N_TEST))
  ((missing > 0)) || fail 'the limit was not reached'
  counting count_http
  load few ab -q -c 10 -n "$(size 1000 10000)" "http://$ONLINE4/"
  all_arrived
  # Each is missing for one of two reasons: dropped, or acknowledged by the server's kernel and cut off by its service.
  bytes=$(awk '/^2/ { print $2; exit }' online/access.log)
  ledger_holds tcpcopy ".ledger | .bytes.dropped.closed_by_server / $bytes + .turns.cut_off >= $missing" \
    "not all of $missing requests have a name"
  note "$(ledger tcpcopy .ledger.turns.cut_off) turns cut off"
}
