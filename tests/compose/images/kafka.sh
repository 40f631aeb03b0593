#!/bin/sh
# Starts Kafka as the image apache/kafka does: KAFKA_NODE_ID is the property node.id, and so on.
set -eu
properties=/tmp/server.properties
env | sed -n 's/^KAFKA_//p' | while IFS='=' read -r name value; do
    echo "$(echo "$name" | tr 'A-Z_' 'a-z.')=$value"
done > "$properties"
java() { /opt/java/bin/java -Xmx384m -cp '/opt/kafka/libs/*' "$@"; }
java kafka.tools.StorageTool format --ignore-formatted -t MkU3OEVBNTcwNTJENDM2Qk -c "$properties"
exec /opt/java/bin/java -Xmx384m -cp '/opt/kafka/libs/*' kafka.Kafka "$properties"
