"""A first call of each SDK, to be copied: what turns an empty page live."""

from __future__ import annotations

from typing import Final

_START: Final = "import llm_otel\n\nllm_otel.instrument()\n\n"

# SDK -> what to install, and the program.
SNIPPETS: Final = {
    "OpenAI": (
        "llm-otel openai",
        "from openai import OpenAI\n\n"
        'answer = OpenAI().responses.create(model="gpt-5-mini", input="Say hello.")\n'
        "print(answer.output_text)",
    ),
    "Anthropic": (
        "llm-otel anthropic",
        "from anthropic import Anthropic\n\n"
        "answer = Anthropic().messages.create(\n"
        '    model="claude-haiku-4-5", max_tokens=64,\n'
        '    messages=[{"role": "user", "content": "Say hello."}],\n'
        ")\nprint(answer.content[0].text)",
    ),
    "Gemini": (
        "llm-otel google-genai",
        "from google import genai\n\n"
        "answer = genai.Client().models.generate_content(\n"
        '    model="gemini-2.5-flash", contents="Say hello.",\n'
        ")\nprint(answer.text)",
    ),
    "Bedrock": (
        "llm-otel boto3",
        "import boto3\n\n"
        'answer = boto3.client("bedrock-runtime").converse(\n'
        '    modelId="amazon.nova-micro-v1:0",\n'
        '    messages=[{"role": "user", "content": [{"text": "Say hello."}]}],\n'
        ')\nprint(answer["output"]["message"]["content"][0]["text"])',
    ),
    "Mistral": (
        "llm-otel mistralai",
        "from mistralai.client import Mistral\n\n"
        'answer = Mistral(api_key="YOUR_KEY").chat.complete(\n'
        '    model="mistral-small-latest",\n'
        '    messages=[{"role": "user", "content": "Say hello."}],\n'
        ")\nprint(answer.choices[0].message.content)",
    ),
    "Cohere": (
        "llm-otel cohere",
        "import cohere\n\n"
        "answer = cohere.ClientV2().chat(\n"
        '    model="command-a-03-2025",\n'
        '    messages=[{"role": "user", "content": "Say hello."}],\n'
        ")\nprint(answer.message.content[0].text)",
    ),
    "Ollama": (
        "llm-otel ollama",
        "import ollama\n\n"
        "answer = ollama.chat(\n"
        '    model="llama3.2", messages=[{"role": "user", "content": "Say hello."}]\n'
        ")\nprint(answer.message.content)",
    ),
    "LiteLLM": (
        "llm-otel litellm",
        "import litellm\n\n"
        "answer = litellm.completion(\n"
        '    model="openai/gpt-5-mini", messages=[{"role": "user", "content": "Say hello."}]\n'
        ")\nprint(answer.choices[0].message.content)",
    ),
    "No key": (
        "llm-otel openai",
        "from openai import OpenAI\nfrom llm_otel.testing import provider\n\n"
        "with provider() as local:  # a provider of its own, on this machine\n"
        '    client = OpenAI(base_url=local.url, api_key="none")\n'
        '    answer = client.chat.completions.create(\n        model="gpt-5-mini",\n'
        '        messages=[{"role": "user", "content": "Say hello."}],\n    )\n'
        "    print(answer.choices[0].message.content)",
    ),
}


def program(sdk: str) -> str:
    """The whole program of an SDK."""
    return _START + SNIPPETS[sdk][1]
