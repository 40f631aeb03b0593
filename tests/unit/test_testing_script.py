"""Scripted replies, hooks, the record of requests, and the wire itself."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest

import llm_otel
from llm_otel.testing import Reply, provider

REQUEST = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello there"}]}


@pytest.fixture
def p():
    with provider() as serving:
        yield serving


@pytest.fixture
def client(p):
    with openai.OpenAI(base_url=p.url, api_key="test", max_retries=0, timeout=5) as made:
        yield made


class TestScript:
    def test_replies_are_sent_exactly(self, client, p):
        """A queued reply is sent as it is, with no header but its own, type and framing."""
        p.enqueue(Reply(status=418, headers={"x-tea": "pot"}, body=b'{"a":1}'))
        with pytest.raises(openai.APIStatusError) as raised:
            client.chat.completions.create(**REQUEST)
        response = raised.value.response
        assert (response.status_code, response.content) == (418, b'{"a":1}')
        assert set(response.headers) == {"x-tea", "content-type", "content-length"}

    def test_replies_in_order(self, client, p):
        """Queued replies answer the next requests in their order, then the provider does."""
        p.enqueue(Reply(body={"n": 1}), Reply(body={"n": 2}))
        answers = [client.get("/anything", cast_to=object) for _ in range(2)]
        assert answers == [{"n": 1}, {"n": 2}]
        assert client.chat.completions.create(**REQUEST).choices

    def test_chunks(self, client, p):
        """Given chunks make a stream, and may come from a generator that is read while sending."""
        go = threading.Event()

        def chunks():
            yield b'data: {"choices": [], "id": "1"}\n\n'
            go.wait(5)
            yield b'data: {"choices": [], "id": "2"}\n\n'
            yield b"data: [DONE]\n\n"

        p.enqueue(Reply(chunks=chunks()))
        stream = client.chat.completions.create(**REQUEST, stream=True)
        first = next(stream).id
        go.set()
        assert (first, [chunk.id for chunk in stream]) == ("1", ["2"])

    def test_hold(self, client, p):
        """A held reply is sent when its event is set."""
        gate = threading.Event()
        p.enqueue(Reply(body={"held": True}, hold=gate))
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(client.get, "/x", cast_to=object)
            assert not answer.done()
            gate.set()
            assert answer.result(5) == {"held": True}

    def test_hook(self, client, p):
        """A hook's reply is sent as it is, its JSON with the usual headers, None passes on."""
        answers = iter([Reply(status=404, body={}), {"object": "mine"}, None])
        p.on("/v1/chat/*", lambda request: next(answers))
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(**REQUEST)
        raw = client.chat.completions.with_raw_response.create(**REQUEST)
        assert (raw.parse().object, "x-request-id" in raw.headers) == ("mine", True)
        assert client.chat.completions.create(**REQUEST).object == "chat.completion"

    @pytest.mark.parametrize("how", ["hook", "answer"])
    def test_failing_script(self, client, how):
        """What the script raises is answered with a 500 and raised again at the end."""

        def fail(_):
            raise AssertionError("not expected")

        p = provider(answer=fail if how == "answer" else None).start()
        if how == "hook":
            p.on("*", fail)
        elsewhere = client.with_options(base_url=p.url, max_retries=2)
        with pytest.raises(openai.InternalServerError, match="AssertionError: not expected"):
            elsewhere.chat.completions.create(**REQUEST)
        assert len(p.requests) == 1
        with pytest.raises(AssertionError, match="not expected"):
            p.__exit__(None, None, None)

    def test_failing_chunks(self, client):
        """What a generator of chunks raises drops the connection and is raised at the end."""

        def chunks():
            yield b'data: {"choices": []}\n\n'
            raise LookupError("no more")

        p = provider().start()
        p.enqueue(Reply(chunks=chunks()))
        elsewhere = client.with_options(base_url=p.url)
        with pytest.raises(openai.APIConnectionError):
            list(elsewhere.chat.completions.create(**REQUEST, stream=True))
        with pytest.raises(LookupError, match="no more"):
            p.__exit__(None, None, None)

    def test_reset(self, client, p):
        """A reset forgets requests, replies and hooks."""
        p.enqueue("server_error")
        p.on("*", lambda request: Reply(status=500))
        with pytest.raises(openai.InternalServerError):
            client.get("/models", cast_to=object)
        p.reset()
        assert p.requests == []
        assert client.get("/models", cast_to=object)


class TestRequests:
    def test_record(self, client, p):
        """A request is kept with method, path, headers, the bytes of its body, and its JSON."""
        client.chat.completions.create(**REQUEST, extra_headers={"X-Mine": "yes"})
        (request,) = p.requests
        assert (request.method, request.path) == ("POST", "/v1/chat/completions")
        assert request.headers["x-mine"] == "yes"
        assert json.loads(request.body) == request.json
        assert (request.model, request.json["messages"]) == ("gpt-4o", REQUEST["messages"])

    def test_key_is_not_shown(self, client, p):
        """The key is in no repr of a request."""
        client.models.list()
        assert p.requests[0].headers["authorization"] == "Bearer test"
        assert "Bearer" not in repr(p.requests)

    def test_keep(self, client):
        """Only the last `keep` requests are kept."""
        with provider(keep=2) as p:
            elsewhere = client.with_options(base_url=p.url)
            for name in ("gpt-4o", "o3", "gpt-5"):
                elsewhere.models.retrieve(name)
        assert [request.path for request in p.requests] == ["/v1/models/o3", "/v1/models/gpt-5"]

    def test_many_threads(self, client, p):
        """Requests from many threads are all answered, each with an id of its own."""
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: client.chat.completions.create(**REQUEST), range(80)))
        assert len({answer.id for answer in answers}) == len(p.requests) == 80


class TestWire:
    @pytest.fixture
    def raw(self, p):
        with socket.create_connection(("127.0.0.1", int(p.origin.rpartition(":")[2]))) as made:
            made.settimeout(5)
            yield made

    def test_keep_alive_and_close(self, raw):
        """A connection serves many requests, until the client asks to close it."""
        for last in (False, True):
            raw.sendall(_request(b"GET", b"/v1/models/o3", b"connection: close" if last else b""))
            assert b'"id": "o3"' in raw.recv(65536)
        assert raw.recv(1) == b""

    def test_chunked_request(self, raw):
        """A chunked request body is read."""
        body = json.dumps(REQUEST).encode()
        chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        head = _request(b"POST", b"/v1/chat/completions", b"transfer-encoding: chunked")
        raw.sendall(head + chunks)
        assert raw.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")

    def test_expect_continue(self, raw):
        """A client that asks first is told to go on."""
        head = b"expect: 100-continue\r\ncontent-length: 2"
        raw.sendall(_request(b"POST", b"/v1/chat/completions", head))
        assert raw.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.sendall(b"{}")
        assert raw.recv(65536).startswith(b"HTTP/1.1 400 ")

    @pytest.mark.parametrize(
        "sent", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n"]
    )
    def test_no_http(self, raw, p, sent):
        """What is no HTTP is dropped, and the provider goes on."""
        raw.sendall(sent)
        assert (raw.recv(1), p.requests) == (b"", [])

    def test_one_write_an_event(self, raw):
        """Each event of a stream is one chunk of the framing."""
        body = json.dumps({**REQUEST, "stream": True}).encode()
        head = b"connection: close\r\ncontent-length: %d" % len(body)
        raw.sendall(_request(b"POST", b"/v1/chat/completions", head) + body)
        received = b"".join(iter(lambda: raw.recv(65536), b""))
        framed = received.partition(b"\r\n\r\n")[2]
        events = re.findall(rb"[0-9a-f]+\r\ndata: [^\n]*\n\n\r\n", framed)
        assert b"".join(events) + b"0\r\n\r\n" == framed


def _request(method: bytes, target: bytes, headers: bytes = b"") -> bytes:
    lines = [method + b" " + target + b" HTTP/1.1", b"host: x", *([headers] if headers else [])]
    return b"\r\n".join(lines) + b"\r\n\r\n"


class TestProgram:
    COMMAND = (sys.executable, "-m", "llm_otel.testing.provider", "--port", "0", "--fault")

    @pytest.fixture
    def environment(self):
        return {**os.environ, "PYTHONPATH": str(Path(llm_otel.__file__).parents[1])}

    def test_serves_until_terminated(self, environment):
        """`python -m llm_otel.testing.provider` prints its address, serves, and ends cleanly."""
        command = [*self.COMMAND, "quota=1"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
            try:
                url = process.stdout.readline().decode().split()[-1]
                with (
                    openai.OpenAI(base_url=url, api_key="test", max_retries=0) as client,
                    pytest.raises(openai.RateLimitError),
                ):
                    client.chat.completions.create(**REQUEST)
            finally:
                process.terminate()
            assert process.wait(10) == 0

    @pytest.mark.parametrize(
        ("fault", "sentence"),
        [("flood=1", "there is no fault 'flood'; "), ("hang=5", "the rate of fault 'hang' must ")],
    )
    def test_wrong_setting(self, environment, fault, sentence):
        """A wrong setting is one sentence and exit code 2."""
        done = subprocess.run(
            [*self.COMMAND, fault], capture_output=True, text=True, timeout=30, env=environment
        )
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert done.stderr.startswith(sentence)
