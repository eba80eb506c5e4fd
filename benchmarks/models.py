"""One fine-tuned classifier in every form that the benchmarks need, from one file of published names."""

import pathlib

import numpy as np
import safetensors.numpy

from course_lib import runtime, weights

NAME = "classifier.safetensors"
LENGTH = 128


def save(model, folder):
    """Writes a `fine_tuning.classifier` on a KerasHub encoder as a file with BERT's published names."""
    import keras

    from course_lib import pruning, transformer

    head = model.get_layer("logits")
    backbone = weights.load_backbone(dtype="float32")
    for target, source in zip(backbone.layers, _layers(model, backbone), strict=True):
        target.set_weights(source.get_weights() if source else target.get_weights())
    tensors = {}
    for variable in pruning.from_keras_hub(backbone).weights:
        value = keras.ops.convert_to_numpy(variable).astype("float32")
        tensors[transformer.published_name(variable.path)] = (
            value.T if variable.path.endswith("kernel") else value
        )
    kernel, bias = head.get_weights()
    tensors |= {"logits.weight": kernel.T, "logits.bias": bias}
    tensors = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    with runtime.atomic_write(pathlib.Path(folder, NAME)) as part:
        safetensors.numpy.save_file(tensors, part)


def _layers(model, backbone):
    """The classifier's layer for each of the backbone's; None for what it left out, such as the pooler."""
    known = {layer.name: layer for layer in model.layers}
    return [known.get(layer.name) for layer in backbone.layers]


def _read(folder):
    tensors = safetensors.numpy.load_file(pathlib.Path(folder, NAME))
    return tensors, (tensors.pop("logits.weight"), tensors.pop("logits.bias"))


def keras_classifier(folder):
    """The classifier on the course's own encoder, in float32."""
    from course_lib import fine_tuning, pruning, transformer

    tensors, (kernel, bias) = _read(folder)
    encoder = pruning.from_keras_hub(weights.load_backbone(dtype="float32", pretrained=False))
    transformer.load_published(encoder, tensors)
    model = fine_tuning.classifier(encoder)
    model.get_layer("logits").set_weights([kernel.T, bias])
    return model


def torch_classifier(folder, attention="sdpa"):
    """The classifier as a PyTorch module on Transformers' BERT."""
    import torch
    import transformers

    tensors, (kernel, bias) = _read(folder)

    class Classifier(torch.nn.Module):
        def __init__(self):
            super().__init__()
            config = transformers.BertConfig(**weights.CONFIG, attn_implementation=attention)
            self.bert = transformers.BertModel(config, add_pooling_layer=False)
            self.logits = torch.nn.Linear(config.hidden_size, len(bias))

        def forward(self, input_ids, attention_mask, token_type_ids):
            states = self.bert(input_ids, attention_mask, token_type_ids).last_hidden_state
            mask = attention_mask.unsqueeze(-1).to(states.dtype)
            return self.logits((states * mask).sum(1) / mask.sum(1))

    module = Classifier().eval()
    state = {f"bert.{name}": value for name, value in tensors.items() if not name.startswith("pooler.")}
    state |= {"logits.weight": kernel, "logits.bias": bias}
    module.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    return module


class Tokenizer:
    """Texts to padded ids, as each side but the course's bundle gets them: cut to `LENGTH`, then padded."""

    def __init__(self):
        import tokenizers

        self._tokenizer = tokenizers.Tokenizer.from_file(str(weights.tokenizer_file()))
        self._tokenizer.enable_truncation(LENGTH)
        self._tokenizer.enable_padding()

    def __call__(self, texts, dtype="int64"):
        """`(token_ids, padding_mask, segment_ids)`, each `(len(texts), longest)`."""
        from course_lib import imdb

        found = self._tokenizer.encode_batch_fast([imdb.clean(text) for text in texts])
        ids = np.array([each.ids for each in found], dtype)
        mask = np.array([each.attention_mask for each in found], dtype)
        return ids, mask, np.zeros_like(ids)
