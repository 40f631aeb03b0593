FROM scratch
COPY ca.crt /etc/ssl/certs/ca-certificates.crt
COPY otelcol /otelcol-contrib
USER 10001:10001
ENTRYPOINT ["/otelcol-contrib"]
CMD ["--config", "/etc/otelcol-contrib/config.yaml"]
