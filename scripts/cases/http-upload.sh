# shellcheck shell=bash disable=SC2034
about='curl -T of four large files, compared by SHA-256'
unit=uploads

run() { upload_case; }

upload_case() {
  nginx_start online
  nginx_start test
  mkdir files
  for n in 1 2 3 4; do head -c "$(size 8M 32M)" /dev/urandom >"files/$n"; done
  copying
  counting count_http
  load curl curl -sS --fail --parallel --upload-file 'files/{1,2,3,4}' "http://$ONLINE4/put/"
  all_arrived
  for n in 1 2 3 4; do
    cmp -s "files/$n" "online/put/$n" || fail "upload $n differs on the online host"
    [[ $(sha256 "files/$n") == "$(sha256 "test/put/$n")" ]] || fail "upload $n differs on the test host"
  done
}

sha256() { [[ ! -e $1 ]] || sha256sum <"$1"; }
