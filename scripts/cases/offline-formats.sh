# shellcheck shell=bash disable=SC2034
about='capture files: the same requests in every link type, byte order, resolution and compression, and as pcapng'
unit=requests
wire=any
ours=yes

# shellcheck source=scripts/lib/offline.sh
source "$ROOT/scripts/lib/offline.sh"

run() {
  local name
  nginx_start online
  nginx_start test
  counting count_http
  capture_start online http.pcap tcp port 80
  load ab ab -q -c 10 -n 100 "http://$ONLINE4/"
  sleep 0.3
  capture_stop
  N_ONLINE=100
  mkdir forms
  "$ROOT/scripts/lib/pcap-variants.py" forms http.pcap forms >forms.txt || fail 'the files cannot be written'
  intercept_start -i eth0
  while read -r name; do
    counting count_http
    replay "$name" 80 "forms/$name" -a 1000
    counted 100 "$name"
    ledger_holds "$name" '.files | .damaged == 0 and .cut == 0 and .unreadable == 0' 'something is damaged'
  done <forms.txt
  # spawn gives its command no standard input, so the shell of the command opens it.
  TCPCOPY_COMMAND=(sh -c 'exec "$@" <http.pcap' sh "${TCPCOPY_COMMAND[@]}")
  counting count_http
  replay stdin 80 - -a 1000
  counted 100 'standard input'
  intercept_stop
  N_TEST=$N_ONLINE
}
