# shellcheck shell=bash
# Parts of the cases multiply-*: copies that are counted, and clients that can be told apart.

# nginx_peers_start HOST...: nginx that also logs the peer and the path of each request, in $CASE_DIR/HOST/peers.log.
nginx_peers_start() {
  local host NGINX_HTTP
  for host; do
    mkdir -p "$CASE_DIR/$host"
    NGINX_HTTP="log_format peer '\$msec \$remote_addr:\$remote_port \$request_uri'; access_log $CASE_DIR/$host/peers.log peer;"
    nginx_start "$host"
  done
}

# Requests that were answered with success: on the online host those that the test host must have, which has $COPIES of each.
count_multiples() {
  local count
  count=$(count_http "$1")
  if [[ $1 == online ]]; then echo $((count * ${COPIES:-1})); else echo "$count"; fi
}

# numbered_clients NAME SERVER FIRST-LAST [ARGUMENT...]: see numbered-clients.py.
numbered_clients() { load "$1" python3 "$ROOT/scripts/lib/numbered-clients.py" "${@:2}"; }

# copies_are_right COPIES [--some]: the map log agrees with what both servers have seen.
copies_are_right() {
  local result
  result=$("$ROOT/scripts/lib/copies-of-clients.py" "$CASE_DIR/online/peers.log" "$CASE_DIR/test/peers.log" "$CASE_DIR/map" "$@") ||
    fail "the map log is wrong: $result"
  note "${result##*$'\n'}"
}

# map_log: where tcpcopy writes it, whose user must be able to.
map_log() { touch "$CASE_DIR/map" && chown nobody "$CASE_DIR/map" && echo "$CASE_DIR/map"; }

# extra_host NAME ADDRESS: one more host on the wire, 10.20.0.ADDRESS.
extra_host() {
  local name=$1 ns
  ns=$(netns "$name")
  [[ ! -e /run/netns/$ns ]] || return 0
  echo "$ns" >>"$LAB_DIR/namespaces"
  ip netns add "$ns"
  ip -n "$ns" link set lo up
  host_up "$name" "$2"
}

# route_via HOST NEXT-HOP ADDRESS...: HOST sends answers to these clients there.
route_via() {
  local ip
  for ip in "${@:3}"; do ip -n "$(netns "$1")" route replace "$ip/32" via "$2"; done
}
