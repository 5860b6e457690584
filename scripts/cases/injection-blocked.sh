# shellcheck shell=bash disable=SC2034
about='the online host temporarily drops all copies: sends fail with EPERM, at the link layer and in its firewall'
wire=any
ours=yes
fault=yes

run() {
  nginx_start online
  nginx_start test
  copying
  counting count_http
  load_start client wrk wrk -t1 -c20 -d"$(size 3 10)" "http://$ONLINE4/"
  await 10 reached test 1000 || fail 'no load'
  nft_rule online netdev "type filter hook egress device eth0 priority 0; ip daddr $TEST4 counter name dropped drop"
  nft_rule online inet "type filter hook output priority 0; ip saddr $CLIENT4 counter drop"
  sleep 1
  nft_end online netdev
  nft_end online inet
  load_end wrk
  load_unharmed wrk
  all_arrived
  note "failed: $(ledger tcpcopy '.inject.failed | tostring')"
  ledger_holds tcpcopy '[.inject.failed[]] | add > 0' 'no send has failed'
  account_whole
}
