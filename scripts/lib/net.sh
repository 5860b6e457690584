# shellcheck shell=bash
# Four hosts on one wire, each a network namespace. The wire is a bridge in a fifth namespace, so that the network of
# the machine never changes.
#
#   client --+
#   online --+-- wire      test reaches client (and online) only through assist, which forwards nothing:
#   test   --+             answers of test to copied requests end there, where intercept captures them
#   assist --+

HOSTS=(client online test assist)
# shellcheck disable=SC2034  # used by the scripts that read this
{
  CLIENT4=10.20.0.11 ONLINE4=10.20.0.12 TEST4=10.20.0.13 ASSIST4=10.20.0.14
  CLIENT6=fd20::11 ONLINE6=fd20::12 TEST6=fd20::13 ASSIST6=fd20::14
}

netns() { printf '%s-%s' "$LAB" "$1"; }

# on HOST COMMAND...: runs a command in a host.
on() {
  local host=$1
  shift
  ip netns exec "$(netns "$host")" "$@" 9>&-
}

lab_is_up() { [[ -e $LAB_DIR/up ]]; }

need_lab() {
  check_lab_name
  lab_is_up || die "lab '$LAB' is not up: sudo LAB=$LAB scripts/lab up"
}

lab_up() {
  ! lab_is_up || die "lab '$LAB' is up already; take it down first"
  lab_down # what an earlier run, killed half-way, has left
  mkdir -p "$LAB_DIR"
  chmod 755 "$LAB_DIR"
  local host
  for host in wire "${HOSTS[@]}"; do
    [[ ! -e /run/netns/$(netns "$host") ]] ||
      die "a namespace $(netns "$host") exists that is not ours; choose another name: LAB=other"
    # Written first: after any interruption lab_down knows what to remove.
    netns "$host" >>"$LAB_DIR/namespaces"
    echo >>"$LAB_DIR/namespaces"
    ip netns add "$(netns "$host")"
    ip -n "$(netns "$host")" link set lo up
  done
  wire_up
  local address=11
  for host in "${HOSTS[@]}"; do
    host_up "$host" "$address"
    address=$((address + 1))
  done
  answers_via_assist "$CLIENT4" "$CLIENT6"
  touch "$LAB_DIR/up"
}

wire_up() {
  local wire
  wire=$(netns wire)
  ip -n "$wire" link add wire type bridge stp_state 0 forward_delay 0 mcast_snooping 0
  ip -n "$wire" link set wire up
  # Where br_netfilter is loaded (Docker), the wire must not run the firewall's rules.
  on wire sysctl -qe -w net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 >/dev/null 2>&1 || true
}

host_up() {
  local host=$1 address=$2 ns
  ns=$(netns "$host")
  ip -n "$(netns wire)" link add "$host" type veth peer name eth0 netns "$ns"
  ip -n "$(netns wire)" link set "$host" master wire up
  # A new namespace may inherit forwarding and rp_filter from the machine, so all relevant settings are set.
  on "$host" sysctl -q -w \
    net.ipv4.ip_forward=0 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
    net.ipv4.conf.eth0.rp_filter=0 net.ipv4.conf.all.send_redirects=0 \
    net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.eth0.disable_ipv6=0 net.ipv6.conf.all.forwarding=0 \
    net.ipv6.conf.eth0.accept_ra=0 net.ipv6.conf.eth0.accept_dad=0 \
    net.core.somaxconn=65535 net.ipv4.tcp_max_syn_backlog=65535 net.ipv4.ip_local_port_range='10000 65000'
  ip -n "$ns" link set eth0 up
  ip -n "$ns" address add "10.20.0.$address/24" dev eth0
  ip -n "$ns" address add "fd20::$address/64" dev eth0 nodad
}

# The one route that TCPCopy needs on the test host, for each client address.
answers_via_assist() {
  local ip
  for ip in "$@"; do
    case $ip in
      *:*) ip -n "$(netns test)" -6 route replace "$ip/128" via "$ASSIST6" ;;
      *) ip -n "$(netns test)" route replace "$ip/32" via "$ASSIST4" ;;
    esac
  done
}

# lab_offloads on|off: with them on (as veth has them), captured segments are up to 64 KB and have partial
# checksums; off is the plain wire.
lab_offloads() {
  local host
  for host in "${HOSTS[@]}"; do
    on "$host" ethtool -K eth0 tso "$1" gso "$1" gro "$1" tx "$1" rx "$1" >/dev/null
    on wire ethtool -K "$host" tso "$1" gso "$1" gro "$1" tx "$1" rx "$1" >/dev/null
  done
}

# lab_loss HOST PERCENT: drops that part of the TCP packets arriving at a host, and counts them; 0 ends it.
lab_loss() {
  local host=$1 share
  share=$(awk -v percent="$2" 'BEGIN { if (percent !~ /^[0-9.]+$/ || percent > 100) exit 1; printf "%d", percent * 1000 }') ||
    die "loss '$2' is no percentage"
  on "$host" nft 'table netdev lab; delete table netdev lab'
  ((share > 0)) || return 0
  on "$host" nft -f - <<RULES
    table netdev lab {
      counter dropped { }
      chain loss {
        type filter hook ingress device "eth0" priority 0;
        meta protocol { ip, ip6 } meta l4proto tcp numgen random mod 100000 < $share counter name dropped drop
      }
    }
RULES
}

# Packets that lab_loss has dropped at a host so far.
lab_dropped() {
  on "$1" nft -j list counter netdev lab dropped | jq '.nftables[] | .counter? // empty | .packets'
}

lab_down() {
  stop_recorded
  local ns
  if [[ -e $LAB_DIR/namespaces ]]; then
    while read -r ns; do
      [[ ! -e /run/netns/$ns ]] || ip netns delete "$ns" || warn "namespace $ns stays"
      rm -rf "/run/tcpcopy-route-setup.$ns" # scripts/route-setup in that namespace
    done <"$LAB_DIR/namespaces"
  fi
  rm -rf "$LAB_DIR"
}
