# shellcheck shell=bash disable=SC2034
about='clients on 127.0.0.1, as behind a proxy on the same host that ends TLS: -H and -c'
wire=any
ours=yes
# shellcheck source=scripts/lib/multiply.sh
source "$ROOT/scripts/lib/multiply.sh"

run() {
  local certificate=$CASE_DIR/certificate
  openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=lab -keyout "$certificate.key" -out "$certificate.pem" 2>/dev/null
  NGINX_HTTP="server { listen 443 ssl; ssl_certificate $certificate.pem; ssl_certificate_key $certificate.key; access_log off;
    location / { proxy_pass http://127.0.0.1:8080; } }"
  nginx_start online
  NGINX_HTTP=''
  nginx_start test
  route_via test "$ASSIST4" 10.21.0.1 10.21.0.2
  intercept_start -i eth0
  tcpcopy_start tcpcopy -x "8080-$TEST4:8080" -s "$ASSIST4" -H 10.21.0.1
  counting count_http
  load tls ab -q -c 10 -n "$(size 500 10000)" "https://$ONLINE4/"
  settle
  tcpcopy_stop tcpcopy
  ((N_TEST == N_ONLINE && N_ONLINE > 0)) || fail "-H: $N_TEST of $N_ONLINE"
  ledger_holds tcpcopy '.ledger.packets.loopback == 0' 'clients without another address'
  tcpcopy_start tcpcopy -x "8080-$TEST4:8080" -s "$ASSIST4" -c 10.21.0.2
  load again ab -q -c 10 -n "$(size 500 10000)" "https://$ONLINE4/"
  all_arrived
}
