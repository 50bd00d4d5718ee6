"""What pydantic-ai makes of this server; prints its answers as JSON."""

import asyncio
import json
import sys

from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput, ToolOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

url, name = sys.argv[1:]
model = OpenAIChatModel(name, provider=OpenAIProvider(base_url=url, api_key="none"))
how = {"temperature": 0, "max_tokens": 60}
ann = "Ann is 41 years old. Describe her as JSON."


class Person(BaseModel):
    name: str
    age: int


def agent(**more):
    return Agent(model, instructions="Be brief.", **{"model_settings": how, **more})


def first_a_call(context):
    """Makes the model call a function only once. If it still could, it would call it for ever."""
    return {**how, "tool_choice": "required" if context.run_step == 1 else "auto"}


async def person(mode):
    return (await agent(output_type=mode(Person)).run(ann)).output.model_dump()


async def main():
    plain = agent()
    async with plain.run_stream("Say hello.") as stream:
        streamed = await stream.get_output()
    weather = agent(model_settings=first_a_call)
    asked = []

    @weather.tool_plain
    def get_weather(city: str) -> str:
        """The weather in a city."""
        asked.append(city)
        return "sunny"

    called = await weather.run("What is the weather in Paris?")
    # All of the first turn goes back: the question, the call, its result and the answer.
    second = await agent(tools=[get_weather]).run(
        "Thanks. Say hello.", message_history=called.all_messages()
    )
    return {
        "chat": (await plain.run("Say hello.")).output,
        "stream": streamed,
        "by tool": await person(ToolOutput),
        "by schema": await person(NativeOutput),
        "asked": asked,
        "parts": [part.part_kind for m in called.all_messages() for part in m.parts],
        "second": second.output,
        "grown": second.usage.input_tokens - called.response.usage.total_tokens,
    }


print(json.dumps(asyncio.run(main())))
