# shellcheck shell=bash
# NSD on port 53 of a host, and how many queries by UDP it has had.

dns_start() { # HOST
  local host=$1 dir=$CASE_DIR/$1 n
  mkdir -p "$dir"
  {
    printf '%s\n' '@ 3600 IN SOA ns hostmaster 1 3600 900 86400 300' '@ 3600 IN NS ns' 'ns 3600 IN A 192.0.2.1'
    for n in {0..9}; do say "host$n 3600 IN A 192.0.2.1$n"; done
  } >"$dir/example.zone"
  # The buffers are so large that a busy machine loses nothing.
  cat >"$dir/nsd.conf" <<CONF
server:
  ip-address: 0.0.0.0
  ip-address: ::0
  username: ""
  zonesdir: "$dir"
  database: ""
  pidfile: "$dir/nsd.pid"
  xfrdfile: "$dir/xfrd.state"
  xfrdir: "$dir"
  zonelistfile: "$dir/zone.list"
  receive-buffer-size: 16777216
  send-buffer-size: 16777216
  rrl-ratelimit: 0
  server-count: 1
remote-control:
  control-enable: yes
  control-interface: $dir/nsd.sock
zone:
  name: example.test
  zonefile: example.zone
CONF
  spawn "$host" "$dir/nsd.log" nsd -d -c "$dir/nsd.conf"
  await 10 dns_answers "$host" || stopped_short "no DNS server on $host" "$host/nsd"
}

dns_answers() { dns_control "$1" status >/dev/null 2>&1 && [[ -n $(on "$1" ss -Hlun 'sport = :53') ]]; }
dns_control() { on "$1" nsd-control -c "$CASE_DIR/$1/nsd.conf" "${@:2}"; }

# Queries by UDP, IPv4 and IPv6.
count_dns() { dns_control "$1" stats_noreset | awk -F= '/^num\.udp6?=/ { n += $2 } END { print n + 0 }'; }
