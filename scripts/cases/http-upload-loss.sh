# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/http-upload.sh
source "$ROOT/scripts/cases/http-upload.sh"
about='the same uploads while 0.5 % of the packets to the test host are dropped'

run() {
  lab_loss test 0.5
  upload_case
  note "$(lab_dropped test) packets dropped"
  (($(lab_dropped test) > 0)) || fail 'nothing was dropped'
  lab_loss test 0
}
