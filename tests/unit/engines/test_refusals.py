"""What a server's refusal means, in the dialects of many providers; shapes and codes as their users report them."""

import pytest

from rgd.config.schema.models import NEUTRAL
from rgd.engines.refusals import Refusal

SENT = ("temperature", "top_p", "max_tokens", "seed", "logprobs", *NEUTRAL)


def openai_error(message, code=None, kind="invalid_request_error", param=None):
    return {"error": {"message": message, "type": kind, "code": code, "param": param}}


def extra(*names, **more):
    """How FastAPI and Mistral refuse fields; ``input`` repeats the request."""
    return {
        "detail": [
            {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"} | more
            for name in names
        ]
    }


BLOCKS = {
    "deepseek": (400, openai_error("Content Exists Risk", "invalid_request_error")),
    "azure": (
        400,
        {
            "error": {
                "message": "The response was filtered due to the prompt triggering the content management policy.",
                "code": "content_filter",
                "status": 400,
                "innererror": {
                    "code": "ResponsibleAIPolicyViolation",
                    "content_filter_result": {"hate": {"filtered": True}},
                },
            }
        },
    ),
    "azure, code alone": (400, openai_error("Bad request", "content_filter")),
    "azure, inner alone": (400, {"error": {"message": "Bad", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}),
    "dashscope": (400, openai_error("Input data may contain inappropriate content.", "data_inspection_failed")),
    "dashscope, inner": (400, {"error": {"message": "<400> InternalError.Algo.DataInspectionFailed: Input text data"}}),
    "openai": (400, openai_error("Your request was rejected", "content_policy_violation")),
    "openai, flagged": (
        400,
        openai_error("Invalid prompt: your prompt was flagged as against our usage policy", "invalid_prompt"),
    ),
    "zhipu": (400, {"error": {"code": "1301", "message": "系统检测到输入或生成内容可能包含不安全或敏感内容"}}),
    "zhipu, code": (400, {"error": {"code": 1301, "message": "no"}}),
    "moonshot": (
        400,
        openai_error("The request was rejected because it was considered high risk", None, "content_filter"),
    ),
    "openrouter": (
        403,
        {
            "error": {
                "code": 403,
                "message": "Input rejected",
                "metadata": {"reasons": ["harassment"], "flagged_input": "x", "raw": "moderation"},
            }
        },
    ),
    "xai": (
        403,
        {
            "code": "The caller does not have permission",
            "error": "Content violates usage guidelines. Team: t, API key ID: k, Failed check: SAFETY_CHECK_TYPE_BIO",
        },
    ),
    "minimax": (422, openai_error("input new_sensitive (1026)")),
    "minimax, 500": (500, openai_error("input new_sensitive, text is sensitive (1026)")),
    "minimax, 200": (200, {"base_resp": {"status_code": 1027, "status_msg": "no"}, "choices": None}),
    "stepfun": (
        451,
        openai_error("The content you provided or machine outputted is blocked.", None, "censorship_blocked"),
    ),
    "any 451": (451, "Unavailable For Legal Reasons"),
    "anthropic": (400, openai_error("Output blocked by content filtering policy")),
    "volcengine": (400, openai_error("The request failed", "SensitiveContentDetected")),
    "bedrock": (400, {"message": "The guardrail blocked the input"}),
    "portkey": (446, {"error": {"message": "hooks failed", "type": "guardrail_checks_failed"}}),
    "a list": (400, [{"error": {"message": "blocked", "status": "PROHIBITED_CONTENT"}}]),
    "spark": (400, {"error": {"code": "10013", "message": "no"}}),
}


@pytest.mark.parametrize(("status", "body"), BLOCKS.values(), ids=BLOCKS)
def test_a_filters_refusal_is_one(status, body):
    assert Refusal.read(status, body).is_block


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, openai_error("bad temperature")),
        (400, openai_error("The model `m` does not exist", "model_not_found")),
        (400, openai_error("This model's maximum context length is 512 tokens.", "context_length_exceeded")),
        (400, openai_error("Unsupported parameter: 'max_tokens'", "unsupported_parameter", param="max_tokens")),
        (401, openai_error("Your account was flagged by moderation")),
        (403, openai_error("Your account has been suspended for violating our usage policy")),
        (403, openai_error("Your organization was disabled: policy violation")),
        (403, "forbidden"),
        (429, openai_error("moderation service: too many requests")),
        (503, openai_error("content filter is unavailable")),
        # The request, repeated by the server, decides nothing.
        (422, extra("seed", input={"messages": [{"content": "flagged by moderation: sensitive content"}]})),
        (400, None),
        (400, []),
        (400, 5),
    ],
)
def test_what_is_no_filters_refusal_is_none(status, body):
    assert not Refusal.read(status, body).is_block


PARAMETERS = [
    (400, openai_error("Argument not supported on this model: presencePenalty"), "presence_penalty"),
    (400, openai_error("Unknown name topK: Cannot find field."), "top_k"),
    (400, openai_error("top_k must be at least 1, got -1"), "top_k"),
    (400, openai_error("Range of top_k should be [0, 100]", param="top_k"), "top_k"),
    (400, openai_error("repetition_penalty: value must be greater than 1.0"), "repetition_penalty"),
    (
        400,
        openai_error(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            "unsupported_parameter",
            param="max_tokens",
        ),
        "max_tokens",
    ),
    (400, openai_error("max_tokens is not supported, use max_completion_tokens"), "max_tokens"),
    (
        400,
        openai_error(
            "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported.",
            "unsupported_value",
            param="temperature",
        ),
        "temperature",
    ),
    (400, openai_error("invalid temperature: only 1 is allowed for this model"), "temperature"),
    (400, openai_error("temperature only 1"), "temperature"),
    (422, extra("seed"), "seed"),
    (422, {"object": "error", "message": extra("seed"), "type": "invalid_request_error"}, "seed"),
    (422, extra("seed", input={"temperature": "unknown"}), "seed"),
    (400, openai_error("Unrecognized request argument supplied: top_k"), "top_k"),
    (400, openai_error("Unrecognized request arguments supplied: min_p, top_k"), "min_p"),
    (400, openai_error("logprobs are not supported by this model"), "logprobs"),
    (403, openai_error("You are not allowed to request logprobs from this model"), "logprobs"),
    (400, openai_error("property 'top_logprobs' is unsupported"), "logprobs"),
    (400, openai_error("`temperature` and `top_p` cannot both be specified for this model."), "top_p"),
    (400, openai_error('Unknown name "topK": Cannot find field.'), "top_k"),
    (400, openai_error('Unknown name "frequency_penalty"'), "frequency_penalty"),
    (500, openai_error("logprobs are not implemented"), "logprobs"),
    (400, openai_error("This model does not support the parameter presence_penalty"), "presence_penalty"),
]


@pytest.mark.parametrize(("status", "body", "name"), PARAMETERS)
def test_the_parameter_that_is_refused_is_found(status, body, name):
    assert Refusal.read(status, body).parameter(SENT, "m") == name


@pytest.mark.parametrize(
    "body",
    [
        openai_error("bad temperature"),
        openai_error("temperature must be between 0 and 1"),
        openai_error("max_tokens must be at most 16"),
        openai_error("The model doubao-seed-1.6 is not available"),
        openai_error("The model seed is not available"),
        openai_error("reasoning_effort is not supported", param="reasoning_effort"),
        openai_error("temperature is not the trouble: unsupported tools", param="tools"),
        openai_error("unknown model m"),
        openai_error("max_completion_tokens is not supported"),
        extra("chat_template_kwargs", input={"seed": 1}),
        "Bad request",
        None,
    ],
)
def test_what_the_server_does_not_name_is_not_dropped(body):
    assert Refusal.read(400, body).parameter(SENT, "seed" if "model seed" in str(body) else "m") is None


@pytest.mark.parametrize(
    "message",
    [
        "This model only support stream mode, please enable the stream parameter to access the model. ",
        "Non-streaming requests are not supported",
        "parameter.enable_thinking must be set to false for non-streaming calls",
        "stream must be true",
        "Streaming is required for this model",
        "only streaming is supported",
    ],
)
def test_a_server_that_only_streams_is_known(message):
    assert Refusal.read(400, openai_error(message)).needs_stream
    assert not Refusal.read(400, openai_error("bad temperature")).needs_stream


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "This model's maximum context length is 512 tokens."),
        (400, "maximum context length 8192"),
        (400, "prompt is too long: 210000 tokens > 200000 maximum"),
        (400, "The input token count (5) exceeds the maximum number of tokens allowed (4)."),
        (400, "Range of input length should be [1, 129024]"),
        (400, "Input is too long for requested model"),
        (413, "too large"),
        (413, "inputs tokens + max_new_tokens must be <= 512"),
        (422, "`inputs` must have less than 512 tokens. Given: 600; the input exceeds the limit"),
        (422, "Input validation error: `inputs` must have less than 512 tokens. Given: 900"),
        (400, "length of prompt_tokens (600) must be less than max_seq_len (512)."),
        (400, "Invalid 'input[0]': maximum input length is 8192 tokens."),
        (400, "Invalid 'input': maximum request size is 300000 tokens per request. max_tokens_per_request"),
        (400, "The max allowed tokens per submitted batch is 120000. Your batch has 130000 tokens after truncation."),
        (400, "the request exceeds the available context size. try increasing the context size"),
        (
            500,
            "input (2000 tokens) is too large to process. increase the physical batch size (current batch size: 512)",
        ),
    ],
)
def test_a_prompt_that_is_too_long_is_known(status, message):
    refusal = Refusal.read(status, openai_error(message))
    assert refusal.is_too_long
    assert not refusal.is_block


@pytest.mark.parametrize(
    "message",
    [
        "Input validation error: `temperature` must be strictly positive",
        "max_tokens must be less than 4096",
        "batch size 64 > maximum allowed batch size 32",
        "'$.input' is invalid.",
    ],
)
def test_other_refusals_are_of_no_long_prompt(message):
    assert not Refusal.read(400, openai_error(message)).is_too_long


def test_the_words_of_a_refusal_do_not_repeat_the_request():
    refusal = Refusal.read(422, extra("seed", input="secret question", ctx={"body": "more"}))
    assert "secret" not in refusal.words + refusal.message
    assert "more" not in refusal.words
