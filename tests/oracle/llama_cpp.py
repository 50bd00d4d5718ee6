"""llama.cpp's own server, asked over standard input and output, in an environment of its own.

    .venv-oracle/bin/python tests/oracle/llama_cpp.py MODEL

Reads the questions of client.py, one JSON object per line, and answers each with one line.
"""

import json
import os
import socket
import sys
import urllib.request
from typing import Any

import xllamacpp


def main(model: str) -> None:
    # llama.cpp writes to standard output too.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    server = _server(model)
    address = server.listening_address
    for line in sys.stdin:
        question = json.loads(line)
        match question:
            case {"texts": texts}:
                answer: list[Any] = [_tokens(address, text) for text in texts]
            case {"prompts": prompts}:
                answer = [_log_probabilities(address, prompt) for prompt in prompts]
            case {"greedy": texts, "count": count}:
                answer = [_greedy(address, text, count) for text in texts]
        print(json.dumps(answer), file=answers, flush=True)


def _server(model: str) -> xllamacpp.Server:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    params = xllamacpp.CommonParams()
    params.model.path, params.port = model, port
    params.n_parallel, params.n_ctx = 1, 2048
    # It logs everything that it is asked, and nobody reads that while it works.
    params.verbosity = 1
    return xllamacpp.Server(params)


def _tokens(address: str, text: str) -> list[int]:
    body = {"content": text, "add_special": True, "parse_special": True}
    return list(_post(f"{address}/tokenize", body)["tokens"])


def _log_probabilities(address: str, prompt: list[int]) -> dict[str, float]:
    # The server gives no probabilities for an end or for half a character, so it must choose a
    # token of plain letters. The bias does not change the probabilities.
    body = {"prompt": prompt, "n_predict": 1, "n_probs": 10**6, "logit_bias": [[90, 1000.0]]}
    first = _post(f"{address}/completion", body)["completion_probabilities"][0]
    return {str(item["id"]): item["logprob"] for item in first["top_logprobs"]}


def _greedy(address: str, text: str, count: int) -> list[dict[str, float]]:
    body = {"prompt": text, "n_predict": count, "n_probs": 10, "temperature": 0}
    body |= {"repeat_penalty": 1, "cache_prompt": False}
    return [
        {str(item["id"]): item["logprob"] for item in token["top_logprobs"]}
        for token in _post(f"{address}/completion", body)["completion_probabilities"]
    ]


def _post(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode())
    with urllib.request.urlopen(request) as response:
        return json.load(response)


if __name__ == "__main__":
    main(sys.argv[1])
