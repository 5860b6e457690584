# shellcheck shell=bash
# The lab: hosts and the processes in them.

HERE=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=scripts/lib/common.sh
source "$HERE/common.sh"
# shellcheck source=scripts/lib/processes.sh
source "$HERE/processes.sh"
# shellcheck source=scripts/lib/net.sh
source "$HERE/net.sh"
