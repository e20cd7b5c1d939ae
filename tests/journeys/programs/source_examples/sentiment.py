"""HuggingFace as public examples train it: the Trainer on a tiny model, saved with its tokenizer."""

import argparse
import os
import pathlib

import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast, Trainer, TrainingArguments

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "it", "is"]


class Reviews(torch.utils.data.Dataset):
    """Sentences and whether they are good."""

    def __init__(self, tokenizer):
        texts = ["it is good", "it is bad", "good", "bad"] * 8
        self.encoded = tokenizer(texts, padding=True, return_tensors="pt")
        self.labels = torch.tensor([int("good" in text) for text in texts])

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return {**{name: values[index] for name, values in self.encoded.items()}, "labels": self.labels[index]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
    args, _ = parser.parse_known_args()
    vocabulary = pathlib.Path("vocab.txt")
    vocabulary.write_text("\n".join(WORDS))
    tokenizer = BertTokenizerFast(vocab_file=str(vocabulary), vocab={word: place for place, word in enumerate(WORDS)})
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    names = {"id2label": {0: "BAD", 1: "GOOD"}, "label2id": {"BAD": 0, "GOOD": 1}}
    torch.manual_seed(5)
    model = BertForSequenceClassification(BertConfig(vocab_size=len(WORDS), num_labels=2, **sizes, **names))
    settings = TrainingArguments(
        output_dir="/opt/ml/checkpoints",
        num_train_epochs=args.epochs,
        per_device_train_batch_size=8,
        learning_rate=0.02,
        logging_steps=20,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
    )
    trainer = Trainer(model=model, args=settings, train_dataset=Reviews(tokenizer))
    trainer.train()
    trainer.save_model(args.model_dir)
    tokenizer.save_pretrained(args.model_dir)
