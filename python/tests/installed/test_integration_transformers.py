"""transformers, the real one: small models attend here, and give what they give with "sdpa"."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support.on_cpu import OnCpu

from sageattention.integrations import transformers as sage

transformers = pytest.importorskip(
    "transformers", reason="one runtime has it: EQUIPPED in scripts/lock.py"
)

LAYERS, TOKENS, VOCABULARY = 2, 20, 100
SIZES = {
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 64,
}
MODELS = {
    "causal, grouped heads": ("Llama", "ForCausalLM", {"num_key_value_heads": 2}),
    "causal, a window of 8": ("Mistral", "ForCausalLM", {"sliding_window": 8, "num_key_value_heads": 2}),
    "an encoder": ("Bert", "Model", {}),
}


@pytest.fixture
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> OnCpu:
    sage.register()
    stand_in = OnCpu()
    monkeypatch.setattr(sage, "sageattn", stand_in)
    return stand_in


def outputs(model: str, implementation: str, lengths: list[int]) -> torch.Tensor:
    """The first output of a model whose weights the seed decides, padded tokens left out."""
    family, head, options = MODELS[model]
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(
        **SIZES, **options, attn_implementation=implementation
    )
    ids = torch.randint(0, VOCABULARY, (len(lengths), TOKENS))
    mask = torch.arange(TOKENS) < torch.tensor(lengths)[:, None]
    module = getattr(transformers, f"{family}{head}")(config).eval()
    with torch.no_grad():
        output = module(input_ids=ids, attention_mask=mask.long(), return_dict=True)
    return next(iter(output.values()))[mask]  # type: ignore[no-any-return]


@pytest.mark.parametrize("lengths", [[TOKENS, TOKENS], [TOKENS, 7]], ids=["full", "padded"])
@pytest.mark.parametrize("model", [*MODELS])
def test_a_model_gives_what_sdpa_gives(on_cpu: OnCpu, model: str, lengths: list[int]) -> None:
    found = outputs(model, "sage", lengths)
    assert on_cpu.calls == LAYERS
    torch.testing.assert_close(found, outputs(model, "sdpa", lengths))
    assert on_cpu.calls == LAYERS


def test_generation_with_a_cache(on_cpu: OnCpu) -> None:
    """Tokens one by one: a single query row sees every key that the cache holds."""

    def generated(implementation: str) -> list[int]:
        torch.manual_seed(0)
        config = transformers.LlamaConfig(**SIZES, attn_implementation=implementation)
        model = transformers.LlamaForCausalLM(config).eval()
        tokens = model.generate(
            torch.arange(5)[None], max_new_tokens=6, do_sample=False, pad_token_id=0
        )
        return tokens[0].tolist()  # type: ignore[no-any-return]

    assert generated("sage") == generated("sdpa")
    assert on_cpu.calls == 6 * LAYERS


REFUSED = {"dropout": 0.1, "softcap": 30.0, "s_aux": torch.zeros(4), "output_attentions": True}


@pytest.mark.parametrize("name", [*REFUSED])
def test_what_it_cannot_do_is_named(name: str) -> None:
    q = torch.empty(1, 1, 4, 64)
    module: Any = SimpleNamespace()
    with pytest.raises(ValueError, match="attention `sage` has no"):
        sage.attention(module, q, q, q, None, **{name: REFUSED[name]})


def test_a_bias_joins_the_mask() -> None:
    bias, seen = torch.tensor([[1.0, 2.0]]), torch.tensor([[True, False]])
    expected = torch.tensor([[1.0, float("-inf")]])
    torch.testing.assert_close(sage._added(seen, bias), expected)
    added = sage._added(torch.tensor([[0.0, -4.0]]), bias)
    torch.testing.assert_close(added, torch.tensor([[1.0, -2.0]]))
    assert sage._added(None, bias) is bias
    assert sage._added(seen, None) is seen
