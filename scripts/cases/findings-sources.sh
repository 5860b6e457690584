# shellcheck shell=bash disable=SC2034
about='a test host with an interface for the answers checks sources strictly after 20 s of load: a warning names it, its command mends it'
wire=any
ours=yes
fault=yes

# shellcheck source=scripts/lib/findings.sh
source "$ROOT/scripts/lib/findings.sh"
# shellcheck source=scripts/lib/routes.sh
source "$ROOT/scripts/lib/routes.sh"

run() {
  nginx_start online
  nginx_start test
  answers_by_an_interface
  ip -n "$(netns test)" route replace "$CLIENT4/32" via 10.21.0.14 dev answers
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
  answers_by_eth0
}

# With early demultiplexing Linux does not check the packets of connections that are open already.
check_strictly() { on test sysctl -q -w net.ipv4.tcp_early_demux=0 net.ipv4.conf.eth0.rp_filter=1; }

# A switch that lets a port send with its own address only.
port_security() {
  nft_rule test netdev "type filter hook ingress device eth0 priority 0; ether saddr $(online_mac) ip saddr != $ONLINE4 counter name dropped drop"
}
no_port_security() { nft_end test netdev; }
online_mac() { ip -n "$(netns online)" -j link show eth0 | jq -r '.[0].address'; }
