# shellcheck shell=bash
# The services of the online and the test host, and how much reached them. All in $CASE_DIR/HOST.

listening() { [[ -n $(on "$1" ss -Hltn "sport = :$2") ]]; }

# How the test host's answers differ from the online host's: a case may be run with several of these (see case.sh).
#   equal       not at all
#   shorter     two bytes less        half    half of the text        longer   three times the text
#   random      a random length for each request, from a tenth of the text to twice the text
#   two-writes  the same text, half of it 1 ms after the other half
#   chunked     the same text, by chunks instead of a length
#   slower      the same, 2 ms late
: "${ANSWER_KIND:=equal}"
ANSWER_BYTES=1000

answer_text() { printf '%*s' "$1" '' | tr ' ' a; }

# nginx_answer HOST: the answer of a location. The answers of the online host are always equal ones.
nginx_answer() {
  local kind=$ANSWER_KIND text half
  text=$(answer_text "$ANSWER_BYTES")
  half=$(answer_text $((ANSWER_BYTES / 2)))
  [[ $1 == test ]] || kind=equal
  case $kind in
    equal) say "return 200 $text;" ;;
    shorter) say "return 200 $(answer_text $((ANSWER_BYTES - 2)));" ;;
    half) say "return 200 $half;" ;;
    longer) say "return 200 $(answer_text $((3 * ANSWER_BYTES)));" ;;
    random) say 'return 200 $random_answer;' ;;
    two-writes) say "echo -n $half; echo_flush; echo_sleep 0.001; echo -n $half;" ;;
    chunked) say "echo -n $text;" ;;
    slower) say 'echo_sleep 0.002; echo_exec @late;' ;;
    *) die "ANSWER_KIND='$kind' are no answers that the lab knows" ;;
  esac
}

# nginx_answers_by_chance: $random_answer is one of 20 lengths, anew for each request.
nginx_answers_by_chance() {
  local step
  say 'split_clients $request_id $random_answer {'
  for step in {1..19}; do say "5% $(answer_text $((ANSWER_BYTES * step / 10)));"; done
  say "* $(answer_text $((ANSWER_BYTES * 2))); }"
}

# nginx_start HOST: nginx on ports 80, 8080 and 8081, IPv4 and IPv6.
#   /        an answer, on the test host of the kind $ANSWER_KIND
#   /post    the same answer once the body has been read: a second server reads it
#   /put/    accepts uploads by PUT; /get/ serves files
# NGINX_CONNECTIONS is its limit of connections, NGINX_LISTEN more of how it listens on port 80, NGINX_HTTP more of its
# configuration.
nginx_start() {
  local host=$1 dir=$CASE_DIR/$1 answer modules=''
  local post='proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection "";'
  local late="location @late { return 200 $(answer_text "$ANSWER_BYTES"); }"
  answer=$(nginx_answer "$host")
  [[ $answer != *echo* ]] || modules='load_module modules/ngx_http_echo_module.so;'
  [[ $answer != *echo_flush* ]] || post="echo_read_request_body; $answer" # a proxy would make three pieces of two
  mkdir -p "$dir/put" "$dir/get" "$dir/body"
  cat >"$dir/nginx.conf" <<CONF
$modules
user root;
daemon off;
worker_processes 1;
pid $dir/nginx.pid;
error_log $dir/error.log warn;
events { worker_connections ${NGINX_CONNECTIONS:-15000}; }
http {
  log_format short '\$status \$request_length \$body_bytes_sent \$request_time';
  access_log $dir/access.log short buffer=64k flush=100ms;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  lingering_close off;
  tcp_nodelay on;
  client_max_body_size 0;
  client_body_buffer_size 64k;
  client_body_temp_path $dir/body;
  proxy_temp_path $dir/proxy;
  fastcgi_temp_path $dir/fastcgi;
  uwsgi_temp_path $dir/uwsgi;
  scgi_temp_path $dir/scgi;
  default_type text/plain;
  ${NGINX_HTTP:-}
  $([[ $answer != *random_answer* ]] || nginx_answers_by_chance)
  upstream behind { server unix:$dir/behind.sock; keepalive 64; }
  server {
    listen 80 backlog=65535 ${NGINX_LISTEN:-}; listen 8080 backlog=65535; listen 8081 backlog=65535;
    listen [::]:80 backlog=65535 ${NGINX_LISTEN:-}; listen [::]:8080 backlog=65535; listen [::]:8081 backlog=65535;
    root $dir;
    location / { $answer }
    $late
    location /post { $post }
    location /put/ { dav_methods PUT; }
    location /get/ { }
  }
  server { listen unix:$dir/behind.sock backlog=1024; access_log off; location / { $answer } $late }
}
CONF
  rm -f "$dir/behind.sock" # left by an nginx that was killed
  spawn "$host" "$dir/nginx.log" nginx -e "$dir/error.log" -c "$dir/nginx.conf"
  printf '%s' "$SPAWNED" >"$dir/nginx.main"
  await 10 listening "$host" 80 || die "nginx does not start on $host: $(tail -n 1 "$dir/nginx.log")"
}

nginx_stop() { end "$(<"$CASE_DIR/$1/nginx.main")" TERM; }

# Requests that a host's nginx answered with success.
count_http() { grep -c '^2' "$CASE_DIR/$1/access.log" || true; }

# Those of them that brought 20 KB along, and those answered with all of the file.
count_posts() { awk '/^2/ && $2 > 20000 { n++ } END { print n + 0 }' "$CASE_DIR/$1/access.log"; }
count_full_downloads() { awk -v size="$DOWNLOAD" '/^200/ && $3 == size { n++ } END { print n + 0 }' "$CASE_DIR/$1/access.log"; }

# The time in seconds that a host's nginx took for its slowest request.
slowest_request() { awk '$4 > most { most = $4 } END { print most + 0 }' "$CASE_DIR/$1/access.log"; }

# redis_start HOST [ARGUMENT...]
redis_start() {
  local host=$1 dir=$CASE_DIR/$1
  mkdir -p "$dir"
  spawn "$host" "$dir/redis.log" redis-server --port 6379 --bind '0.0.0.0 ::' --protected-mode no --dir "$dir" \
    --save '' --appendonly no --tcp-backlog 65535 --enable-debug-command yes "${@:2}"
  printf '%s' "$SPAWNED" >"$dir/redis.main"
  await 10 listening "$host" 6379 || die "redis does not start on $host: $(tail -n 1 "$dir/redis.log")"
}

redis_ask() {
  local host=$1
  shift
  on "$host" redis-cli -h 127.0.0.1 "$@"
}

# SET and INCR commands that a host's redis has executed.
count_redis() {
  redis_ask "$1" info commandstats | awk -F '[:=,]' '/^cmdstat_(set|incr):/ { n += $3 } END { print n + 0 }'
}

redis_digest() { redis_ask "$1" debug digest; }
