# shellcheck shell=bash disable=SC2034
about='scripts/route-setup: HTTP and MariaDB copied by a rule for ports, one for clients and by marks; afterwards the test host is as before'
unit=requests
needs=databases
wire=any
ours=yes

# shellcheck source=scripts/lib/routes.sh
source "$ROOT/scripts/lib/routes.sh"

# The answers leave by an interface of their own, and the one where copies arrive checks sources strictly.
run() {
  nginx_start online
  nginx_start test
  sql_user online app online-password
  sql_start online mariadb
  sql_start test mariadb --skip-grant-tables
  sql_up
  answers_by_an_interface
  on test sysctl -q -w net.ipv4.conf.eth0.rp_filter=1
  no_way_for_answers
  test_host_state >before.txt
  refusals
  copied_by --port 80,3306 --via "10.21.0.14,$ASSIST6" --except "$ONLINE4"
  copied_by --clients "$CLIENT4,$CLIENT6/128" --via "10.21.0.14,$ASSIST6"
  copied_by --port 3306,80 --via "10.21.0.14,$ASSIST6" --by-mark
  with_another
  answers_by_eth0
}

# copied_by ARGUMENT...: all that the clients do arrives with this setup.
copied_by() {
  echo "== $*" >>setup.log
  route_setup add "$@" --dry-run >dry.txt || fail "$*: no dry run"
  state_is_as before.txt "$*: after a dry run"
  route_setup add "$@" >did.txt 2>&1 || stopped_short "$*" did.txt
  cmp -s dry.txt did.txt || fail "$*: the dry run printed something else"
  route_setup add "$@" >>setup.log 2>&1 || fail "$*: not a second time"
  ! route_setup show | grep -q MISSING || fail "$*: something is missing"
  test_host_state >set.txt
  ! cmp -s before.txt set.txt || fail "$*: nothing has changed"

  intercept_start -i eth0
  tcpcopy_start tcpcopy -x "80-$TEST4:80,80-[$TEST6]:80,3306-$TEST4:3306" -s "$ASSIST4" -i eth0
  counting_sql
  counting count_both
  load ab4 ab -q -c 10 -n "$(size 500 5000)" "http://$ONLINE4/"
  load ab6 ab -q -k -c 10 -n "$(size 500 5000)" "http://[$ONLINE6]/"
  sysbench_load sysbench app online-password --rate=50 --time=2
  sql_arrived

  route_setup del >>setup.log 2>&1 || fail "$*: it cannot be undone"
  state_is_as before.txt "$*: after del"
}

count_both() { echo $(($(count_http "$1") + $(count_sql "$1"))); }

# Two setups share settings: the first to go leaves them to the other.
with_another() {
  {
    route_setup add --port 80 --via 10.21.0.14
    route_setup add --port 53 --udp --via 10.21.0.14
    route_setup del --port 80
  } >>setup.log
  ! route_setup show | grep -q MISSING || fail 'the second setup lost something with the first one'
  [[ $(on test cat /proc/sys/net/ipv4/conf/eth0/rp_filter) == 2 ]] || fail 'the second setup lost its setting'
  {
    route_setup add --port 80 --via 10.21.0.14
    route_setup del --port 53 --udp
    route_setup del --port 80
  } >>setup.log
  state_is_as before.txt 'after two setups'
}

# What cannot work is refused by one line, and changes nothing.
refusals() {
  refused 'is not on a segment' --port 80 --via 10.9.9.9
  refused 'an address of this host' --port 80 --via "$TEST4"
  refused 'is no port' --port 65536 --via 10.21.0.14
  refused 'is no network' --clients 10.0.0.0/33 --via 10.21.0.14
  refused 'all connections' --clients 0.0.0.0/0 --via 10.21.0.14
  refused 'of a family' --clients fd20::/64 --via 10.21.0.14
  refused 'name its interface' --port 80 --via fe80::1
  refused 'not both' --port 80 --clients 10.0.0.0/24 --via 10.21.0.14
  state_is_as before.txt 'after refusals'
}

# refused TEXT ARGUMENT...; 10.9.9.9 is behind a gateway.
refused() {
  local text=$1
  shift
  ip -n "$(netns test)" route add 10.9.9.9 via "$ONLINE4"
  ! route_setup add "$@" >refused.txt 2>&1 || fail "$*: not refused"
  ip -n "$(netns test)" route delete 10.9.9.9
  [[ $(wc -l <refused.txt) == 1 && $(<refused.txt) == *"$text"* ]] || fail "$*: $(<refused.txt)"
}
