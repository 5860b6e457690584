# shellcheck shell=bash disable=SC2034
about='2000 requests a second: the time from the arrival of a request to the departure of its copy, and the bytes of the control connection'
wire=any

run() {
  local rate=2000 tcpdump
  nginx_start online
  nginx_start test
  copying
  counting count_http
  # Where the online host is plugged in: captures on the host itself do not see all that leaves it.
  spawn wire "$CASE_DIR/tcpdump.log" tcpdump -i online -n -s 96 -B 16384 --time-stamp-precision=nano -w "$CASE_DIR/wire.pcap" \
    "tcp dst port 80 and (dst host $ONLINE4 or dst host $TEST4) and ip[2:2] - ((ip[0] & 15) << 2) - ((tcp[12] & 240) >> 2) != 0"
  tcpdump=$SPAWNED
  await 5 grep -qs 'listening on' "$CASE_DIR/tcpdump.log" || stopped_short 'no capture on the wire' tcpdump
  load paced "$HELD_CLIENT" --rate "$rate" "$(size 3 10)" "$ONLINE4" 50
  settle
  # One segment is the answer to one request.
  measured control_bytes "$(control_bytes | awk -v answers="$N_TEST" '{ printf "%.1f", $1 / (answers ? answers : 1) }')"
  # The kernel hands packets to tcpdump by blocks, the last one after a second; at its end the open block is lost.
  sleep 1.5
  end "$tcpdump" INT || fail 'tcpdump does not end'
  departures
  all_arrived
}

# The bytes that intercept has sent on its control connections.
control_bytes() {
  on assist ss -Htni state established "sport = :$CONTROL_PORT" |
    grep -o 'bytes_sent:[0-9]*' | awk -F : '{ bytes += $2 } END { print bytes + 0 }'
}

# The n-th copy of a client's port belongs to its n-th request.
departures() {
  tcpdump -r wire.pcap -nn -tt --time-stamp-precision=nano 2>/dev/null |
    awk -v online="$ONLINE4.80:" -v test="$TEST4.80:" '
      $5 == online { arrived[$3, came[$3]++] = $1 }
      $5 == test && went[$3] < came[$3] {
        split(arrived[$3, went[$3]++], since, "."); split($1, now, ".")
        printf "%.1f\n", (now[1] - since[1]) * 1e6 + (now[2] - since[2]) / 1e3
      }' | sort -n >departures.txt
  local count
  count=$(wc -l <departures.txt)
  ((count >= N_ONLINE * 99 / 100)) || fail "only $count copies of $N_ONLINE requests were seen on the wire"
  measured departure_median_us "$(sed -n "$((count / 2 + 1))p" departures.txt)"
  measured departure_p99_us "$(sed -n "$((count * 99 / 100 + 1))p" departures.txt)"
  note "copies depart after $(jq -r '"\(.departure_median_us) us, 99th percentile \(.departure_p99_us) us; \(.control_bytes) control bytes for each answer"' <<<"$MEASURED")"
}
