# shellcheck shell=bash disable=SC2034
# Agent mode: intercept on the test host takes copies over its control connection and hands them to the kernel by a TUN device.

AGENT_NET4=198.18.0.0/15 AGENT_NET6=fd00:12::/64

# strict_wire: the switch drops every frame whose source address is not its sender's, as the switches of clouds do, and the
# test host has no route that anybody set by hand.
strict_wire() {
  local host rules=''
  for host in "${HOSTS[@]}"; do
    rules+="
      chain $host {
        type filter hook ingress device \"$host\" priority 0;
        meta protocol ip ip saddr != $(address4 "$host") counter name foreign drop
        meta protocol ip6 ip6 saddr != { $(address6 "$host"), fe80::/10, :: } counter name foreign drop
        meta protocol arp arp saddr ip != $(address4 "$host") drop
      }"
  done
  on wire nft -f - <<<"table netdev strict {
    counter foreign { }$rules
  }"
  ip -n "$(netns test)" route del "$CLIENT4/32"
  ip -n "$(netns test)" -6 route del "$CLIENT6/128"
  # Whatever is strict elsewhere, too.
  on test sysctl -q -w net.ipv4.conf.all.rp_filter=1
}

address4() { case $1 in client) echo "$CLIENT4" ;; online) echo "$ONLINE4" ;; test) echo "$TEST4" ;; assist) echo "$ASSIST4" ;; esac; }
address6() { case $1 in client) echo "$CLIENT6" ;; online) echo "$ONLINE6" ;; test) echo "$TEST6" ;; assist) echo "$ASSIST6" ;; esac; }

# Frames with a foreign source that the switch has dropped.
foreign_frames() { on wire nft -j list counter netdev strict foreign | jq '.nftables[] | .counter? // empty | .packets'; }

# lax_wire: as before strict_wire.
lax_wire() {
  on wire nft delete table netdev strict 2>/dev/null || return 0
  answers_via_assist "$CLIENT4" "$CLIENT6"
  on test sysctl -q -w net.ipv4.conf.all.rp_filter=0
}

# agent_start [ARGUMENT...]: intercept on the test host, with a key.
agent_start() {
  [[ -e agent.key ]] || "${INTERCEPT_COMMAND[@]}" --new-key agent.key >agent.txt || fail 'no key'
  spawn test "$CASE_DIR/intercept.log" "${INTERCEPT_COMMAND[@]}" --tun --net "$AGENT_NET4,$AGENT_NET6" --key-file agent.key \
    --stats-json "$CASE_DIR/intercept.json" "$@"
  INTERCEPT=$SPAWNED
  INTERCEPT_HOST='test'
  await 5 intercept_listens || stopped_short 'intercept does not listen' intercept
}

# agent_copying [PORT [ARGUMENT...]]: both daemons in agent mode; the arguments are for tcpcopy.
agent_copying() {
  local port=${1:-80}
  agent_start
  tcpcopy_start tcpcopy -x "$port-$TEST4:$port" -s "$TEST4" --tunnel --key-file agent.key -i eth0 "${@:2}"
}

# agent_clean: no frame had a foreign source, nothing was rejected, and the device is gone. After all_arrived.
agent_clean() {
  local foreign
  foreign=$(foreign_frames)
  [[ $foreign == 0 ]] || fail "$foreign frames with a foreign source"
  [[ $(jq '.tunnel.written > 0 and .tunnel.rejected == 0 and .tunnel.failed == 0' intercept.json) == true ]] ||
    fail "the device: $(jq -c .tunnel intercept.json)"
  ! on test ip link show tcpcopy0 >/dev/null 2>&1 || fail 'the device is still there'
}
