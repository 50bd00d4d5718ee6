"""What openai-agents makes of this server; prints its answers as JSON."""

import asyncio
import json
import sys

import agents
from agents import Agent, ModelSettings, Runner
from openai import AsyncOpenAI

url, name, api = sys.argv[1:]
# Otherwise it sends the trace of every run to OpenAI.
agents.set_tracing_disabled(True)
agents.set_default_openai_client(AsyncOpenAI(base_url=url, api_key="none", max_retries=0))
if api != "default":
    agents.set_default_openai_api(api)
asked = []


@agents.function_tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    asked.append(city)
    return "sunny"


def agent(**how):
    settings = ModelSettings(temperature=0, max_tokens=200, **how)
    tools = [get_weather]
    return Agent("Helper", "Be brief.", model=name, model_settings=settings, tools=tools)


def kinds(result):
    return [item.type for item in result.new_items]


async def main():
    called = agent(tool_choice="get_weather")
    plain = await Runner.run(called, "What is the weather in Paris?")
    streamed = Runner.run_streamed(called, "What is the weather in Paris?")
    events = [event async for event in streamed.stream_events()]
    said = [e.data for e in events if e.type == "raw_response_event"]
    text = "".join(e.delta for e in said if e.type == "response.output_text.delta")
    # All of the first turn goes back: the question, the call, its result and the answer.
    turn = [*plain.to_input_list(), {"role": "user", "content": "Thanks. Say hello."}]
    second = await Runner.run(agent(), turn)
    first, then = plain.raw_responses[-1].usage, second.raw_responses[0].usage
    return {
        "plain": kinds(plain),
        "streamed": kinds(streamed),
        "asked": asked,
        "answers": [plain.final_output, streamed.final_output, text],
        "second": second.final_output,
        "grown": then.input_tokens - first.total_tokens,
    }


print(json.dumps(asyncio.run(main())))
