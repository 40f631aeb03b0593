ARG BASE
FROM $BASE
COPY kafka.sh /kafka.sh
RUN mkdir -p /var/lib/kafka/data && chown -R 1000:1000 /var/lib/kafka
USER 1000
CMD ["sh", "/kafka.sh"]
