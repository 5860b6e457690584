# shellcheck shell=bash disable=SC2034
about='libpcap captures and sends, with and without MAC addresses, under dropped rights: one-shot, keep-alive and IPv6; its own filter; intercept, too'
unit=requests
ours=yes

mac() { on "$1" cat /sys/class/net/eth0/address; }

# How intercept captures.
ANSWERS=(-F 'tcp and src port 80')

# both_modes NAME TRANSFER [ARGUMENT...]: one-shot and keep-alive load while libpcap captures and sends.
both_modes() {
  local name=$1 transfer=$2 address=$ONLINE4
  [[ $transfer != *"$TEST6"* ]] || address="[$ONLINE6]"
  shift 2
  intercept_start -i eth0 "${ANSWERS[@]}"
  tcpcopy_start "$name" -x "$transfer" -s "$ASSIST4" -i eth0 -o eth0 --pcap-capture --pcap-send "$@"
  counting count_http
  load "$name-ab" ab -q -c 20 -n "$(size 2000 40000)" "http://$address/"
  load "$name-wrk" wrk -t1 -c20 -d"$(size 1 6)" "http://$address/"
  load_unharmed "$name-wrk"
  all_arrived
  ledger_holds "$name" '.capture.kernel_received > 0 and .inject.failed == {}' 'libpcap counts nothing, or sends fail'
}

run() {
  nginx_start online
  nginx_start test
  both_modes plain "80-$TEST4:80"
  # The filter of the answers follows the targets that are announced.
  ANSWERS=(--pcap-capture)
  both_modes macs "80@$(mac online)-$TEST4:80@$(mac test)"
  ANSWERS+=(-F 'tcp and src port 80')
  both_modes six "80-[$TEST6]:80"
  # The filter is compiled for the link layer, so it may name MAC addresses.
  both_modes filtered "80-$TEST4:80" -F "ether src $(mac client) and tcp dst port 80 or tcp src port 80" -S 70000 -B 100
}
