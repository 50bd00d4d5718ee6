"""Chat templates of the large families of models, and the prompts that they must give.

The templates follow the families' documentation and use the same features of Jinja as the published
ones. The prompts follow the documentation too. There is one for `MESSAGES`, and one for `MESSAGES`
with a begun answer, which ends with the begun text.
"""

from collections.abc import Mapping
from dataclasses import dataclass

MESSAGES: list[Mapping[str, str]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Is 1 < 2?"},
    {"role": "assistant", "content": "Yes."},
    {"role": "user", "content": "Why, René?"},
]
BEGUN = "Because"


@dataclass(frozen=True)
class Family:
    """``prompt`` and ``continued`` are the expected prompts if "<s>" is BOS and "</s>" is EOS.

    Without ``takes_system``, the conversation has no system message, because the template refuses
    it, drops it, or has its own, which the test should see.
    """

    name: str
    source: str
    prompt: str
    continued: str
    takes_system: bool = True

    @property
    def messages(self) -> list[Mapping[str, str]]:
        return MESSAGES[0 if self.takes_system else 1 :]

    def continued_with(self, begun: str) -> str:
        """``continued`` for another begun text, without thoughts and white space around it."""
        return self.continued.removesuffix(BEGUN) + begun


def _family(
    name: str, source: str, history: str, ask: str, begin: str | None = None, system: bool = True
) -> Family:
    """``ask`` is the generation prompt. ``begin``, or else ``ask``, comes before a begun answer."""
    continued = history + (ask if begin is None else begin) + BEGUN
    return Family(name, source, history + ask, continued, system)


def _wide(text: str) -> str:
    """DeepSeek's markers have U+FF5C instead of a bar."""
    return text.replace("<|", "<\uff5c").replace("|>", "\uff5c>")


_DATED = "{%- set date_string = '26 Jul 2024' %}"
_IM_ASK = "<|im_start|>assistant\n"
_IM_TURNS = (
    "<|im_start|>user\nIs 1 < 2?<|im_end|>\n<|im_start|>assistant\nYes.<|im_end|>\n"
    "<|im_start|>user\nWhy, René?<|im_end|>\n"
)
_IM_HISTORY = "<|im_start|>system\nBe brief.<|im_end|>\n" + _IM_TURNS
_LLAMA_ASK = "<|start_header_id|>assistant<|end_header_id|>\n\n"
_LLAMA_TURNS = (
    "<|start_header_id|>user<|end_header_id|>\n\nIs 1 < 2?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nYes.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nWhy, René?<|eot_id|>"
)
_PHI_TURNS = "<|user|>\nIs 1 < 2?<|end|>\n<|assistant|>\nYes.<|end|>\n<|user|>\nWhy, René?<|end|>\n"
_CHATML = r"""{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' +
message['content'] + '<|im_end|>' + '\n' }}{% endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""
# Qwen's "Function Calling: Hermes-style", and the Qwen2.5 and Qwen3 model cards: earlier thoughts
# are left out, the last answer always has one, and without thinking it is empty. `thinks` is true
# for Qwen3. The text that announces tools is shortened, here and for the other families.
_QWEN = r"""
{%- set system = messages[0].content if messages[0].role == 'system' else default_system %}
{%- if tools %}
    {{- '<|im_start|>system\n' + (system + '\n\n' if system else '') + '# Tools\n\n<tools>' }}
    {%- for tool in tools %}{{ "\n" }}{{ tool | tojson }}{% endfor %}
    {{- "\n</tools>\n\nReturn calls within XML tags:\n<tool_call>\n{\"name\": <function-name>, " }}
    {{- "\"arguments\": <args-json-object>}\n</tool_call><|im_end|>\n" }}
{%- elif system %}{{ '<|im_start|>system\n' + system + '<|im_end|>\n' }}{% endif %}
{%- set ns = namespace(searching=true, last_query=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- if ns.searching and message.role == "user" and message.content is string and not
        message.content.startswith('<tool_response>') %}
        {%- set ns.searching = false %}{% set ns.last_query = messages|length - 1 - loop.index0 %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content if message.content is string else '' %}
    {%- if message.role == "user" or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>\n' }}
    {%- elif message.role == "assistant" %}
        {%- set thought = message.reasoning_content or '' %}
        {%- if thinks and '</think>' in content %}
            {%- set thought = content.split('</think>')[0].rstrip('\n').split('<think>')[-1] %}
            {%- set content = content.split('</think>')[-1].lstrip('\n') %}
        {%- endif %}
        {{- '<|im_start|>assistant\n' }}
        {%- if thinks and loop.index0 > ns.last_query and (loop.last or thought) %}
            {{- '<think>\n' + thought.strip('\n') + '\n</think>\n\n' }}
        {%- endif %}
        {{- content }}
        {%- for call in message.tool_calls or [] %}
            {{- ('\n' if content or not loop.first) ~ '<tool_call>\n{"name": "' }}
            {{- call.function.name ~ '", "arguments": ' ~ call.function.arguments | tojson }}
            {{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == "tool" %}
        {{- '<|im_start|>user' if loop.first or messages[loop.index0 - 1].role != "tool" }}
        {{- '\n<tool_response>\n' + content + '\n</tool_response>' }}
        {{- '<|im_end|>\n' if loop.last or messages[loop.index0 + 1].role != "tool" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}
{%- if enable_thinking is defined and enable_thinking is false %}{{ '<think>\n\n</think>\n\n' }}
{%- endif %}{% endif %}"""

FAMILIES = [
    # OpenAI's ChatML.
    _family("ChatML", _CHATML, _IM_HISTORY, _IM_ASK),
    # The Qwen2 and SmolLM2 model cards: a system message when there is none.
    _family(
        "Qwen2, SmolLM2",
        r"{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful "
        r"assistant.<|im_end|>\n' }}{% endif %}" + _CHATML,
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n" + _IM_TURNS,
        _IM_ASK,
        system=False,
    ),
    # Meta's Llama 2 repository (chat_completion) and model card.
    _family(
        "Llama 2",
        r"""{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}
{% set system = '<<SYS>>\n' + messages[0]['content'] + '\n<</SYS>>\n\n' %}
{% else %}{% set loop_messages = messages %}{% set system = false %}{% endif %}
{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant') }}{% endif %}
{% set content = message['content'].strip() %}
{% if loop.first and system != false %}{% set content = system + content %}{% endif %}
{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content + ' [/INST]' }}
{%- else %}{{ ' ' + content + ' ' + eos_token }}{% endif %}{% endfor %}""",
        "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nIs 1 < 2? [/INST] Yes. </s>"
        "<s>[INST] Why, René? [/INST]",
        "",
        " ",
    ),
    # Meta's "Llama 3 | Model Cards and Prompt formats"; as first published, it always asks.
    _family(
        "Llama 3",
        r"""{% set loop_messages = messages %}{% for message in loop_messages %}{% set content =
'<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim +
'<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}
{{ content }}{% endfor %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}""",
        "<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>" + _LLAMA_TURNS,
        _LLAMA_ASK,
    ),
    # Meta's "Llama 3.1 | Model Cards and Prompt formats": JSON based tool calling, ipython.
    _family(
        "Llama 3.1",
        _DATED
        + r"""{{- bos_token }}
{%- if not date_string is defined %}{% set date_string = strftime_now("%d %b %Y") %}{% endif %}
{%- if not tools is defined %}{% set tools = none %}{% endif %}
{%- macro signatures() %}{{ 'Respond in the format {"name": function name, "parameters": dict}.' }}
{{- "\n\n" }}{% for t in tools %}{{ t | tojson(indent=4) }}{{ "\n\n" }}{% endfor %}{% endmacro %}
{%- set system_message, in_user = "", tools_in_user_message | default(true) %}
{%- if messages[0]['role'] == 'system' %}
{%- set system_message, messages = messages[0]['content'] | trim, messages[1:] %}{% endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if tools is not none %}{{ "Environment: ipython\n" }}{% endif %}
{{- "Cutting Knowledge Date: December 2023\nToday Date: " + date_string + "\n\n" }}
{%- if tools is not none and not in_user %}{{ signatures() }}{% endif %}
{{- system_message + "<|eot_id|>" }}
{%- for message in messages %}
    {%- set role = "ipython" if message.role in ("tool", "ipython") else message.role %}
    {{- '<|start_header_id|>' + role + '<|end_header_id|>\n\n' }}
    {%- if loop.first and in_user and tools is not none %}{{ signatures() }}{% endif %}
    {%- if 'tool_calls' in message %}{% set call = message.tool_calls[0].function %}
        {%- if message.tool_calls | length != 1 %}{{ raise_exception("One call!") }}{% endif %}
        {{- '{"name": "' + call.name + '", "parameters": ' + call.arguments | tojson + "}" }}
    {%- elif message.content is mapping %}{{ message.content | tojson }}
    {%- else %}{{ message['content'] | trim }}{% endif %}
    {{- "<|eot_id|>" }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}
""",
        "<s><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
        "Today Date: 26 Jul 2024\n\nBe brief.<|eot_id|>" + _LLAMA_TURNS,
        _LLAMA_ASK,
    ),
    # The Mistral-7B-Instruct-v0.1 model card: a space after the end token.
    _family(
        "Mistral v0.1",
        r"""{{ bos_token }}{% for message in messages %}
{% if message['role'] == 'system' %}{{ raise_exception('Only user and assistant!') }}{% endif %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}
{%- else %}{{ message['content'] + eos_token + ' ' }}{% endif %}{% endfor %}""",
        "<s>[INST] Is 1 < 2? [/INST]Yes.</s> [INST] Why, René? [/INST]",
        "",
        system=False,
    ),
    # mistral-common's v3 tokenizer: the system message is in the last user message. (Published
    # templates put it in the last message only, and so lose it if an answer is begun.)
    _family(
        "Mistral v0.3",
        r"""{%- set loop_messages = messages %}{% if messages[0]["role"] == "system" %}
{%- set system_message, loop_messages = messages[0]["content"], messages[1:] %}{% endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace() %}{% set ns.index = 0 %}
{%- for message in loop_messages if message.role != "tool" and message.tool_calls is not defined %}
    {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
        {{- raise_exception("After the optional system message, roles must alternate") }}
    {%- endif %}{% set ns.index = ns.index + 1 %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}{% set last = message == user_messages[-1] %}
        {{- "[AVAILABLE_TOOLS] " ~ tools | tojson ~ "[/AVAILABLE_TOOLS]" if tools and last }}
        {{- "[INST] " ~ (system_message ~ "\n\n" if last and system_message is defined) }}
        {{- message["content"] + "[/INST]" }}
    {%- elif message.tool_calls is defined %}{{ "[TOOL_CALLS] [" }}
        {%- for call in message.tool_calls %}{% set out = call.function | tojson %}
            {%- if call.id | length != 9 %}{{ raise_exception("Tool call IDs have 9!") }}{% endif %}
            {{- out[:-1] + ', "id": "' + call.id + '"}' + ("]" if loop.last else ", ") }}
        {%- endfor %}{{ eos_token }}
    {%- elif message["role"] == "assistant" %}{{ " " + message["content"] | trim + eos_token }}
    {%- else %}{{ '[TOOL_RESULTS] {"content": ' + message.content | string + ', "call_id": "' }}
        {{- message.tool_call_id + '"}[/TOOL_RESULTS]' }}
    {%- endif %}
{%- endfor %}""",
        "<s>[INST] Is 1 < 2?[/INST] Yes.</s>[INST] Be brief.\n\nWhy, René?[/INST]",
        "",
        " ",
    ),
    # mistral-common's v11 tokenizer, and the Devstral model card.
    _family(
        "Mistral v11",
        r"""{{- bos_token }}
{%- for message in messages %}
    {%- if message.role == "system" %}{{ "[SYSTEM_PROMPT]" + message.content + "[/SYSTEM_PROMPT]" }}
    {%- elif message.role == "user" %}
        {%- if tools and message == (messages | selectattr("role", "equalto", "user") | list)[-1] %}
            {{- "[AVAILABLE_TOOLS]" + tools | tojson + "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {{- "[INST]" + message.content + "[/INST]" }}
    {%- elif message.role == "assistant" %}{{ message.content }}
        {%- for call in message.tool_calls or [] %}
            {%- if call.id | length != 9 %}{{ raise_exception("Tool call IDs have 9!") }}{% endif %}
            {{- "[TOOL_CALLS]" + call.function.name + "[ARGS]" }}
            {{- call.function.arguments | tojson }}
        {%- endfor %}{{ eos_token }}
    {%- else %}{{ "[TOOL_RESULTS]" + message.content + "[/TOOL_RESULTS]" }}{% endif %}
{%- endfor %}""",
        "<s>[SYSTEM_PROMPT]Be brief.[/SYSTEM_PROMPT][INST]Is 1 < 2?[/INST]Yes.</s>"
        "[INST]Why, René?[/INST]",
        "",
    ),
    # The Phi-3-mini model card: at first, questions ask for the answer and a system message is
    # dropped; later, the end token is there unless an answer is asked for.
    _family(
        "Phi-3, first",
        r"""{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}
{{ '<|user|>' + '\n' + message['content'] + '<|end|>' + '\n' + '<|assistant|>' + '\n' }}
{%- elif message['role'] == 'assistant' %}{{ message['content'] + '<|end|>' + '\n' }}{% endif %}
{% endfor %}""",
        "<s>" + _PHI_TURNS + "<|assistant|>\n",
        "",
        system=False,
    ),
    _family(
        "Phi-3",
        r"""{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] +
'<|end|>\n' }}{% endfor %}
{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}""",
        "<|system|>\nBe brief.<|end|>\n" + _PHI_TURNS,
        "<|assistant|>\n",
    ),
    # The Zephyr-7B-beta and TinyLlama-1.1B-Chat model cards; its line feeds are the template's.
    _family(
        "Zephyr, TinyLlama",
        r"""{% for message in messages %}
{{ '<|' + message['role'] + '|>\n' + message['content'] + eos_token }}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}""",
        "<|system|>\nBe brief.</s>\n<|user|>\nIs 1 < 2?</s>\n<|assistant|>\nYes.</s>\n"
        "<|user|>\nWhy, René?</s>\n",
        "<|assistant|>\n",
    ),
    # Google's "Gemma formatting and system instructions".
    _family(
        "Gemma",
        r"""{{ bos_token }}{% if messages[0]['role'] == 'system' %}
{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Conversation roles must alternate user/assistant') }}{% endif %}
{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}
{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}
{%- endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}""",
        "<s><start_of_turn>user\nIs 1 < 2?<end_of_turn>\n<start_of_turn>model\nYes.<end_of_turn>\n"
        "<start_of_turn>user\nWhy, René?<end_of_turn>\n",
        "<start_of_turn>model\n",
        system=False,
    ),
    # See _QWEN.
    _family("Qwen2.5", "{% set default_system = 'You are Qwen.' %}" + _QWEN, _IM_HISTORY, _IM_ASK),
    _family(
        "Qwen3",
        "{% set thinks = true %}" + _QWEN,
        _IM_HISTORY,
        _IM_ASK,
        _IM_ASK + "<think>\n\n</think>\n\n",
    ),
    _family(
        "Qwen3 without thinking",
        "{% set thinks, enable_thinking = true, false %}" + _QWEN,
        _IM_HISTORY,
        _IM_ASK + "<think>\n\n</think>\n\n",
    ),
    # "Chat Completion" in the READMEs of DeepSeek LLM and V2.
    _family(
        "DeepSeek LLM, V2",
        r"""{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}
{% endif %}{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}
{{ 'User: ' + message['content'] + '\n\n' }}{% elif message['role'] == 'assistant' %}
{{ 'Assistant: ' + message['content'] + eos_token }}{% elif message['role'] == 'system' %}
{{ message['content'] + '\n\n' }}{% endif %}{% endfor %}
{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}""",
        "<s>Be brief.\n\nUser: Is 1 < 2?\n\nAssistant: Yes.</s>User: Why, René?\n\n",
        "Assistant:",
        "Assistant: ",
    ),
    # DeepSeek-R1's model card: answers begin with "<think>\n", and messages have no thoughts.
    _family(
        "DeepSeek R1",
        _wide(r"""{% set ns = namespace(system_prompt='') -%}
{%- for message in messages if message['role'] == 'system' -%}
    {%- set ns.system_prompt = message['content'] -%}
{%- endfor -%}
{{ bos_token }}{{ ns.system_prompt }}
{%- for message in messages -%}
    {%- if message['role'] == 'user' -%}{{ '<|User|>' + message['content'] }}{%- endif -%}
    {%- if message['role'] == 'assistant' and message['content'] is not none -%}
        {%- set content = message['content'] -%}
        {%- if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif -%}
        {{ '<|Assistant|>' + content + '<|end▁of▁sentence|>' }}
    {%- endif -%}
{%- endfor -%}
{% if add_generation_prompt %}{{ '<|Assistant|><think>\n' }}{% endif %}"""),
        _wide("<s>Be brief.<|User|>Is 1 < 2?<|Assistant|>Yes.<|end▁of▁sentence|>")
        + _wide("<|User|>Why, René?"),
        _wide("<|Assistant|><think>\n"),
        _wide("<|Assistant|>"),
    ),
    # The Falcon-180B-Chat model card: plain lines, without an end.
    _family(
        "Falcon",
        r"""{% for message in messages %}{% if not loop.first %}{{ '\n' }}{% endif %}
{% if message['role'] == 'system' %}{{ 'System: ' }}{% elif message['role'] == 'user' %}
{{ 'User: ' }}{% elif message['role'] == 'assistant' %}{{ 'Falcon: ' }}{% endif %}
{{ message['content'] }}{% endfor %}{% if add_generation_prompt %}{{ '\nFalcon:' }}{% endif %}""",
        "System: Be brief.\nUser: Is 1 < 2?\nFalcon: Yes.\nUser: Why, René?\n",
        "Falcon:",
        "Falcon: ",
    ),
    # Cohere's "Prompting Command R".
    _family(
        "Command-R",
        r"""{{ bos_token }}
{%- set names = {'system': 'SYSTEM', 'user': 'USER', 'assistant': 'CHATBOT'} %}
{%- for message in messages %}
{{- '<|START_OF_TURN_TOKEN|><|' ~ names[message['role']] ~ '_TOKEN|>' }}
{{- message['content'].strip() ~ '<|END_OF_TURN_TOKEN|>' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' }}{% endif %}""",
        "<s><|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>Be brief.<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>Is 1 < 2?<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>Yes.<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>Why, René?<|END_OF_TURN_TOKEN|>",
        "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
    ),
    # FastChat's conversation template "vicuna_v1.1".
    _family(
        "Vicuna",
        r"""{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}
{{ message['content'] + ' ' }}{% elif message['role'] == 'user' %}
{{ 'USER: ' + message['content'] | trim + ' ' }}{% else %}
{{ 'ASSISTANT: ' + message['content'] | trim + eos_token }}{% endif %}{% endfor %}
{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}""",
        "<s>Be brief. USER: Is 1 < 2? ASSISTANT: Yes.</s>USER: Why, René? ",
        "ASSISTANT:",
        "ASSISTANT: ",
    ),
    # Stanford Alpaca's README and train.py: the answer comes right after the colon.
    _family(
        "Alpaca",
        r"""{% for message in messages %}{% if message.role == 'system' %}{{ message.content }}
{%- elif message.role == 'user' %}{{ '### Instruction:\n' ~ message.content }}
{%- else %}{{ '### Response:' ~ message.content ~ eos_token }}{% endif %}
{{- '\n\n' if not loop.last }}{% endfor %}{{ '\n\n### Response:' if add_generation_prompt }}""",
        "Be brief.\n\n### Instruction:\nIs 1 < 2?\n\n### Response:Yes.</s>\n\n"
        "### Instruction:\nWhy, René?\n\n",
        "### Response:",
    ),
    # The SmolLM3-3B model card and the Smol Training Playbook, whose system message has no end.
    # (`date_string` is Llama's; the published template always takes today's date.)
    _family(
        "SmolLM3",
        _DATED
        + r"""{%- set think = enable_thinking | default(true) -%}
{%- if messages[0].role == "system" -%}{%- set system = messages[0].content -%}
    {%- if "/no_think" in system -%}{%- set think = false -%}{%- endif -%}
    {%- set system = system.replace("/no_think", "").replace("/think", "").rstrip() -%}
{%- endif -%}
{{- "<|im_start|>system\n## Metadata\n\nKnowledge Cutoff Date: June 2025\n" -}}
{{- "Today Date: " ~ date_string | default(strftime_now("%d %B %Y")) ~ "\nReasoning Mode: " -}}
{{- ("/think" if think else "/no_think") + "\n\n## Custom Instructions\n\n" -}}
{{- system | default("You are a helpful AI assistant named SmolLM.") + "\n\n" -}}
{%- if xml_tools -%}{{- "### Tools\n\n" ~ xml_tools | string ~ "\n\n<|im_end|>\n" -}}{%- endif -%}
{%- for message in messages -%}
    {%- set content = message.content if message.content is string else "" -%}
    {%- if message.role in ("user", "tool") -%}
        {{- "<|im_start|>user\n" + content + "<|im_end|>\n" -}}
    {%- elif message.role == "assistant" -%}
        {%- generation -%}{%- set thought = "" if think else "<think>\n\n</think>\n" -%}
        {{- "<|im_start|>assistant\n" + thought + content.lstrip("\n") + "<|im_end|>\n" -}}
        {%- endgeneration -%}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- "<|im_start|>assistant\n" -}}
{{- "<think>\n\n</think>\n" if not think -}}{%- endif -%}""",
        "<|im_start|>system\n## Metadata\n\nKnowledge Cutoff Date: June 2025\n"
        "Today Date: 26 Jul 2024\nReasoning Mode: /think\n\n## Custom Instructions\n\nBe brief.\n\n"
        + _IM_TURNS,
        _IM_ASK,
    ),
    # Transformers' "Writing a chat template": what else its environment has.
    _family(
        "everything",
        r"""{%- set data = {'é': [1, '<'], 'a': none} %}{#- A comment #}
{{- data | tojson }}{{ data | tojson(ensure_ascii=true) }}{{ data | tojson(sort_keys=true) }}
{{- data | tojson(separators=(',', ':')) }}{{ [1] | tojson(indent=1) }}{{ strftime_now('%%') }}
{%- set ns = namespace(count=0) %}
{%- for message in messages %}
    {%- if message.role == 'system' %}{% continue %}{% endif %}
    {%- if loop.index > 9 %}{% break %}{% endif %}
    {%- if message is not mapping %}{{ raise_exception('No message') }}{% endif %}
    {%- set ns.count = ns.count + 1 %}
    {%- if message.role == 'assistant' %}
        {%- generation %}{{ ns.count ~ message.content ~ eos_token }}{% endgeneration %}
    {%- else %}{{ ns.count ~ message.content }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ ns.count + 1 }}{% endif %}""",
        '{"é": [1, "<"], "a": null}{"\\u00e9": [1, "<"], "a": null}{"a": null, "é": [1, "<"]}'
        '{"é":[1,"<"],"a":null}[\n 1\n]%1Is 1 < 2?2Yes.</s>3Why, René?',
        "4",
    ),
]
