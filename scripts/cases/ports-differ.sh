# shellcheck shell=bash disable=SC2034
about='two transfers of one tcpcopy, with other ports on the test host'

run() {
  nginx_start online
  nginx_start test
  intercept_start -i eth0 -F 'tcp and (src port 8080 or src port 8081)'
  tcpcopy_start tcpcopy -x "80-$TEST4:8080,$ONLINE4:8080-$TEST4:8081" -s "$ASSIST4" ${OURS:+-i eth0}
  counting count_http
  load first ab -q -k -c 10 -n "$(size 3000 30000)" "http://$ONLINE4:80/"
  load second ab -q -c 10 -n "$(size 1000 10000)" "http://$ONLINE4:8080/"
  all_arrived
}
