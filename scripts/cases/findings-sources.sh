# shellcheck shell=bash disable=SC2034
about='a test host with an interface for the answers checks sources strictly after 20 s of load: a warning names it, its command mends it'
wire=any
ours=yes
fault=yes

# shellcheck source=scripts/lib/findings.sh
source "$ROOT/scripts/lib/findings.sh"

# The assistant has the address 10.21.0.14, which the test host reaches by an interface of its own, "answers".
run() {
  nginx_start online
  nginx_start test
  answers_by_an_interface
  intercept_start -i eth0 -F 'tcp and src port 80'
  tcpcopy_start tcpcopy -x "80-$TEST4:80" -s 10.21.0.14 -i eth0
  findings_load 60
  counting count_http
  sleep 20
  fault sources-dropped check_strictly
  fault sources-dropped port_security no_port_security
  no_other_findings
  for client in kept anew; do end "${LOAD[$client]}" TERM || true; done
  copy_stop
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
  ip -n "$(netns wire)" link delete answers
  ip -n "$(netns online)" route delete 10.21.0.14/32
  ip -n "$(netns assist)" address delete 10.21.0.14/24 dev eth0
  on test sysctl -q -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.tcp_early_demux=1
  answers_via_assist "$CLIENT4"
}

answers_by_an_interface() {
  local test
  test=$(netns test)
  ip -n "$(netns assist)" address add 10.21.0.14/24 dev eth0
  ip -n "$(netns online)" route add 10.21.0.14/32 dev eth0
  ip -n "$(netns wire)" link add answers type veth peer name answers netns "$test"
  ip -n "$(netns wire)" link set answers master wire up
  on test sysctl -q -w net.ipv4.conf.answers.arp_ignore=1 net.ipv4.conf.eth0.arp_ignore=1 net.ipv4.conf.answers.rp_filter=0
  ip -n "$test" address add 10.21.0.13/24 dev answers
  ip -n "$test" link set answers up
  ip -n "$test" route replace "$CLIENT4/32" via 10.21.0.14 dev answers
}

# With early demultiplexing Linux does not check the packets of connections that are open already.
check_strictly() { on test sysctl -q -w net.ipv4.tcp_early_demux=0 net.ipv4.conf.eth0.rp_filter=1; }

# A switch that lets a port send with its own address only.
port_security() {
  nft_rule test netdev "type filter hook ingress device eth0 priority 0; ether saddr $(online_mac) ip saddr != $ONLINE4 counter name dropped drop"
}
no_port_security() { nft_end test netdev; }
online_mac() { ip -n "$(netns online)" -j link show eth0 | jq -r '.[0].address'; }
