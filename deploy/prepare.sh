#!/bin/sh
# Runs once before the stack, as root and without a network: where an image brings no folder for a
# volume, the volume belongs to root; and Grafana needs a password that nobody knows.
set -eu
umask 077

given=${GIVEN:-/given}
volumes=${VOLUMES:-/volumes}
password=$volumes/grafana/admin_password

for name in collector:10001 collector-tier2:10001 lake:10001 notifications:10001 thanos:65534; do
    folder=$volumes/${name%:*}
    if [ -d "$folder" ]; then
        chown "${name#*:}:${name#*:}" "$folder"
    fi
done

if [ -s "$given/admin_password" ]; then
    cat "$given/admin_password" > "$password.new"
elif [ ! -s "$password" ]; then
    tr -dc 'A-Za-z0-9' < /dev/urandom | head -c 32 > "$password.new"
else
    exit 0
fi
chmod 0400 "$password.new"
chown 472:0 "$password.new"
mv -f "$password.new" "$password"
chmod 0755 "$volumes/grafana"
