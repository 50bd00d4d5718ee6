"""What langchain-openai makes of this server; prints its answers as JSON."""

import json
import sys

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI
from pydantic import BaseModel

url, name = sys.argv[1:]
how = {"base_url": url, "api_key": "none", "model": name, "temperature": 0, "max_tokens": 40}


class Person(BaseModel):
    name: str
    age: int


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return "sunny"


chat = ChatOpenAI(**how)
person = chat.with_structured_output(Person).invoke("Ann is 41 years old. Describe her as JSON.")
tools = chat.bind_tools([get_weather], tool_choice="get_weather")
[call] = tools.invoke("What is the weather in Paris?").tool_calls
streamed = [
    chunk
    for message in tools.stream("What is the weather in Paris?")
    for chunk in message.tool_call_chunks
]
print(
    json.dumps(
        {
            "chat": chat.invoke("Say hello.").content,
            "stream": "".join(chunk.content for chunk in chat.stream("Say hello.")),
            "completion": OpenAI(**how).invoke("1 2 3 4"),
            "person": person.model_dump(),
            "call": [call["name"], call["args"]],
            "streamed call": "".join(chunk["args"] for chunk in streamed),
            "logprobs": len(
                chat.bind(logprobs=True).invoke("Hi").response_metadata["logprobs"]["content"]
            ),
        }
    )
)
