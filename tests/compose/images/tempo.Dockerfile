ARG BASE
FROM $BASE
COPY requirements.txt /opt/stand-in/
# pip takes no constraints with hashes for what is named without one
RUN grep -oE '^[A-Za-z0-9._-]+==[^ ]+' /opt/stand-in/requirements.txt > /opt/stand-in/pins.txt \
    && pip install --no-cache-dir --constraint /opt/stand-in/pins.txt grpcio opentelemetry-proto pyyaml
ENV PYTHONPATH=/opt/stand-in PYTHONUNBUFFERED=1
COPY answering.py /opt/stand-in/
COPY tempo.py /tempo
RUN chmod 0755 /tempo && mkdir /var/tempo && chown 10001:10001 /var/tempo && chmod 0700 /var/tempo
USER 10001
ENTRYPOINT ["/tempo"]
