# Healthy is a heartbeat that is not older than ten seconds.
set -eu
last=$(cat "$1/heartbeat")
[ $(($(date +%s) - last)) -le 10 ]
