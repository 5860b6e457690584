# shellcheck shell=bash disable=SC2034
about='the same without -F: the filter follows what strangers announce, on all interfaces'
wire=any
finds='two-tcpcopies'
ours=yes

# shellcheck source=scripts/cases/strangers.sh
source "$ROOT/scripts/cases/strangers.sh"
about='the same without -F: the filter follows what strangers announce, on all interfaces'

run() { strangers -b 0.0.0.0; }
