"""MER in transformers' Trainer, TRL's SFTTrainer and with PEFT's adapters, the real ones: make test-extras."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

import everlearn as el
from everlearn.memory.reader import Reader

pytestmark = [pytest.mark.extra, pytest.mark.filterwarnings("ignore")]


class Rows(torch.utils.data.Dataset):
    """Rows of which each is another, longer or shorter."""

    def __init__(self, n, begin=0, lengths=(16,)):
        self.n, self.begin, self.lengths = n, begin, lengths

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        length = self.lengths[index % len(self.lengths)]
        tokens = (torch.arange(16) * (1 + index % 5) + self.begin + index) % 60 + 2
        tokens[1] = 2 + index // 60  # So that no row is another.
        labels = torch.where(torch.arange(16) < length, tokens, -100)
        mask = (torch.arange(16) < length).long()
        return {"input_ids": tokens * mask, "labels": labels, "attention_mask": mask}


def llama():
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed

    set_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    more = {"num_key_value_heads": 2, "max_position_embeddings": 32, "attention_dropout": 0.1}
    return LlamaForCausalLM(LlamaConfig(vocab_size=64, **sizes, **more))


def arguments(folder, kind=None, **more):
    from transformers import TrainingArguments

    usual = {"max_steps": 12, "per_device_train_batch_size": 6, "save_steps": 4, "logging_steps": 100}
    quiet = {"report_to": [], "use_cpu": True, "disable_tqdm": True, "learning_rate": 0.01}
    return (kind or TrainingArguments)(str(folder), **usual, **quiet, **more)


def trainer_of(folder, model=None, lengths=(16,), accumulated=1):
    from transformers import Trainer

    settings = arguments(folder, gradient_accumulation_steps=accumulated)
    return Trainer(model or llama(), settings, train_dataset=Rows(200, lengths=lengths))


def make(folder, model=None, lengths=(16,), accumulated=2, **settings):
    from everlearn.integrations.hugging_face import MERCallback

    own = {"replay_ratio": 0.25, "memory_size": 20, "reptile_every": 3, "reptile_rate": 0.5} | settings
    trainer = trainer_of(folder, model, lengths, accumulated)
    return trainer, MERCallback(**own).attach(trainer)


def weights(trainer):
    return {name: value.detach().clone() for name, value in trainer.model.named_parameters()}


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_resumed_run_is_an_unbroken_one(on_disk, tmp_path):
    def own(name):
        given = {"probes": {"old": Rows(10, 5)}, "remember": Rows(15, 50)}
        return given | ({"memory_dir": tmp_path / name} if on_disk else {})

    whole, _ = make(tmp_path / "whole", **own("one"))
    whole.train()
    first, callback = make(tmp_path / "cut", **own("other"))
    first.args.max_steps = 12
    first.train()
    again, callback = make(tmp_path / "cut", **own("other"))
    again.train(resume_from_checkpoint=str(tmp_path / "cut" / "checkpoint-8"))
    memory = Reader(tmp_path / "other" / "of process 0") if on_disk else callback.memory
    assert memory.seen == 15 + 12 * 2 * 6
    assert len(memory) == 20
    assert all(torch.equal(value, weights(whole)[name]) for name, value in weights(again).items())


def watch(trainer, monkeypatch):
    """Of each batch that is learned: rows, tokens with labels, and how many of those the mean is over."""
    seen, compute = [], trainer.compute_loss

    def watched(model, inputs, *args, num_items_in_batch=None, **more):
        assert {values.dtype for values in inputs.values() if isinstance(values, torch.Tensor)} == {torch.int64}
        if model.training:
            tokens = int((inputs["labels"][:, 1:] != -100).sum())
            seen.append((len(inputs["input_ids"]), tokens, int(num_items_in_batch)))
        return compute(model, inputs, *args, num_items_in_batch=num_items_in_batch, **more)

    monkeypatch.setattr(trainer, "compute_loss", watched)
    return seen


def test_old_rows_are_in_each_batch_and_in_the_mean_over_tokens(tmp_path, monkeypatch):
    trainer, _ = make(tmp_path, lengths=(16, 5, 9))
    seen = watch(trainer, monkeypatch)
    trainer.train()
    assert [rows for rows, *_ in seen] == [6] + [8] * 23
    for one, other in zip(seen[::2], seen[1::2], strict=True):
        assert one[1] + other[1] == one[2] == other[2]


def test_what_the_model_knows_is_remembered_once(tmp_path):
    for seen in (30 + 72, 30 + 2 * 72):
        trainer, callback = make(tmp_path, accumulated=1, memory_dir=tmp_path / "memory", remember=Rows(30, 50))
        trainer.train()
        assert callback.memory is None
        assert Reader(tmp_path / "memory" / "of process 0").seen == seen


def test_reptile_steps_follow_steps_of_the_optimizer(tmp_path):
    """As by hand: a run without them, and θ₀ + .5 (θ − θ₀) after its third step."""
    start = {name: value.detach().clone() for name, value in llama().named_parameters()}
    ends = {}
    for every in (0, 3):
        trainer, _ = make(tmp_path / str(every), reptile_every=every)
        trainer.args.max_steps = 3
        trainer.train()
        ends[every] = weights(trainer)
    for name, value in ends[3].items():
        torch.testing.assert_close(value, start[name] + 0.5 * (ends[0][name] - start[name]))


def test_with_lora_the_adapter_alone_moves(tmp_path):
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(llama(), LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
    trainer, callback = make(tmp_path, model, probes={"old": Rows(10, 5)})
    before = weights(trainer)
    with model.disable_adapter():
        of_base = trainer.evaluate(Rows(10, 5))["eval_loss"]
    trainer.train()
    losses = [line["probe_old_loss"] for line in trainer.state.log_history if "probe_old_loss" in line]
    assert losses[0] == pytest.approx(of_base)
    assert callback.forgotten["old"] == pytest.approx(losses[-1] - min(losses))
    changed = {name for name, value in weights(trainer).items() if not torch.equal(value, before[name])}
    assert changed == {name for name in before if "lora_" in name}
    assert callback._outer.state_dict()["slow"].keys() == changed


def test_trl_s_trainer_takes_it(tmp_path, monkeypatch):
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from everlearn.integrations.hugging_face import MERCallback

    rows = [{"input_ids": row["input_ids"].tolist()} for row in (Rows(100)[i] for i in range(100))]
    config = arguments(tmp_path, SFTConfig, max_length=16, packing=False, bf16=False)
    trainer = SFTTrainer(llama(), config, train_dataset=Dataset.from_list(rows), processing_class=Tokenizer.made())
    callback = MERCallback(memory_size=20, reptile_every=3, reptile_rate=0.5, probes={"old": trainer.train_dataset})
    callback.attach(trainer)
    seen = watch(trainer, monkeypatch)
    trainer.train()
    assert [rows for rows, *_ in seen] == [6] + [8] * 11
    assert callback.memory.seen == 72
    assert callback._outer.taken == 12
    assert callback.forgotten.keys() == {"old"}


def test_texts_that_answer_texts_are_remembered(tmp_path):
    from transformers import (
        DataCollatorForSeq2Seq,
        Seq2SeqTrainer,
        Seq2SeqTrainingArguments,
        T5Config,
        T5ForConditionalGeneration,
    )

    from everlearn.integrations.hugging_face import MERCallback

    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
    config = T5Config(vocab_size=64, decoder_start_token_id=62, pad_token_id=62, **sizes)
    model, tokenizer = T5ForConditionalGeneration(config), Tokenizer.made()
    rows = [
        {"input_ids": [*range(3, 3 + n)], "attention_mask": [1] * n, "labels": [*range(5, 5 + answered)]}
        for n in range(3, 9)
        for answered in range(2, 8)
    ]
    trainer = Seq2SeqTrainer(
        model,
        arguments(tmp_path, Seq2SeqTrainingArguments),
        train_dataset=rows,
        data_collator=DataCollatorForSeq2Seq(tokenizer, model=model),
        processing_class=tokenizer,
    )
    callback = MERCallback(memory_size=20, reptile_every=3).attach(trainer)
    trainer.train()
    kinds = {name: values.dtype for name, values in callback.memory.sample(3).items()}
    narrow = {"labels": torch.int16, "attention_mask": torch.uint8}
    assert kinds == {"input_ids": torch.uint16, "decoder_input_ids": torch.uint16, **narrow}


class Tokenizer:
    """The least that a trainer asks for."""

    @staticmethod
    def made(padding="<pad>"):
        from tokenizers import Tokenizer as Words
        from tokenizers.models import WordLevel
        from transformers import PreTrainedTokenizerFast

        words = Words(WordLevel({str(n): n for n in range(62)} | {padding: 62, "<end>": 63}, unk_token="0"))
        return PreTrainedTokenizerFast(tokenizer_object=words, pad_token=padding, eos_token="<end>")


def test_probes_tell_what_was_forgotten(tmp_path, capsys):
    trainer, callback = make(tmp_path, probes={"old": Rows(10, 5)})
    trainer.train()
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("everlearn: old: loss")]
    assert len(told) == 4  # Before the first step, and at each save, of which one is the end.
    losses = [line["probe_old_loss"] for line in trainer.state.log_history if "probe_old_loss" in line]
    assert callback.forgotten["old"] == pytest.approx(losses[-1] - min(losses))


def test_what_was_forgotten_is_told_where_nothing_is_saved(tmp_path):
    trainer, callback = make(tmp_path, probes={"old": Rows(10, 5)})
    trainer.args.save_strategy = "no"
    trainer.train()
    losses = [line["probe_old_loss"] for line in trainer.state.log_history if "probe_old_loss" in line]
    assert len(losses) == 2
    assert callback.forgotten["old"] == losses[1] - min(losses)


def test_at_the_end_the_best_model_is_asked_where_that_is_loaded(tmp_path):
    trainer, callback = make(tmp_path, probes={"old": Rows(10, 5)})
    trainer.eval_dataset = Rows(10, 5)  # Which is forgotten, so that the first is the best.
    trainer.args.load_best_model_at_end, trainer.args.metric_for_best_model = True, "loss"
    trainer.args.eval_strategy, trainer.args.eval_steps, trainer.args.greater_is_better = "steps", 4, False
    trainer.train()
    losses = [line["probe_old_loss"] for line in trainer.state.log_history if "probe_old_loss" in line]
    assert callback.forgotten["old"] == pytest.approx(trainer.evaluate(Rows(10, 5))["eval_loss"] - min(losses))


def test_a_loss_that_is_no_number_is_not_the_lowest(tmp_path, monkeypatch):
    trainer, callback = make(tmp_path, probes={"old": Rows(10, 5)})
    losses = iter([2.0, float("nan"), 3.0, 2.5])
    monkeypatch.setattr(
        trainer, "evaluate", lambda data, metric_key_prefix: {f"{metric_key_prefix}_loss": next(losses)}
    )
    trainer.train()
    assert callback.forgotten == {"old": 0.5}


def test_another_model_has_its_own_lowest_loss(tmp_path, monkeypatch):
    trainer, callback = make(tmp_path, probes={"old": Rows(10, 5)})
    trainer.model_init = llama
    losses = iter([2.0] * 4 + [3.0] * 4)
    monkeypatch.setattr(
        trainer, "evaluate", lambda data, metric_key_prefix: {f"{metric_key_prefix}_loss": next(losses)}
    )
    trainer.train()
    trainer.train()
    assert callback.forgotten == {"old": 0.0}


def test_workers_that_stay_are_each_of_their_own_data(tmp_path):
    """A trainer whose workers stay gives the loader of one data set for another."""
    settings = {"probes": {"one": Rows(10, 5), "other": Rows(10, 30)}, "remember": Rows(30, 50)}
    losses, seen = [], []
    for workers in (0, 1):
        trainer, callback = make(tmp_path / str(workers), accumulated=1, **settings)
        trainer.args.dataloader_num_workers, trainer.args.dataloader_persistent_workers = workers, workers > 0
        trainer.args.max_steps = 4
        trainer.train()
        seen.append(callback.memory.seen)
        losses.append([line[name] for line in trainer.state.log_history for name in line if name.endswith("_loss")])
        losses[-1].append(trainer.evaluate(Rows(10, 40))["eval_loss"])
    assert seen == [30 + 24] * 2
    assert losses[1] == pytest.approx(losses[0])


def test_rows_that_belong_together_are_refused(tmp_path):
    from datasets import Dataset
    from trl import RewardConfig, RewardTrainer

    from everlearn.integrations.hugging_face import MERCallback

    rows = Dataset.from_list([{"chosen": "3 4", "rejected": "5 6"}] * 12)
    config = arguments(tmp_path, RewardConfig, max_length=16, bf16=False)
    with pytest.raises(el.InputError, match="takes SFTTrainer: rows of a RewardTrainer may belong together in pairs"):
        MERCallback().attach(RewardTrainer(classifier(), config, train_dataset=rows, processing_class=Tokenizer.made()))


def classifier():
    from transformers import LlamaForSequenceClassification

    return LlamaForSequenceClassification(llama().config.__class__(**llama().config.to_dict() | {"num_labels": 1}))


def test_what_a_batch_is_to_have_and_has_not_is_told(tmp_path):
    trainer, _ = make(tmp_path, memory_size=3, replay_ratio=0.5)
    with pytest.warns(UserWarning, match="memory_size=3 is fewer than the 6 old rows"):
        trainer.train()
    for _ in range(2):
        trainer, _ = make(tmp_path, memory_dir=tmp_path / "memory", remember=Rows(9, 50))
        trainer.args.max_steps = 1
        if (tmp_path / "memory").exists():
            with pytest.warns(UserWarning, match="those of remember= are not added"):
                trainer.train()
        else:
            trainer.train()


def test_numbers_that_do_not_fit_are_refused(tmp_path):
    from everlearn.integrations.tokens import narrow, narrowed

    tokens = torch.zeros(2, 3, dtype=torch.int64)
    assert narrow({"input_ids": tokens, "labels": tokens[:, 0]}, 64) == {"input_ids": torch.uint16}
    with pytest.raises(el.InputError, match="column 'attention_mask' holds 256, but is kept as torch.uint8"):
        narrowed("attention_mask", tokens + 256, torch.uint8)
    trainer, _ = make(tmp_path)
    trainer.data_collator = lambda rows: {**torch.utils.data.default_collate(rows), "text": ["a"] * len(rows)}
    trainer.args.remove_unused_columns = False
    with pytest.raises(el.InputError, match="column 'text' of a batch is no tensor with a row for each text"):
        trainer.train()


def test_a_model_with_nothing_to_train_is_refused(tmp_path):
    trainer, _ = make(tmp_path, reptile_every=0)
    trainer.model.requires_grad_(False)
    with pytest.raises(el.InputError, match="there is nothing to train"):
        trainer.train()


def test_by_default_it_learns(tmp_path):
    """Most of what it learns without these callbacks, though Reptile steps take back half of each way."""
    from everlearn.integrations.hugging_face import MERCallback

    losses = {}
    for name, settings in (("plain", {"reptile_every": 0, "replay_ratio": 0.0}), ("MER", {})):
        trainer = trainer_of(tmp_path / name)
        losses["before"] = trainer.evaluate(Rows(200))["eval_loss"]
        MERCallback(**settings).attach(trainer)
        trainer.args.max_steps, trainer.args.save_strategy = 120, "no"
        trainer.train()
        losses[name] = trainer.evaluate(Rows(200))["eval_loss"]
    assert losses["MER"] < losses["plain"] + 0.3 * (losses["before"] - losses["plain"])


def test_rows_are_kept_narrow_and_learned_wide(tmp_path):
    trainer, callback = make(tmp_path, lengths=(16, 5, 9))
    trainer.train()
    rows = callback.memory.sample(20)
    assert {name: values.dtype for name, values in rows.items()} == {
        "input_ids": torch.uint16,
        "labels": torch.int16,
        "attention_mask": torch.uint8,
    }
    known = {tuple(Rows(200, lengths=(16, 5, 9))[i]["labels"].tolist()) for i in range(200)}
    assert {(*row, *[-100] * (16 - len(row))) for row in map(tuple, rows["labels"].tolist())} <= known


def test_a_vocabulary_tells_how_narrow(tmp_path):
    from everlearn.integrations.tokens import narrow

    batch = {"input_ids": torch.zeros(1, 2, dtype=torch.int64), "labels": torch.zeros(1, dtype=torch.float32)}
    assert narrow(batch, 2**16) == {"input_ids": torch.uint16}
    assert narrow(batch, 2**16 + 1) == narrow(batch, None) == {"input_ids": torch.int32}


def test_a_run_goes_back_as_far_as_the_trainer_keeps_checkpoints(tmp_path):
    for limit, message in ((3, None), (None, "can't go back to where this was saved")):
        folder = tmp_path / str(limit)
        trainer, _ = make(folder, memory_dir=folder / "memory")
        trainer.args.save_total_limit = limit
        trainer.train()
        again, _ = make(folder, memory_dir=folder / "memory")
        again.args.save_total_limit = limit
        resume = partial(again.train, resume_from_checkpoint=str(folder / "checkpoint-4"))
        if message is None:
            resume()
            assert all(torch.equal(value, weights(trainer)[name]) for name, value in weights(again).items())
        else:
            with pytest.raises(el.InputError, match=message):
                resume()


def test_what_was_remembered_in_part_is_remembered_anew(tmp_path):
    class Breaks(Rows):
        def __getitem__(self, index):
            if index == 20:
                raise RuntimeError("the disk is gone")
            return super().__getitem__(index)

    trainer, _ = make(tmp_path, accumulated=1, memory_dir=tmp_path / "memory", remember=Breaks(40))
    with pytest.raises(RuntimeError, match="the disk is gone"):
        trainer.train()
    trainer, _ = make(tmp_path, accumulated=1, memory_dir=tmp_path / "memory", remember=Rows(40))
    trainer.train()
    assert Reader(tmp_path / "memory" / "of process 0").seen == 40 + 72


def test_the_folder_of_a_memory_tells_what_it_is_of(tmp_path):
    trainer, _ = make(tmp_path, memory_dir=tmp_path / "memory")
    trainer.train()
    note = tmp_path / "memory" / "of process 0.json"
    for content, message in (
        (note.read_text().replace('"processes": 1', '"processes": 2'), "is that of 2 processes, now there are 1"),
        ("", "is damaged: it tells what the memory beside it is of"),
    ):
        note.write_text(content)
        with pytest.raises(el.InputError, match=message):
            make(tmp_path, memory_dir=tmp_path / "memory")[0].train()


def test_slow_weights_that_all_processes_share_are_saved_once(tmp_path):
    make(tmp_path)[0].train()
    sizes = {one.name: one.stat().st_size for one in (tmp_path / "checkpoint-8").glob("everlearn*")}
    assert sizes.keys() == {"everlearn.safetensors", "everlearn-0.safetensors"}
    slow = sum(value.nbytes for value in llama().parameters())
    assert sizes["everlearn-0.safetensors"] < slow < sizes["everlearn.safetensors"]


def test_texts_end_to_end_are_refused(tmp_path):
    from transformers import DataCollatorWithFlattening

    for collator in (DataCollatorWithFlattening(), DataCollatorWithFlattening(return_flash_attn_kwargs=True)):
        trainer, _ = make(tmp_path)
        trainer.data_collator = collator
        trainer.train_dataset = [{"input_ids": Rows(9)[i]["input_ids"].tolist()} for i in range(9)]
        with pytest.raises(el.InputError, match="their texts are put end to end"):
            trainer.train()


def test_that_there_will_be_no_reptile_step_is_told(tmp_path):
    trainer, _ = make(tmp_path, reptile_every=13)
    with pytest.warns(UserWarning, match="no Reptile step: reptile_every=13, and training has 12 steps"):
        trainer.train()


def test_rows_of_another_length_or_tokenizer_are_refused(tmp_path):
    for _ in range(2):
        trainer, _ = make(tmp_path, memory_dir=tmp_path / "memory", padding={})
        trainer.processing_class = Tokenizer.made()
        trainer.args.max_steps = 1
        trainer.train()
    for changed, message in (
        ({"processing_class": Tokenizer.made("<fill>")}, "holds tokens of another tokenizer: name another memory_dir"),
        ({"train_dataset": [{name: v[:9] for name, v in Rows(9)[i].items()} for i in range(9)]}, "input_ids"),
    ):
        trainer, _ = make(tmp_path, memory_dir=tmp_path / "memory", padding={})
        for name, value in changed.items():
            setattr(trainer, name, value)
        with pytest.raises(el.InputError, match=message):
            trainer.train()


def test_a_checkpoint_of_another_number_of_processes_is_refused(tmp_path):
    from everlearn import checkpoint

    trainer, _ = make(tmp_path)
    trainer.train()
    file = tmp_path / "checkpoint-8" / "everlearn-0.safetensors"
    checkpoint.save(checkpoint.load(file) | {"processes": 2}, file)
    with pytest.raises(el.InputError, match="was saved by 2 processes, now there are 1"):
        make(tmp_path)[0].train(resume_from_checkpoint=str(file.parent))


def test_shards_of_slow_weights_come_back(tmp_path):
    """As a Trainer has them that shards its model, which on a CPU it does not."""
    from processes import together
    from torch.distributed.fsdp import fully_shard

    from everlearn import checkpoint
    from everlearn.integrations.hugging_face import _local, _sharded

    def run(rank):
        def outer_of(seed):
            model = fully_shard(el.mlp([3, 5, 2], seed=seed))
            return el.OuterStep.reptile(model.named_parameters(), every=2, rate=0.5)

        first, second = outer_of(1), outer_of(2)
        checkpoint.save(_local(first.state_dict()), tmp_path / f"{rank}.safetensors")
        second.load_state_dict(_sharded(checkpoint.load(tmp_path / f"{rank}.safetensors"), second.state_dict()))
        pairs = [(first.state_dict()["slow"][name], own) for name, own in second.state_dict()["slow"].items()]
        with pytest.raises(el.InputError, match="shards are saved by torch.distributed.checkpoint"):
            checkpoint.save(first.state_dict(), tmp_path / f"{rank}.safetensors")
        return [float((one.full_tensor() - other.full_tensor()).abs().max()) for one, other in pairs]

    assert together(run, 2, tmp_path / "both") == [[0.0] * 4] * 2


def test_in_two_processes_each_has_its_own_memory(tmp_path):
    """The run, and the same gone on with from a checkpoint, by the Trainer under torchrun."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for way in ("whole", "from checkpoint-4"):
        script = Path(__file__).with_name("training.py")
        done = subprocess.run([*torchrun, script, tmp_path, way], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    whole, again = (
        [torch.load(tmp_path / f"{way} {rank}.pt", weights_only=True) for rank in range(2)]
        for way in ("whole", "from checkpoint-4")
    )
    for found in (whole[1], *again):
        assert all(torch.equal(found["weights"][name], value) for name, value in whole[0]["weights"].items())
    assert [found["seen"] for found in whole + again] == [48] * 4
    assert not {*whole[0]["rows"]} & {*whole[1]["rows"]}


def test_what_can_not_be_is_refused(tmp_path):
    from everlearn.integrations.hugging_face import MERCallback

    trainer, callback = make(tmp_path)
    for one in (callback, MERCallback()):
        with pytest.raises(el.InputError, match="attach one to one, once"):
            one.attach(trainer)
    for wrong, message in (
        ({"replay_ratio": 1}, "replay_ratio must be 0, or from 0.0001 to 0.9999, not 1"),
        ({"replay_ratio": 0.99999}, "replay_ratio must be 0, or from 0.0001 to 0.9999"),
        ({"memory_dir": 5}, "memory_dir is a folder's path, not 5"),
        ({"remember": {"train": Rows(3)}}, "remember must be one data set, not several by name: train"),
        ({"remember": []}, "remember has no rows"),
        ({"probes": {"old": []}}, "the probe 'old' has no rows"),
        ({"probes": {"old": {"test": Rows(3)}}}, "the probe 'old' must be one data set, not several by name: test"),
        ({"replay_ratio": "0.25"}, "replay_ratio must be a number"),
        ({"reptile_rate": 0.0}, "reptile_rate must be above 0"),
        ({"reptile_rate": float("nan")}, "reptile_rate must be above 0"),
        ({"reptile_every": 1}, "reptile_every=1 only makes the rate smaller"),
        ({"memory_size": 0}, "memory_size must be at least 1"),
        ({"saves": 0}, "saves must be at least 1"),
        ({"probes": Rows(3)}, "probes are data sets by name"),
    ):
        with pytest.raises(el.InputError, match=message):
            MERCallback(**wrong)
    frozen, _ = make(tmp_path, llama().requires_grad_(False))
    with pytest.raises((el.InputError, ValueError), match="nothing to train|empty parameter list"):
        frozen.train()
    trainer.callback_handler.callbacks = [MERCallback()]
    with pytest.raises(el.InputError, match="a MERCallback is not given to the trainer"):
        trainer.train()
