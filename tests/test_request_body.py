import gzip
import time
import zlib
from typing import Any

import pytest
from flask.testing import FlaskClient

CHAT = '{"model": "m", "messages": [{"role": "user", "content": "a,]"}], "max_tokens": 1'


def post(client: FlaskClient, body: str | bytes, content_type: str = "application/json") -> tuple:
    response = client.post("/v1/chat/completions", data=body, content_type=content_type)
    return response.status_code, response.json


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "text/plain", "", "application/json"]
)
def test_the_body_is_json_whatever_its_type(client: FlaskClient, content_type: str) -> None:
    assert post(client, CHAT + "}", content_type)[0] == 200


@pytest.mark.parametrize("end", [",}", ', "stop": ["a", "b",],\n }', ',"user":"\\",}",}', "}"])
def test_a_trailing_comma_is_allowed(client: FlaskClient, end: str) -> None:
    assert post(client, CHAT + end)[0] == 200


def test_commas_in_strings_are_left_alone(client: FlaskClient) -> None:
    body = '{"model": "m", "prompt": "a,] \\",} ,}", "echo": true,}'
    response = client.post("/v1/completions", data=body)
    assert response.json["choices"][0]["text"].startswith('a,] ",} ,}')


@pytest.mark.parametrize(
    "body",
    [
        "",
        "nonsense",
        CHAT,
        CHAT + ",,}",
        CHAT + ', "stop": [,]}',
        "{,}",
        "{'model': 'm'}",
        CHAT + "} // comment",
        CHAT + ', "temperature": NaN}',
        CHAT + ', "temperature": NaN,}',
        CHAT + ', "temperature": Infinity}',
        CHAT + ', "n": ' + "1" * 5000 + "}",
        "[" * 100_000,
        b'{"model": "\xff"}',
        '{"model": "m", "prompt": "\\ud800"}',
    ],
)
def test_what_is_not_json_is_refused(client: FlaskClient, body: str | bytes) -> None:
    status, answer = post(client, body)
    assert status == 400
    assert answer["error"]["message"].startswith("error parsing request JSON: ")


@pytest.mark.parametrize("body", ["[]", '"text"', "null", "5"])
def test_the_body_must_be_an_object(client: FlaskClient, body: str) -> None:
    status, answer = post(client, body)
    assert (status, answer["error"]["message"]) == (
        400,
        "error parsing request JSON: the body must be an object",
    )


def test_a_byte_order_mark_is_ignored(client: FlaskClient) -> None:
    assert post(client, b"\xef\xbb\xbf" + CHAT.encode() + b"}")[0] == 200


def test_a_hostile_body_is_refused_in_linear_time(client: FlaskClient) -> None:
    def seconds(length: int) -> float:
        times = []
        for _ in range(3):  # something else may have the CPU
            start = time.perf_counter()
            assert post(client, '"' + '\\"' * length)[0] == 400
            times.append(time.perf_counter() - start)
        return min(times)

    # Quadratic time would make this a hundred.
    assert seconds(200_000) < 50 * max(seconds(20_000), 0.001)


def test_a_body_over_the_limit_is_a_413(client: FlaskClient) -> None:
    status, answer = post(client, CHAT + " " * 2**20 + "}")
    assert status == 413
    assert "1048576 bytes" in answer["error"]["message"]


RAW = zlib.compressobj(wbits=-15)
ENCODED = {
    "gzip": gzip.compress(CHAT.encode() + b"}"),
    "x-gzip": gzip.compress(CHAT.encode() + b"}"),
    "GZIP ": gzip.compress(CHAT.encode() + b"}"),
    "deflate": zlib.compress(CHAT.encode() + b"}"),
    # Many programs take "deflate" to mean this.
    " deflate": RAW.compress(CHAT.encode() + b"}") + RAW.flush(),
    "identity": CHAT.encode() + b"}",
    "": CHAT.encode() + b"}",
}


def post_encoded(client: FlaskClient, encoding: str, data: bytes) -> tuple:
    headers = {"Content-Encoding": encoding}
    response = client.post("/v1/chat/completions", data=data, headers=headers)
    return response.status_code, response.json


@pytest.mark.parametrize("encoding", ENCODED)
def test_a_compressed_body_is_read(client: FlaskClient, encoding: str) -> None:
    assert post_encoded(client, encoding, ENCODED[encoding])[0] == 200


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "compress"])
def test_another_compression_is_a_415_that_says_what_to_send(
    client: FlaskClient, encoding: str
) -> None:
    status, answer = post_encoded(client, encoding, b"x")
    assert status == 415
    assert "send gzip, deflate or none" in answer["error"]["message"]


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("cut", [0, 1, 20, -1])
def test_a_damaged_compressed_body_is_refused(client: FlaskClient, encoding: str, cut: int) -> None:
    status, answer = post_encoded(client, encoding, ENCODED[encoding][:cut])
    assert status == 400
    assert answer["error"]["message"].startswith("error parsing request JSON: ")


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_the_limit_applies_to_the_decompressed_body(client: FlaskClient, pack: Any) -> None:
    encoding = "gzip" if pack is gzip.compress else "deflate"
    status, answer = post_encoded(client, encoding, pack(b" " * 300 * 2**20))
    assert status == 413
    assert "1048576 bytes" in answer["error"]["message"]
