# shellcheck shell=bash
# A monitor host, which gets copies of what the online host receives and sends: by a cable of its own, as from the mirror port of
# a switch, or in tunnels. tcpcopy runs there.

MONITOR4=10.20.0.15 MONITOR6=fd20::15
# A frame of 1500 bytes fits in a tunnel.
TUNNEL_MTU=1600

# monitor_up: the host monitor on the wire, with a second interface that receives what is sent into tap0 of the online host.
monitor_up() {
  local host
  TCPCOPY_HOST=monitor
  netns monitor >>"$LAB_DIR/namespaces"
  echo >>"$LAB_DIR/namespaces"
  ip netns add "$(netns monitor)"
  ip -n "$(netns monitor)" link set lo up
  host_up monitor 15
  ip -n "$(netns online)" link add tap0 type veth peer name tap0 netns "$(netns monitor)"
  for host in online monitor; do
    ip -n "$(netns wire)" link set "$host" mtu "$TUNNEL_MTU"
    ip -n "$(netns "$host")" link set eth0 mtu "$TUNNEL_MTU"
    # Nobody speaks on the cable of the mirror.
    on "$host" sysctl -q -w net.ipv6.conf.tap0.disable_ipv6=1 net.ipv4.conf.tap0.arp_ignore=8
    ip -n "$(netns "$host")" link set tap0 mtu "$TUNNEL_MTU" up
    [[ $OFFLOADS == on ]] || on "$host" ethtool -K tap0 tso off gso off gro off tx off rx off >/dev/null
  done
  # Where MTUs differ, segments stay as long as the clients' MTU allows.
  ip -n "$(netns wire)" link set wire mtu "$TUNNEL_MTU"
}

# monitor_down: takes away what an earlier case has left of it.
monitor_down() {
  local device
  [[ -e /run/netns/$(netns monitor) ]] || return 0
  on online nft 'table netdev mirror; delete table netdev mirror'
  ip netns delete "$(netns monitor)"
  for device in vx4 vx6 er; do ip -n "$(netns online)" link delete "$device" 2>/dev/null || true; done
  ip -n "$(netns wire)" link set online mtu 1500
  ip -n "$(netns online)" link set eth0 mtu 1500
}

# mirror PORT DEVICE...: both directions of a service of the online host are copied to each of these devices.
mirror() {
  local port=$1 device dup=''
  shift
  on online nft 'table netdev mirror; delete table netdev mirror'
  for device; do dup+=" dup to \"$device\""; done
  on online nft -f - <<RULES
    table netdev mirror {
      chain received {
        type filter hook ingress device "eth0" priority 0;
        tcp dport $port $dup
      }
      chain sent {
        type filter hook egress device "eth0" priority 0;
        tcp sport $port $dup
      }
    }
RULES
}

# vxlan_up NAME REMOTE [PORT]: a device of the online host whose frames arrive at the monitor in VXLAN.
vxlan_up() {
  local family=''
  [[ $2 != *:* ]] || family='-6'
  # shellcheck disable=SC2086
  ip $family -n "$(netns online)" link add "$1" type vxlan id 42 remote "$2" dstport "${3:-4789}" dev eth0 udp6zerocsumtx
  on online sysctl -q -w "net.ipv6.conf.$1.disable_ipv6=1"
  ip -n "$(netns online)" link set "$1" mtu 1500 up
}

# erspan_up NAME REMOTE KIND: the same in a tunnel that this kernel need not know: a program sends what it receives on the other
# end of a cable.
erspan_up() {
  ip -n "$(netns online)" link add "$1" type veth peer name "$1-end"
  on online sysctl -q -w "net.ipv6.conf.$1.disable_ipv6=1" "net.ipv6.conf.$1-end.disable_ipv6=1"
  # Frames as they are on a wire.
  on online ethtool -K "$1" tso off gso off tx off >/dev/null
  ip -n "$(netns online)" link set "$1" up
  ip -n "$(netns online)" link set "$1-end" up
  : >"$CASE_DIR/$1.log" # an earlier sender was ready
  spawn online "$CASE_DIR/$1.log" python3 "$ROOT/scripts/lib/mirror.py" "$1-end" "$2" "$3"
  ERSPAN=$SPAWNED
  await 5 grep -q ready "$CASE_DIR/$1.log" || die "the sender of $3 does not start: $(tail -n 1 "$CASE_DIR/$1.log")"
}

# erspan_down NAME: the sender must have lost nothing.
erspan_down() {
  end "$ERSPAN" TERM || fail 'the sender of the mirror does not end'
  grep -q '"dropped": 0' "$CASE_DIR/$1.log" || fail "the sender of the mirror: $(tail -n 1 "$CASE_DIR/$1.log")"
  ip -n "$(netns online)" link delete "$1"
}
