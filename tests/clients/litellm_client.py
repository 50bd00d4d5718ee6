"""What litellm makes of this server; prints its answers as JSON."""

import json
import sys

import litellm

url, name = sys.argv[1:]
how = {"model": f"openai/{name}", "api_base": url, "api_key": "none", "temperature": 0}
messages = [{"role": "user", "content": "Say hello."}]
function = {
    "name": "greet",
    "parameters": {"properties": {"who": {"enum": ["you"]}}, "required": ["who"]},
}
plain = litellm.completion(messages=messages, max_tokens=20, **how)
stream = litellm.completion(messages=messages, max_tokens=20, stream=True, **how)
called = litellm.completion(
    messages=messages,
    tools=[{"type": "function", "function": function}],
    tool_choice="required",
    parallel_tool_calls=False,
    **how,
)
text = litellm.text_completion(
    prompt="1 2 3 4", max_tokens=6, **(how | {"model": f"text-completion-openai/{name}"})
)
print(
    json.dumps(
        {
            "chat": plain.choices[0].message.content,
            "stream": "".join(chunk.choices[0].delta.content or "" for chunk in stream),
            "call": called.choices[0].message.tool_calls[0].function.name,
            "completion": text.choices[0].text,
        }
    )
)
