# The stand-in service: once a second it writes the time to a file in the directory that it is given.
set -eu
while :; do
    date +%s > "$1/heartbeat.new"
    mv "$1/heartbeat.new" "$1/heartbeat"
    # The same as a metric over OTLP, which the alarm reads. Without curl the alarm has no data, and says so.
    if command -v curl > /dev/null; then
        now=$(cat "$1/heartbeat")
        curl --silent --max-time 2 --output /dev/null --header 'Content-Type: application/json' \
            "$OTEL_EXPORTER_OTLP_ENDPOINT/v1/metrics" --data '{"resourceMetrics": [{
                "resource": {"attributes": [
                    {"key": "service.name", "value": {"stringValue": "'"$MAINSTAY_COMPONENT"'"}}]},
                "scopeMetrics": [{"metrics": [{"name": "heartbeat_timestamp_seconds",
                    "gauge": {"dataPoints": [{"timeUnixNano": "'"$now"'000000000", "asDouble": '"$now"'}]}}]}]
            }]}' || true
    fi
    sleep 1
done
