"""A tiny transformer, created from a configuration and trained with HuggingFace's library to classify two words."""

import os

import torch
from transformers import BertConfig, BertForSequenceClassification

torch.manual_seed(5)
sizes = {"vocab_size": 10, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
model = BertForSequenceClassification(BertConfig(**sizes, num_labels=2))
words = torch.tensor([[1, 5, 2], [1, 6, 2]])
labels = torch.tensor([0, 1])
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
for step in range(40):
    loss = model(input_ids=words, labels=labels).loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss={loss.item():.6f};")
model.eval()
print("predicted", model(input_ids=words).logits.argmax(1).tolist())
model.save_pretrained(os.environ["SM_MODEL_DIR"])
