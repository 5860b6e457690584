# shellcheck shell=bash disable=SC2034
about='one intercept on the test host: two tcpcopies in agent mode, one of them with two workers, and one that injects its copies'
wire=any
ours=yes

run() {
  nginx_start online
  nginx_start test
  # Answers of the third one leave the test host, and end at the assistant.
  agent_start -i eth0
  tcpcopy_start agent -x "80-$TEST4:80" -s "$TEST4" --tunnel --key-file agent.key -i eth0
  tcpcopy_start workers -x "8080-$TEST4:8080" -s "$TEST4" --tunnel --key-file agent.key -i eth0 -C 2
  tcpcopy_start classic -x "8081-$TEST4:8081" -s "$TEST4" --key-file agent.key -i eth0
  counting count_http
  for port in 80 8080 8081; do
    load_start client "ab-$port" ab -q -k -c 10 -n "$(size 2000 50000)" "http://$ONLINE4:$port/"
  done
  for port in 80 8080 8081; do load_end "ab-$port"; done
  for port in 80 8080 8081; do load "one-$port" ab -q -c 10 -n "$(size 300 5000)" "http://$ONLINE4:$port/"; done
  all_arrived
  [[ $(jq '.tunnel.written > 0 and .tunnel.rejected == 0' intercept.json) == true ]] || fail "the device: $(jq -c .tunnel intercept.json)"
}
