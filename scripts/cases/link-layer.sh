# shellcheck shell=bash disable=SC2034
about='copies as frames on a second interface of the online host, to a given MAC address: one-shot and keep-alive; its IP layer and conntrack see none'
unit=requests
wire=any
ours=yes

# A second interface of the online host, without any address: nothing but frames can leave by it.
second_interface() {
  ip -n "$(netns wire)" link add second type veth peer name eth1 netns "$(netns online)"
  ip -n "$(netns wire)" link set second master wire up
  # It must not answer for the address of the other one, or clients send there.
  on online sysctl -q -w net.ipv6.conf.eth1.disable_ipv6=1 net.ipv4.conf.eth1.arp_ignore=1 net.ipv4.conf.eth1.rp_filter=0
  ip -n "$(netns online)" link set eth1 up
}
mac() { on "$1" cat "/sys/class/net/$2/address"; }

# Packets of the online host to the test host that its IP layer sends, and those that its connection tracking knows.
seen_by_ip_layer() {
  on online nft -f - <<RULES
    table inet lab {
      counter copies { }
      chain output {
        type filter hook output priority 0;
        ip daddr $TEST4 tcp dport 80 ct state new,established,related,invalid counter name copies
      }
      chain postrouting {
        type filter hook postrouting priority 0;
        ip daddr $TEST4 tcp dport 80 counter name copies
      }
    }
RULES
}
copies_seen() { on online nft -j list counter inet lab copies | jq '.nftables[] | .counter? // empty | .packets'; }

run() {
  nginx_start online
  nginx_start test
  second_interface
  seen_by_ip_layer
  intercept_start -i eth0
  tcpcopy_start tcpcopy -x "80@$(mac online eth1)-$TEST4:80@$(mac test eth0)" -s "$ASSIST4" -o eth1 -i eth0
  counting count_http
  load ab ab -q -c 50 -n "$(size 8000 40000)" "http://$ONLINE4/"
  load wrk wrk -t1 -c50 -d"$(size 2 6)" "http://$ONLINE4/"
  load_unharmed wrk
  all_arrived
  [[ $(copies_seen) == 0 ]] || fail "the IP layer of the online host has seen $(copies_seen) copies"
  on online cat /proc/net/dev | awk '$1 == "eth1:" && $11 > 0 { found = 1 } END { exit !found }' || fail 'nothing left by eth1'

  # Without MAC addresses: the route and the neighbour of an interface that is not the usual one.
  ip -n "$(netns online)" address add 10.20.0.22/24 dev eth1 noprefixroute
  ip -n "$(netns online)" route add "$TEST4/32" dev eth1 metric 900
  intercept_start -i eth0
  tcpcopy_start routed -x "80-$TEST4:80" -s "$ASSIST4" -o eth1 -i eth0
  counting count_http
  load ab2 ab -q -c 50 -n 2000 "http://$ONLINE4/"
  all_arrived
  (($(copies_seen) > 0)) || fail 'the counter of the IP layer counts nothing, also of what passes it'
}
