ARG BASE
FROM $BASE
COPY alertmanager amtool /bin/
WORKDIR /alertmanager
RUN chown nobody:nobody /alertmanager && chmod g+w /alertmanager
USER nobody
VOLUME ["/alertmanager"]
ENTRYPOINT ["/bin/alertmanager"]
