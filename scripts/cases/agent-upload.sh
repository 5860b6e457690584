# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/http-upload.sh
source "$ROOT/scripts/cases/http-upload.sh"
about='agent mode: the uploads of http-upload, to be compared with them'
full=yes
ours=yes

run() {
  copying() { agent_copying; }
  strict_wire
  upload_case
  agent_clean
}
