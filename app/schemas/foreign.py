"""Field names that clients of other servers send and OpenAI's API does not have.

They were collected from the sources of llama.cpp, vLLM, Ollama, SGLang, text-generation-inference,
KoboldCpp, text-generation-webui, TabbyAPI, LM Studio and OpenRouter, and of their clients: Open
WebUI, SillyTavern, Continue, Cline, Roo Code, Zed, LibreChat, AnythingLLM, Jan, Vercel's SDK and
pydantic-ai. docs/compatibility.md shows the tables.
"""

import logging
from collections.abc import Collection, Mapping
from typing import Any

from marshmallow import fields

from .fields import Ignored

_log = logging.getLogger(__name__)

TAKEN = {
    "max_tokens": ("n_predict", "num_predict", "max_new_tokens", "max_output_tokens"),
    "min_tokens": ("min_length", "min_new_tokens"),
    "temperature": ("temp",),
    "repeat_penalty": ("repetition_penalty", "rep_pen"),
    "repeat_last_n": ("rep_pen_range", "repetition_penalty_range", "penalty_range"),
    "seed": ("sampler_seed", "random_seed"),
    "stop": ("stop_sequence", "stop_sequences", "stopping_strings"),
    "n": ("n_cmpl",),
    "ignore_eos": ("ban_eos_token",),
    "json_schema": ("guided_json", "format"),
    "grammar": ("guided_grammar", "grammar_string", "ebnf"),
    "guided_regex": ("regex", "regex_pattern"),
    "chat_template_kwargs": ("template_vars",),
}
"""This server's fields and their names elsewhere. If a request has both, the field itself wins."""

# Sampling methods that this server lacks.
_SAMPLERS = frozenset(
    {
        "do_sample", "early_stopping", "encoder_repetition_penalty", "epsilon_cutoff",
        "eta_cutoff", "guidance_scale", "length_penalty", "min_keep", "negative_prompt",
        "no_repeat_ngram_size", "nsigma", "num_beams", "penalize_nl", "penalty_alpha",
        "rep_pen_slope", "repetition_decay", "sampler_order", "sampler_priority", "samplers",
        "skew", "smoothing_curve", "smoothing_factor", "temperature_last", "tfs", "tfs_z",
        "token_healing", "top_a", "top_n_sigma", "typ_p", "typical", "typical_p", "watermark",
    }
)  # fmt: skip
# How a model thinks, and how much of it is shown.
_THINKING = frozenset(
    {
        "add_generation_prompt", "chat_template_kwargs", "clear_thinking",
        "continue_final_message", "disable_reasoning", "enable_thinking", "include_reasoning",
        "preserve_thinking", "reasoning", "reasoning_format", "separate_reasoning",
        "stream_reasoning", "think", "thinking", "thinking_budget",
    }
)  # fmt: skip
# Speed, memory, routing, reporting, and what concerns only other programs.
_BESIDE = frozenset(
    {
        "add_bos_token", "add_special_tokens", "allow_fallbacks", "api_server", "api_type",
        "backend_sampling", "cache_control", "cache_prompt", "cache_salt", "chat_id",
        "client_metadata", "context_overflow_policy", "conversation_id", "data_parallel_rank",
        "debug", "details", "draft_model", "draft_num_predict", "extra_body", "extra_headers",
        "extra_key", "features", "genkey", "grammar_retain_state", "guided_decoding_backend",
        "guided_whitespace_pattern", "id_slot", "incremental_output", "keep_alive",
        "kv_transfer_params", "legacy_api", "main_gpu", "max_context_length", "max_retries",
        "mm_processor_kwargs", "models", "n_cache_reuse", "n_discard", "n_keep", "n_probs",
        "num_batch", "num_ctx", "num_gpu", "num_keep", "num_retries", "num_thread", "options",
        "plugins", "post_sampling_probs", "priority", "prompt_logprobs", "provider",
        "reasoning_split", "request_id", "request_timeout", "response_fields", "result_format",
        "rid", "route", "safe_mode", "safe_prompt", "session_id", "skip_special_tokens", "slot_id",
        "spaces_between_special_tokens", "stream_interval", "timeout", "timings_per_token",
        "top_n_tokens", "transforms", "trim_stop", "truncation_length", "ttl", "usage", "use_mlock",
        "use_mmap", "verbose",
    }
)  # fmt: skip
IGNORED = _SAMPLERS | _THINKING | _BESIDE
IGNORED_BEGINNINGS = (
    "adaptive_", "dry_", "dynamic_temperature", "dynatemp", "litellm_", "max_temp", "min_temp",
    "mirostat", "reasoning_budget", "return_", "speculative", "t_max_", "xtc_",
)  # fmt: skip

_STRUCTURED_OUTPUTS = {
    "json": "json_schema",
    "regex": "guided_regex",
    "choice": "guided_choice",
    "grammar": "grammar",
}
# Values that ask for nothing on other servers, besides null and empty ones.
_NOTHING = {"max_tokens": 0, "seed": -1}


def translated(data: Mapping[str, Any], known: Mapping[str, fields.Field[Any]]) -> dict[str, Any]:
    """``data`` with this server's field names. ``known`` are the endpoint's fields.

    Logs the ignored fields in one line.
    """
    own = {name: value for name, value in data.items() if name in known}
    foreign = {name: value for name, value in data.items() if name not in known}
    for name, others in TAKEN.items():
        for value in [foreign.pop(other) for other in others if other in foreign]:
            _take(own, name, value)
    structured = foreign.get("structured_outputs")
    if isinstance(structured, dict) and not structured.get("structural_tag"):
        for name in _STRUCTURED_OUTPUTS.keys() & structured.keys():
            _take(own, _STRUCTURED_OUTPUTS[name], structured[name])
        if structured.get("json_object"):
            _take(own, "json_schema", {"type": "object"})
        structured = None
    if structured is None:
        foreign.pop("structured_outputs", None)
    unheard = {name: value for name, value in foreign.items() if not is_ignored(name)}
    openais = {name for name in own if isinstance(known[name], Ignored)}
    if ignored := sorted(openais | (foreign.keys() - unheard.keys())):
        _log.info("Ignored fields of a request: %s.", ", ".join(n[:60] for n in ignored))
    return own | unheard


def names(known: Collection[str]) -> list[str]:
    """All field names that a request may use. ``known`` are the endpoint's own."""
    return [*known, *(other for others in TAKEN.values() for other in others), *IGNORED]


def is_ignored(name: str) -> bool:
    """Whether a field of that name is ignored."""
    # The name goes into the log, where it must not be able to start a new line.
    return name in IGNORED or (name.startswith(IGNORED_BEGINNINGS) and name.isprintable())


def _take(own: dict[str, Any], name: str, value: Any) -> None:
    """Sets a field from another of its names, if it is missing and the value is not empty."""
    empty = value is None or value is False or value in ("", [], {})
    if not empty and value != _NOTHING.get(name, "") and own.get(name) is None:
        own[name] = value
