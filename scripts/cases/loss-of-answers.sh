# shellcheck shell=bash disable=SC2034
about='0.5, 2 and 5 % of the answers and of the control packets are dropped'
wire=any
ours=yes
fault=yes

run() { loss_case assist; }
