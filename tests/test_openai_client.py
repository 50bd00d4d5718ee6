"""OpenAI's own client against the real server."""

import asyncio
from collections.abc import Iterator

import openai
import pytest
from pydantic import BaseModel

from .conftest import DEFAULT_MODEL
from .server import Server

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_the_models_are_listed_and_found(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [DEFAULT_MODEL]
    assert client.models.retrieve(DEFAULT_MODEL).owned_by == "humanity"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nope")


def test_a_chat_is_answered(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(
        model=DEFAULT_MODEL, messages=QUESTION, temperature=0
    )
    [choice] = completion.choices
    assert "Paris" in choice.message.content
    assert choice.finish_reason == "stop"
    usage = completion.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_a_chat_is_streamed_as_it_would_be_answered(client: openai.OpenAI) -> None:
    how = {"model": DEFAULT_MODEL, "messages": QUESTION, "seed": 1, "max_tokens": 20, "n": 2}
    plain = client.chat.completions.create(**how)
    texts = {0: "", 1: ""}
    with client.chat.completions.create(
        **how, stream=True, stream_options={"include_usage": True}
    ) as stream:
        *chunks, last = stream
    for chunk in chunks:
        [choice] = chunk.choices
        texts[choice.index] += choice.delta.content or ""
    assert texts == {choice.index: choice.message.content for choice in plain.choices}
    assert last.usage == plain.usage


def test_a_completion_is_answered_and_streamed(client: openai.OpenAI) -> None:
    how = {"model": DEFAULT_MODEL, "prompt": ["One, two,", "Mon, Tue,"], "temperature": 0}
    plain = client.completions.create(**how, echo=True)
    texts = ["", ""]
    for chunk in client.completions.create(**how, echo=True, stream=True):
        texts[chunk.choices[0].index] += chunk.choices[0].text
    assert texts == [choice.text for choice in plain.choices]
    assert texts[0].startswith("One, two,")


def test_an_answer_goes_back_into_the_conversation(client: openai.OpenAI) -> None:
    first = client.chat.completions.create(model="m", messages=QUESTION, max_tokens=10)
    for message in (first.choices[0].message, first.choices[0].message.model_dump()):
        second = client.chat.completions.create(
            model="m", messages=[*QUESTION, message, *QUESTION], max_tokens=5
        )
        assert second.usage.prompt_tokens > first.usage.total_tokens


def test_errors_are_openais_with_the_message_and_the_field(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="temperature: must be between 0 and 2") as e:
        client.chat.completions.create(model="m", messages=QUESTION, temperature=3)
    assert (e.value.param, e.value.type) == ("temperature", "invalid_request_error")


def test_a_closed_stream_leaves_the_server_usable(client: openai.OpenAI) -> None:
    story = [{"role": "user", "content": "Tell me a long story."}]
    for _ in range(3):
        stream = client.chat.completions.create(model="m", messages=story, stream=True)
        next(iter(stream))
        stream.close()
    answer = client.chat.completions.create(model="m", messages=QUESTION, max_tokens=3)
    assert answer.choices[0].message.content


GREET = {
    "type": "function",
    "function": {
        "name": "greet",
        "parameters": {
            "type": "object",
            "properties": {"who": {"type": "string", "maxLength": 10}},
            "required": ["who"],
            "additionalProperties": False,
        },
    },
}


def test_the_stream_helper_gathers_what_a_plain_answer_has(client: openai.OpenAI) -> None:
    how = {"model": DEFAULT_MODEL, "messages": QUESTION, "temperature": 0, "logprobs": True}
    plain = client.chat.completions.create(**how)
    with client.chat.completions.stream(**how) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done", "logprobs.content.delta"} <= kinds
    assert final.choices[0].message.content == plain.choices[0].message.content
    assert final.choices[0].finish_reason == plain.choices[0].finish_reason
    assert final.choices[0].logprobs.content == plain.choices[0].logprobs.content


def test_the_stream_helper_gathers_a_call(client: openai.OpenAI) -> None:
    how = {"model": DEFAULT_MODEL, "messages": QUESTION, "temperature": 0, "tools": [GREET]}
    forced = {"tool_choice": {"type": "function", "function": {"name": "greet"}}}
    plain = client.chat.completions.create(**how, **forced)
    with client.chat.completions.stream(**how, **forced) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert "tool_calls.function.arguments.done" in kinds
    [call], [expected] = final.choices[0].message.tool_calls, plain.choices[0].message.tool_calls
    assert call.function.arguments == expected.function.arguments
    assert final.choices[0].finish_reason == "tool_calls"


def test_a_calls_result_goes_back_into_the_conversation(client: openai.OpenAI) -> None:
    how = {"model": DEFAULT_MODEL, "tools": [GREET], "temperature": 0, "max_tokens": 40}
    first = client.chat.completions.create(**how, messages=QUESTION, tool_choice="required")
    message = first.choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": "Paris"} for call in message.tool_calls
    ]
    second = client.chat.completions.create(**how, messages=[*QUESTION, message, *results])
    assert second.usage.prompt_tokens > first.usage.prompt_tokens


def test_a_begun_answer_is_continued(client: openai.OpenAI) -> None:
    begun = {"role": "assistant", "content": "The capital of France is"}
    answer = client.chat.completions.create(
        model=DEFAULT_MODEL, messages=[*QUESTION, begun], temperature=0, max_tokens=3
    )
    assert answer.choices[0].message.content.startswith(" Paris")


def test_a_response_is_streamed_as_it_would_be_answered(client: openai.OpenAI) -> None:
    how = {"model": DEFAULT_MODEL, "input": QUESTION, "temperature": 0}
    plain = client.responses.create(**how)
    assert "Paris" in plain.output_text
    assert plain.status == "completed"
    with client.responses.create(**how, stream=True) as stream:
        events = list(stream)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(pieces) == plain.output_text
    assert events[-1].type == "response.completed"
    assert events[-1].response.usage.total_tokens == plain.usage.total_tokens


def test_the_stream_helper_gathers_what_a_plain_response_has(client: openai.OpenAI) -> None:
    logprobs = {"include": ["message.output_text.logprobs"], "top_logprobs": 2}
    how = {"model": DEFAULT_MODEL, "input": QUESTION, "temperature": 0, **logprobs}
    [plain] = client.responses.create(**how).output[0].content
    with client.responses.stream(**how) as stream:
        snapshots = [e.snapshot for e in stream if e.type == "response.output_text.delta"]
        final = stream.get_final_response()
    [streamed] = final.output[0].content
    assert snapshots[-1] == streamed.text == plain.text
    assert streamed.logprobs == plain.logprobs
    assert "".join(token.token for token in streamed.logprobs) == streamed.text


class Person(BaseModel):
    name: str
    age: int


def test_a_response_is_parsed(client: openai.OpenAI) -> None:
    how = {"model": DEFAULT_MODEL, "input": "Ann is 41 years old.", "text_format": Person}
    assert client.responses.parse(**how, temperature=0).output_parsed == Person(name="Ann", age=41)


def test_a_response_calls_a_function_whose_result_goes_back(client: openai.OpenAI) -> None:
    how = {"model": DEFAULT_MODEL, "tools": [{"type": "function", **GREET["function"]}]}
    first = client.responses.create(**how, input=QUESTION, tool_choice="required")
    [call] = first.output
    assert (call.type, call.name) == ("function_call", "greet")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "Paris"}
    second = client.responses.create(
        **how, input=[*QUESTION, call, result], max_output_tokens=5, temperature=0
    )
    assert second.usage.input_tokens > first.usage.input_tokens


async def _asked_and_streamed(url: str) -> tuple[str, str]:
    how = {"model": DEFAULT_MODEL, "input": QUESTION, "temperature": 0}
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
        plain = await client.responses.create(**how)
        async with client.responses.stream(**how) as stream:
            final = await stream.get_final_response()
    return plain.output_text, final.output_text


def test_the_asynchronous_client_gets_the_same(server: Server) -> None:
    plain, streamed = asyncio.run(_asked_and_streamed(f"{server.url}/v1"))
    assert "Paris" in plain
    assert plain == streamed


def test_what_is_not_stored_is_an_error_that_says_so(client: openai.OpenAI) -> None:
    given = client.responses.create(model="m", input="Hi", max_output_tokens=2)
    assert given.store is False
    with pytest.raises(openai.NotFoundError, match="none is stored here"):
        client.responses.retrieve(given.id)
    with pytest.raises(openai.NotFoundError, match="none is stored here"):
        client.responses.delete(given.id)
    with pytest.raises(openai.BadRequestError, match="input must have the whole") as error:
        client.responses.create(model="m", input="Hi", previous_response_id=given.id)
    assert error.value.param == "previous_response_id"
