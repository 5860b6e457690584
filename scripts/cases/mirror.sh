# shellcheck shell=bash disable=SC2034
about='a monitor host copies from mirrored packets: a mirror port, VXLAN, each packet twice, ERSPAN I to III, Geneve, GRE, IPv6, and a file'
unit=requests
ours=yes

# shellcheck source=scripts/lib/offline.sh
source "$ROOT/scripts/lib/offline.sh"

# mirrored NAME FAMILY INTERFACES [ARGUMENT...]: one-shot and keep-alive load, all of which the monitor must replay.
mirrored() {
  local name=$1 transfer="$ONLINE4:80-$TEST4:80" address=$ONLINE4
  [[ $2 == 4 ]] || transfer="[$ONLINE6]:80-[$TEST6]:80" address="[$ONLINE6]"
  intercept_start -i eth0 -F 'tcp and src port 80'
  tcpcopy_start "$name" -x "$transfer" -s "$ASSIST4" -i "$3" "${@:4}"
  counting count_http
  load "$name-one-shot" ab -q -c 10 -n "$(size 500 20000)" "http://$address/"
  load "$name-keepalive" ab -q -k -c 10 -n "$(size 1000 20000)" "http://$address/"
  all_arrived
  # A busy machine may deliver a packet much later by one of two ways.
  ledger_holds "$name" '.ledger.packets.online_syn_ack > 0 and .ledger.bytes.duplicate * 20 < .ledger.bytes.captured' \
    'SYN-ACKs are not recognised, or packets count twice'
}

run() {
  local kind
  nginx_start online
  nginx_start test
  monitor_up
  mirror 80 tap0
  mirrored port 4 tap0
  ledger_holds port '.capture.tunnelled == 0 and .capture.repeated == 0' 'packets were taken for tunnels or repetitions'
  mirrored port-pcap 4 tap0 --pcap-capture
  mirrored port-six 6 tap0

  vxlan_up vx4 "$MONITOR4"
  mirror 80 vx4
  mirrored vxlan 4 eth0 --decap
  ledger_holds vxlan '.capture.tunnelled > 1000' 'nothing came in a tunnel'
  mirrored vxlan-pcap 4 eth0 --decap --pcap-capture
  tunnel_file
  mirror 80 vx4 tap0
  mirrored twice 4 eth0,tap0 --decap
  ledger_holds twice '.capture.repeated > 1000' 'repetitions are not recognised'
  vxlan_up vx6 "$MONITOR6" 8472
  mirror 80 vx6
  mirrored vxlan-six 6 eth0 --decap

  for kind in erspan1 erspan2 erspan3 geneve gre; do
    erspan_up er "$MONITOR4" "$kind"
    mirror 80 er
    mirrored "$kind" 4 eth0 --decap
    ledger_holds "$kind" '.capture.tunnelled > 1000' 'nothing came in a tunnel'
    mirror 80 vx4
    erspan_down er
  done
  erspan_up er "$MONITOR6" erspan2
  mirror 80 er
  mirrored erspan-six 6 eth0 --decap
  mirror 80 vx4
  erspan_down er
}

# A capture file of the tunnel, replayed elsewhere.
tunnel_file() {
  capture_start monitor tunnel.pcap udp port 4789
  counting count_http
  load file-load ab -q -c 10 -n 200 "http://$ONLINE4/"
  capture_stop
  intercept_start -i eth0
  REPLAY_TRANSFER="$ONLINE4:80-$TEST4:80" replay file 80 tunnel.pcap -a 1000 --decap
  counted 200 'the file of the tunnel'
  ledger_holds file '.files.selected > 400 and .files.unreadable == 0' 'packets of the tunnel are not read'
  intercept_stop
}
