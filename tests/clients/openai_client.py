"""What openai's helpers make of this server, and of their own messages sent back; prints JSON.

The helpers' messages have more in them than OpenAI's API knows (`parsed`, `parsed_arguments`, an
`index`), and go back as they are: that is how everybody appends them.
"""

import json
import sys

import openai
from pydantic import BaseModel

url, name = sys.argv[1:]
client = openai.OpenAI(base_url=url, api_key="none", max_retries=0)
chats = client.chat.completions
how = {"model": name, "temperature": 0, "max_tokens": 60}
question = {"role": "user", "content": "Ann is 41 years old. Describe her as JSON."}
more = {"role": "user", "content": "And now say hello."}


class Person(BaseModel):
    name: str
    age: int


class GetAge(BaseModel):
    """The age of a person."""

    name: str


typed = {"messages": [question], "response_format": Person}
calling = {
    "messages": [{"role": "user", "content": "How old is Ann?"}],
    "tools": [openai.pydantic_function_tool(GetAge)],
    "tool_choice": {"type": "function", "function": {"name": "GetAge"}},
}


def sent_back(first, request):
    """The answer to a second turn, after the first one's message as it is."""
    message = first.choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": "41"}
        for call in message.tool_calls or []
    ]
    tools = {"tools": request["tools"]} if results else {}
    messages = [*request["messages"], message, *results, *([] if results else [more])]
    second = chats.create(**how, **tools, messages=messages)
    return {
        "parsed": message.parsed and message.parsed.model_dump(),
        "calls": [call.function.parsed_arguments.model_dump() for call in message.tool_calls or []],
        "grown": second.usage.prompt_tokens - first.usage.total_tokens,
        "text": second.choices[0].message.content,
    }


found = {"parse": sent_back(chats.parse(**how, **typed), typed)}
with chats.stream(**how, **calling, stream_options={"include_usage": True}) as stream:
    found["stream"] = sent_back(stream.get_final_completion(), calling)

how = {"model": name, "temperature": 0, "max_output_tokens": 60}
typed = {"input": typed["messages"], "text_format": Person}
[tool] = calling["tools"]
calling = {
    "input": calling["messages"],
    "tools": [{"type": "function", **tool["function"]}],
    "tool_choice": {"type": "function", "name": "GetAge"},
}


def output_sent_back(first, request):
    """The answer to a second turn, after the first one's output as it is."""
    calls = [item for item in first.output if item.type == "function_call"]
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": "41"} for call in calls
    ]
    tools = {"tools": request["tools"]} if results else {}
    items = [*request["input"], *first.output, *results, *([] if results else [more])]
    second = client.responses.create(**how, **tools, input=items)
    return {
        "parsed": first.output_parsed and first.output_parsed.model_dump(),
        "calls": [json.loads(call.arguments) for call in calls],
        "grown": second.usage.input_tokens - first.usage.total_tokens,
        "text": second.output_text,
    }


found["responses.parse"] = output_sent_back(client.responses.parse(**how, **typed), typed)
with client.responses.stream(**how, **calling) as stream:
    found["responses.stream"] = output_sent_back(stream.get_final_response(), calling)
print(json.dumps(found))
