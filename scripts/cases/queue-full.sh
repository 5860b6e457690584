# shellcheck shell=bash disable=SC2034
about='the network to the test host is slow, then its queue is full for a while: sends fail with ENOBUFS and are repeated'
wire=any
ours=yes
fault=yes

run() {
  nginx_start online
  nginx_start test
  head -c "$(size 4M 32M)" /dev/urandom >upload
  own_way_to_test
  copying
  counting count_http

  # A queue of 60 KB in front of a fifth of what the service gets.
  on online tc qdisc add dev copies root tbf rate 100mbit burst 70k limit 60000
  load upload curl -sS --fail --upload-file upload "http://$ONLINE4/put/"
  load one-shot ab -q -c 20 -n "$(size 500 5000)" "http://$ONLINE4/"
  await 20 reached test "$(arrived online)" || fail 'not all has come through the narrow way'
  await 5 more_than 0 no_buffers || fail 'the queue was never full'
  note "$(no_buffers) sends failed with ENOBUFS at a full queue"
  on online tc qdisc del dev copies root

  # Like a device with a full queue: it accepts nothing, from raw or packet sockets.
  local before
  before=$(no_buffers)
  load_start client wrk wrk -t1 -c20 -d"$(size 3 10)" "http://$ONLINE4/"
  await 10 reached test $((N_TEST + 1000)) || fail 'no load'
  nft_rule online netdev 'type filter hook egress device copies priority 0; counter drop'
  await 5 more_than "$before" no_buffers || fail 'no send has failed'
  nft_end online netdev
  load_end wrk
  load_unharmed wrk
  all_arrived
  note "$(ledger tcpcopy '.inject.failed | tostring')"
  cmp -s upload test/put/upload || fail 'the upload differs'
  account_whole
}

no_buffers() {
  local count='' # the account is written a second after the start
  [[ ! -e tcpcopy.json ]] || count=$(ledger tcpcopy '.inject.failed.ENOBUFS // 0')
  echo "${count:-0}"
}
