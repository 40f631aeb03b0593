ARG BASE
FROM $BASE
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
RUN python -m ensurepip --default-pip
CMD ["python3"]
