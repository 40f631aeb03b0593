"""Which class of error a provider's word or number means, as data."""

from __future__ import annotations

import re
from collections.abc import Mapping

from llm_otel import semconv

# HTTP statuses that are more than "the request was wrong" or "the provider failed".
# 498: https://console.groq.com/docs/errors (no capacity)
BY_STATUS: Mapping[int, str] = {
    401: semconv.AUTHENTICATION,
    402: semconv.INSUFFICIENT_FUNDS,
    403: semconv.PERMISSION,
    404: semconv.NOT_FOUND,
    408: semconv.TIMEOUT,
    425: semconv.SERVER,
    429: semconv.RATE_LIMIT,
    498: semconv.SERVER,
    499: semconv.CANCELLED,
    504: semconv.TIMEOUT,
    524: semconv.TIMEOUT,
}

# Words by class, in lower case and with `_` for every other sign.
# OpenAI: https://platform.openai.com/docs/guides/error-codes, and the codes of ResponseError
# Anthropic: https://docs.anthropic.com/en/api/errors
# DashScope: https://help.aliyun.com/en/model-studio/error-code
# Volcengine: https://www.volcengine.com/docs/82379/1299023
# Moonshot: https://platform.kimi.ai/docs/api/errors
_WORDS: Mapping[str, str] = {
    semconv.RATE_LIMIT: """
        rate_limit rate_limit_exceeded rate_limit_error rate_limit_reached_error too_many_requests
        insufficient_quota quota_exceeded quotaexceeded resource_exhausted throttling
        throttling_ratequota throttling_burstrate throttling_allocationquota throttlingexception
        servicequotaexceededexception usage_limit_reached requestlimitexceeded limitexceeded
    """,
    semconv.INSUFFICIENT_FUNDS: """
        insufficient_funds insufficient_balance insufficientbalance insufficient_credit
        insufficient_credits insufficient_user_quota insufficient_account_balance
        insufficient_balance_error pre_consume_token_quota_failed payment_required payment_error
        credit_required credits_exhausted no_credits out_of_credits credit_limit_exceeded
        billing_error billing_not_active billing_hard_limit_reached billing_limit_reached
        billing_insufficient_balance arrearage accountoverdueerror account_arrears
        balance_not_enough quota_not_enough exceeded_current_quota_error
        failedoperation_resourcepackexhausted failedoperation_servicestop
    """,
    semconv.SERVER: """
        server_error internal_error internal_server_error internalservererror internalerror
        api_error internal engine_error service_unavailable service_unavailable_error
        serviceunavailable internalserverexception serviceunavailableexception
        modelstreamerrorexception modelnotreadyexception
        unavailable bad_gateway upstream_error overloaded overloaded_error engine_overloaded
        engine_overloaded_error server_overloaded serveroverloaded model_overloaded
        model_capacity_exhausted capacity capacity_exceeded no_capacity
        insufficient_system_resource generation incomplete_generation
    """,
    semconv.TIMEOUT: """
        timeout timeout_error modeltimeoutexception request_timeout gateway_timeout
        deadline_exceeded vector_store_timeout
    """,
    semconv.AUTHENTICATION: """
        authentication_error invalid_api_key invalidapikey incorrect_api_key_error
        invalid_authentication_error unauthenticated unauthorized
    """,
    semconv.PERMISSION: """
        accessdeniedexception
        permission_error permission_denied permission_denied_error access_denied accessdenied
        accessdenied_unpurchased forbidden unsupported_country_region_territory
    """,
    semconv.NOT_FOUND: """
        model_not_found not_found_error resource_not_found_error deployment_not_found
        deploymentnotfound unknown_model
    """,
    semconv.CONTENT_FILTER: """
        content_filter content_policy_violation image_content_policy_violation moderation_blocked
        bio_policy misalignment_policy_violation data_inspection_failed datainspectionfailed
        responsibleaipolicyviolation guardrail_intervened
    """,
    semconv.INVALID_REQUEST: """
        request_too_large conflict_error validationexception validation
        invalid_prompt invalid_request_error invalidparameter invalid_argument bad_request
        context_length_exceeded data_residency_mismatch empty_image_file failed_to_download_image
        image_file_not_found image_file_too_large image_parse_error image_too_large image_too_small
        invalid_base64_image invalid_image invalid_image_format invalid_image_mode
        invalid_image_url unsupported_image_media_type
    """,
}
BY_WORD: Mapping[str, str] = {
    word: kind for kind, words in _WORDS.items() for word in words.split()
}

# What a word says more precisely than the HTTP status that came with it.
BEFORE_STATUS = frozenset(
    {semconv.AUTHENTICATION, semconv.CONTENT_FILTER, semconv.INSUFFICIENT_FUNDS}
)

# Finish reasons, in lower case, that mean that the provider failed. A reason that only says where
# the answer ends (`length`, `content_filter`, `sensitive`, `repetition`) is no failure.
# DeepSeek: https://api-docs.deepseek.com/api/create-chat-completion; Zhipu: network_error;
# Gemini: https://ai.google.dev/api/generate-content#FinishReason; watsonx.ai: time_limit
FAILED_FINISHES: Mapping[str, str] = {
    "error": semconv.SERVER,
    "failed": semconv.SERVER,
    "server_error": semconv.SERVER,
    "internal_error": semconv.SERVER,
    "engine_error": semconv.SERVER,
    "engine_overloaded": semconv.SERVER,
    "network_error": semconv.SERVER,
    "insufficient_system_resource": semconv.SERVER,
    "abort": semconv.SERVER,
    "aborted": semconv.SERVER,
    "malformed_function_call": semconv.SERVER,
    "malformed_response": semconv.SERVER,
    "unexpected_tool_call": semconv.SERVER,
    "missing_thought_signature": semconv.SERVER,
    "too_many_tool_calls": semconv.SERVER,
    "function_call_filter: malformed_function_call": semconv.SERVER,
    "error_toxic": semconv.CONTENT_FILTER,
    "cancelled": semconv.CANCELLED,
    "canceled": semconv.CANCELLED,
    "user_cancelled": semconv.CANCELLED,
    "time_limit": semconv.TIMEOUT,
    "timeout": semconv.TIMEOUT,
}

# https://docs.mistral.ai/resources/error-glossary
MISTRAL: Mapping[str, str] = {
    "rate_limited": semconv.RATE_LIMIT,
    "service_tier_capacity_exceeded": semconv.SERVER,
    "unreachable_backend": semconv.SERVER,
    "invalid_model": semconv.NOT_FOUND,
}

# A status of its own: the request or the answer holds what Cohere denies.
# https://docs.cohere.com/reference/chat (498)
COHERE: Mapping[str, str] = {"498": semconv.CONTENT_FILTER}

# https://platform.minimax.io/docs/api-reference/errorcode
MINIMAX: Mapping[str, str] = {
    "1000": semconv.SERVER,
    "1001": semconv.TIMEOUT,
    "1002": semconv.RATE_LIMIT,
    "1004": semconv.AUTHENTICATION,
    "1008": semconv.INSUFFICIENT_FUNDS,
    "1013": semconv.SERVER,
    "1024": semconv.SERVER,
    "1026": semconv.CONTENT_FILTER,
    "1027": semconv.CONTENT_FILTER,
    "1033": semconv.SERVER,
    "1039": semconv.RATE_LIMIT,
    "1041": semconv.RATE_LIMIT,
    "1042": semconv.INVALID_REQUEST,
    "1043": semconv.INVALID_REQUEST,
    "1044": semconv.INVALID_REQUEST,
    "2013": semconv.INVALID_REQUEST,
    "20132": semconv.INVALID_REQUEST,
    "2037": semconv.INVALID_REQUEST,
    "2038": semconv.PERMISSION,
    "2039": semconv.INVALID_REQUEST,
    "2042": semconv.PERMISSION,
    "2045": semconv.RATE_LIMIT,
    "2048": semconv.INVALID_REQUEST,
    "2049": semconv.AUTHENTICATION,
    "2056": semconv.RATE_LIMIT,
    "2061": semconv.PERMISSION,
}

# https://www.xfyun.cn/doc/spark/%E6%8E%A5%E5%8F%A3%E8%AF%B4%E6%98%8E.html
IFLYTEK: Mapping[str, str] = {
    **dict.fromkeys(("10013", "10014", "10019"), semconv.CONTENT_FILTER),
    **dict.fromkeys(("10007", "11201", "11202", "11203"), semconv.RATE_LIMIT),
    **dict.fromkeys(("10008", "10010", "10011"), semconv.SERVER),
    "10907": semconv.INVALID_REQUEST,
    "11200": semconv.PERMISSION,
}

# https://docs.bigmodel.cn/cn/api/api-code, https://docs.z.ai/api-reference/api-code
ZHIPU: Mapping[str, str] = {
    **dict.fromkeys(("1000", "1001", "1002", "1003", "1004", "1100"), semconv.AUTHENTICATION),
    **dict.fromkeys(("1110", "1111", "1112", "1121", "1220", "1311"), semconv.PERMISSION),
    **dict.fromkeys(("1113", "1309"), semconv.INSUFFICIENT_FUNDS),
    **dict.fromkeys(("1120", "1200", "1230", "1234", "1312"), semconv.SERVER),
    **dict.fromkeys(
        ("1210", "1212", "1213", "1214", "1215", "1231", "1261"), semconv.INVALID_REQUEST
    ),
    **dict.fromkeys(("1211", "1221", "1222"), semconv.NOT_FOUND),
    **dict.fromkeys(("1300", "1301"), semconv.CONTENT_FILTER),
    **dict.fromkeys(("1302", "1303", "1304", "1305", "1308", "1310", "1313"), semconv.RATE_LIMIT),
}

# https://ai.baidu.com/ai-doc/WENXINWORKSHOP/tlmyncueh
BAIDU: Mapping[str, str] = {
    **dict.fromkeys(("1", "2", "15", "336000", "336100"), semconv.SERVER),
    **dict.fromkeys(("13", "14", "100", "110", "111"), semconv.AUTHENTICATION),
    **dict.fromkeys(("4", "17", "18", "19", "336501", "336502", "336503"), semconv.RATE_LIMIT),
    **dict.fromkeys(("336001", "336002", "336003", "336006", "336007"), semconv.INVALID_REQUEST),
    "3": semconv.NOT_FOUND,
    "6": semconv.PERMISSION,
}

# https://developers.cloudflare.com/workers-ai/platform/errors/
CLOUDFLARE: Mapping[str, str] = {
    **dict.fromkeys(("5007", "3042"), semconv.NOT_FOUND),
    **dict.fromkeys(("5004", "5005", "5006", "3003", "3006", "3039"), semconv.INVALID_REQUEST),
    **dict.fromkeys(("5016", "5018", "3023", "3041"), semconv.PERMISSION),
    "3007": semconv.TIMEOUT,
    "3008": semconv.TIMEOUT,
    "3036": semconv.RATE_LIMIT,
    "3040": semconv.SERVER,
    "10000": semconv.AUTHENTICATION,
}

# What providers say, in words alone, of an account that has run out of money: their codes and
# statuses call it a wrong request, a limit, or a missing permission. Only how a message begins
# counts, as the rest of one may quote a prompt.
# Anthropic: 400 invalid_request_error; xAI: 429 and 403
_OUT_OF_FUNDS = re.compile(
    r"your credit balance is too low"
    r"|your (newly created )?team [-\w ]{0,64}(used all available credits|any credits yet)",
    re.IGNORECASE,
)
_MAY_BE_FUNDS = frozenset(
    {semconv.INVALID_REQUEST, semconv.PERMISSION, semconv.RATE_LIMIT, semconv.OTHER}
)


def by_message(message: object, kind: str) -> str:
    """The class of a failure whose code says less than the beginning of its message.

    Args:
        message: Anything that a provider may send; nothing of it is kept.
        kind: The class by the code or the status.
    """
    if kind in _MAY_BE_FUNDS and isinstance(message, str) and _OUT_OF_FUNDS.match(message):
        return semconv.INSUFFICIENT_FUNDS
    return kind
