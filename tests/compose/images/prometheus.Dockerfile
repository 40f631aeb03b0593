ARG BASE
FROM $BASE
COPY prometheus promtool /bin/
WORKDIR /prometheus
RUN chown nobody:nobody /prometheus && chmod g+w /prometheus
USER nobody
VOLUME ["/prometheus"]
ENTRYPOINT ["/bin/prometheus"]
