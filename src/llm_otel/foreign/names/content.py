"""Where the vocabularies put messages and texts."""

from __future__ import annotations

from typing import Final

from llm_otel import semconv

CONTENT: Final = (
    semconv.INPUT_MESSAGES,
    semconv.OUTPUT_MESSAGES,
    semconv.SYSTEM_INSTRUCTIONS,
)

# Messages given one attribute each: name of the list, of each message's fields after its number.
INDEXED: Final = (
    ("gen_ai.prompt.", "", semconv.INPUT_MESSAGES),
    ("gen_ai.completion.", "", semconv.OUTPUT_MESSAGES),
    ("llm.prompts.", "", semconv.INPUT_MESSAGES),
    ("llm.completions.", "", semconv.OUTPUT_MESSAGES),
    ("llm.input_messages.", "message.", semconv.INPUT_MESSAGES),
    ("llm.output_messages.", "message.", semconv.OUTPUT_MESSAGES),
)

# Whole texts that stand for a list of messages: name -> its role, the list. The first of a list
# wins; the others are left out, as they say the same again.
TEXTS: Final = {
    # OpenInference, and OpenLLMetry by its renaming.
    "input.value": ("user", semconv.INPUT_MESSAGES),
    "output.value": ("assistant", semconv.OUTPUT_MESSAGES),
    "traceloop.entity.input": ("user", semconv.INPUT_MESSAGES),
    "traceloop.entity.output": ("assistant", semconv.OUTPUT_MESSAGES),
    # AI SDK.
    "ai.prompt.messages": ("user", semconv.INPUT_MESSAGES),
    "ai.prompt": ("user", semconv.INPUT_MESSAGES),
    "ai.value": ("user", semconv.INPUT_MESSAGES),
    "ai.values": ("user", semconv.INPUT_MESSAGES),
    "ai.response.text": ("assistant", semconv.OUTPUT_MESSAGES),
    "ai.response.object": ("assistant", semconv.OUTPUT_MESSAGES),
    "ai.response.toolCalls": ("assistant", semconv.OUTPUT_MESSAGES),
    # Langfuse, MLflow, Genkit, Haystack, Google ADK, Gemini CLI, logfire.
    "langfuse.observation.input": ("user", semconv.INPUT_MESSAGES),
    "langfuse.observation.output": ("assistant", semconv.OUTPUT_MESSAGES),
    "mlflow.spanInputs": ("user", semconv.INPUT_MESSAGES),
    "mlflow.spanOutputs": ("assistant", semconv.OUTPUT_MESSAGES),
    "genkit:input": ("user", semconv.INPUT_MESSAGES),
    "genkit:output": ("assistant", semconv.OUTPUT_MESSAGES),
    "haystack.component.input": ("user", semconv.INPUT_MESSAGES),
    "haystack.component.output": ("assistant", semconv.OUTPUT_MESSAGES),
    "gcp.vertex.agent.llm_request": ("user", semconv.INPUT_MESSAGES),
    "gcp.vertex.agent.llm_response": ("assistant", semconv.OUTPUT_MESSAGES),
    "input-json": ("user", semconv.INPUT_MESSAGES),
    "output-json": ("assistant", semconv.OUTPUT_MESSAGES),
    "request_data": ("user", semconv.INPUT_MESSAGES),
    "response_data": ("assistant", semconv.OUTPUT_MESSAGES),
    # Braintrust, LangWatch, Cloudflare, LangSmith, Dify.
    "braintrust.input_json": ("user", semconv.INPUT_MESSAGES),
    "braintrust.output_json": ("assistant", semconv.OUTPUT_MESSAGES),
    "langwatch.input": ("user", semconv.INPUT_MESSAGES),
    "langwatch.output": ("assistant", semconv.OUTPUT_MESSAGES),
    "gen_ai.prompt_json": ("user", semconv.INPUT_MESSAGES),
    "gen_ai.completion_json": ("assistant", semconv.OUTPUT_MESSAGES),
    "gen_ai.prompt": ("user", semconv.INPUT_MESSAGES),
    "gen_ai.completion": ("assistant", semconv.OUTPUT_MESSAGES),
}

# Properties of the caller that become tags.
PROPERTIES: Final = "traceloop.association.properties."
