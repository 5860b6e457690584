# shellcheck shell=bash
# The way of the answers on the test host: scripts/route-setup, and a second interface for them.

route_setup() { on test "$ROOT/scripts/route-setup" "$@"; }

# What route-setup may change, and all that belongs to it.
test_host_state() {
  # shellcheck disable=SC2016
  on test bash -c '
    for family in 4 6; do ip "-$family" rule; ip "-$family" route show table all; done
    nft list ruleset
    grep -rs . /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf /proc/sys/net/ipv4/ip_forward || true'
}

# state_is_as FILE WHEN
state_is_as() {
  test_host_state >now.txt
  cmp -s "$1" now.txt || fail "$2: the test host is not as before: $(diff "$1" now.txt | grep '^[<>]' | head -n 3 | paste -sd';')"
}

# The test host without a way of its own for answers to clients.
no_way_for_answers() {
  ip -n "$(netns test)" route delete "$CLIENT4/32"
  ip -n "$(netns test)" -6 route delete "$CLIENT6/128"
}

# The assistant has the address 10.21.0.14, which the test host reaches by an interface of its own, "answers".
answers_by_an_interface() {
  local test
  test=$(netns test)
  ip -n "$(netns assist)" address add 10.21.0.14/24 dev eth0
  ip -n "$(netns online)" route add 10.21.0.14/32 dev eth0
  ip -n "$(netns wire)" link add answers type veth peer name answers netns "$test"
  ip -n "$(netns wire)" link set answers master wire up
  on test sysctl -q -w net.ipv4.conf.answers.arp_ignore=1 net.ipv4.conf.eth0.arp_ignore=1 net.ipv4.conf.answers.rp_filter=0 \
    net.ipv6.conf.answers.disable_ipv6=1 # an address of it would come later, and look like a change
  ip -n "$test" address add 10.21.0.13/24 dev answers
  ip -n "$test" link set answers up
}

answers_by_eth0() {
  ip -n "$(netns wire)" link delete answers
  ip -n "$(netns online)" route delete 10.21.0.14/32
  ip -n "$(netns assist)" address delete 10.21.0.14/24 dev eth0
  on test sysctl -q -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.tcp_early_demux=1
  answers_via_assist "$CLIENT4" "$CLIENT6"
}
