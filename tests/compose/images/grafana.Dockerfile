ARG BASE
FROM $BASE
COPY requirements.txt /opt/stand-in/
# pip takes no constraints with hashes for what is named without one
RUN grep -oE '^[A-Za-z0-9._-]+==[^ ]+' /opt/stand-in/requirements.txt > /opt/stand-in/pins.txt \
    && pip install --no-cache-dir --constraint /opt/stand-in/pins.txt grpcio opentelemetry-proto pyyaml
ENV PYTHONPATH=/opt/stand-in PYTHONUNBUFFERED=1
COPY answering.py /opt/stand-in/
COPY grafana.py /run.sh
RUN chmod 0755 /run.sh && mkdir /var/lib/grafana && chown 472:0 /var/lib/grafana
ENV GF_PATHS_DATA=/var/lib/grafana GF_PATHS_PROVISIONING=/etc/grafana/provisioning
USER 472
ENTRYPOINT ["/run.sh"]
