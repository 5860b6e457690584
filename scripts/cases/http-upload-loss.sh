# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/http-upload.sh
source "$ROOT/scripts/cases/http-upload.sh"
about='the same uploads while packets to the test host are dropped: 1 %, and 5 % of long ones'

run() {
  # With offloads on a packet carries up to 64 KB: some 600 of them are all there is.
  if [[ $OFFLOADS == on ]]; then lab_loss test 5; else lab_loss test 1; fi
  upload_case
  note "$(lab_dropped test) packets dropped"
  (($(lab_dropped test) >= 20)) || fail 'hardly anything was dropped'
  ledger_holds tcpcopy '.ledger.tcp | .retransmitted >= 20 and .fast_retransmits + .timeouts >= 10' \
    'hardly any recovery in the ledger'
  note "fast retransmits $(ledger tcpcopy .ledger.tcp.fast_retransmits), time-outs $(ledger tcpcopy .ledger.tcp.timeouts)"
  lab_loss test 0
}
