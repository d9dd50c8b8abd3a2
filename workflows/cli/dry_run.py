"""`llm-auction run --dry-run`: everything that can be checked without running it, and what the run would take."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from llm_auction.hub import is_path
from llm_auction.profiles.schema import PctrConfig, Profile, ServerConfig

if TYPE_CHECKING:
    from rich.console import Console

    from llm_auction.market import Auction
    from llm_auction.planning import ModelSize, Plan

SAMPLED_USERS = 20  # whose prompts stand for all


def dry_run(console: Console, profile: Profile) -> int:
    """Print the plan of `profile` and what is wrong with it; the number of problems.

    Raises:
        ValueError: the catalog, the queries or a template can't be read, or the size of the model is not known.
    """
    from huggingface_hub.constants import HF_HUB_OFFLINE

    from llm_auction.planning import plan_run
    from llm_auction.planning.size import size_of

    folder = local_base(profile)
    size = size_of(profile.ad_llm.base, folder, profile.cost.parameters, profile.cost.cache_bytes)
    longest, mean, counted = prompt_tokens(profile, folder)
    plan = plan_run(profile, size, mean)
    _print_plan(console, profile, plan, counted)
    problems = [*problems_of(profile, size, longest), *memory_problems(profile, plan)]
    absent = list(_absent_models(profile, folder))
    if HF_HUB_OFFLINE:
        problems += [f"{model} is not on this machine, and HF_HUB_OFFLINE forbids to download it" for model in absent]
        absent = []
    # Names and paths are the user's own, and may hold what Rich would take for markup.
    for problem in problems:
        console.print(f"problem: {problem}", style="red", markup=False, highlight=False, soft_wrap=True)
    for model in absent:
        note = f"note: {model} is not on this machine and will be downloaded"
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    return len(problems)


def local_base(profile: Profile) -> Path | None:
    """The directory of the base model where it is on this machine; nothing is downloaded.

    Raises:
        ValueError: a directory of the user's own that is not there, a model that is not complete and can't be
            completed (HF_HUB_OFFLINE), or one that can't be trained.
    """
    from huggingface_hub.constants import HF_HUB_OFFLINE

    from assets.base import base_model_dir, inspect_model_dir, refuse_untrainable

    name = profile.ad_llm.base
    if name == "embedded" or is_path(name):
        folder = base_model_dir(profile.ad_llm)
        inspect_model_dir(folder)
        return folder
    cached = _cached(name, profile.ad_llm.revision)
    if cached is not None and HF_HUB_OFFLINE:
        inspect_model_dir(cached)
    elif cached is not None:  # what it lacks will be downloaded
        refuse_untrainable(cached)
    return cached


def _cached(name: str, revision: str | None = None) -> Path | None:
    """Where the hub's cache has this model, weights included; None where it does not."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, revision=revision, local_files_only=True))
    except Exception:  # the hub's client raises several unrelated types; all mean: not here
        return None
    return folder if list(folder.glob("*.safetensors")) else None


def _absent_models(profile: Profile, folder: Path | None) -> Iterator[str]:
    """The models of the profile that would have to be downloaded."""
    if folder is None:
        yield profile.ad_llm.base
    encoder = profile.pctr.encoder
    if encoder != "hashing" and _encoder_dir(profile.pctr) is None:
        yield encoder


def _encoder_dir(config: PctrConfig) -> Path | None:
    """The text encoder's directory, where it is on this machine."""
    local = Path(config.encoder).expanduser()
    return local if is_path(config.encoder) else _cached(config.encoder, config.encoder_revision)


def prompt_tokens(profile: Profile, folder: Path | None) -> tuple[float, float, str]:
    """The longest and the mean prompt of some users, in tokens, and how they were counted."""
    from llm_auction.generation.checkpoint import load_tokenizer
    from llm_auction.generation.prompting import encode_prompts
    from llm_auction.prompts import render_messages

    prompts = [render_messages(auction, profile.ad_llm.prompt) for auction in sample_auctions(profile)]
    if folder is not None:
        lengths = [float(len(ids)) for ids in encode_prompts(load_tokenizer(folder), prompts)]
        return max(lengths), sum(lengths) / len(lengths), "by the model's tokenizer"
    characters = [sum(len(message["content"]) for message in prompt) for prompt in prompts]
    rate = profile.cost.characters_per_token
    return max(characters) / rate, sum(characters) / len(characters) / rate, f"at {rate:g} characters a token"


def sample_auctions(profile: Profile) -> list[Auction]:
    """Auctions of the configured catalog and the first users, as the run will have them."""
    from llm_auction.bidding import draw_bids
    from llm_auction.candidates import find_candidates
    from llm_auction.catalog import read_catalog
    from llm_auction.market import Auction
    from llm_auction.population import generate_population, market_topics, read_queries

    catalog = read_catalog(profile.catalog)
    catalog.require_acceptable(profile.catalog.max_rejected_share)
    topics, ads = market_topics(catalog.ads), {ad.ad_id: ad for ad in catalog.ads}
    if profile.population.queries_source is None:
        few = profile.population.model_copy(update={"profiles": min(SAMPLED_USERS, profile.population.profiles)})
        population = generate_population(few, topics, profile.seed)
    else:
        population = read_queries(profile.population, topics, profile.seed)
    queries = population.queries[: SAMPLED_USERS * 5]
    users = {user.user_id: user for user in population.profiles}
    auctions = []
    found = find_candidates(list(queries), list(ads.values()), profile.candidates, profile.seed)
    for query, row in zip(queries, found, strict=True):
        candidates = tuple(ads[ad_id] for ad_id in row.ad_ids)
        bids = draw_bids(query.query_id, candidates, profile.bidding, profile.seed, "dry-run")
        auctions.append(Auction(query, users[query.user_id], candidates, bids))
    return auctions


def problems_of(profile: Profile, size: ModelSize, longest: float) -> Iterator[str]:
    """What would stop the run later."""
    needed = longest + profile.sampling.max_new_tokens
    if size.context is not None and needed > size.context:
        yield (
            f"the context of {size.context} tokens is {needed - size.context:.0f} too short for the longest prompt "
            f"({longest:.0f}) and sampling.max_new_tokens ({profile.sampling.max_new_tokens})"
        )
    for name, server in (("engine", profile.engine), ("user", profile.user), ("judge", profile.judge)):
        yield from _program_problems(name, server.command)
        yield from _key_problems(name, server)
    yield from _program_problems("launcher", profile.launcher.command)
    yield from _encoder_problems(profile.pctr)
    if profile.dpo.lora_rank and find_spec("peft") is None:
        yield f"dpo.lora_rank is {profile.dpo.lora_rank}: install the extra (pip install 'llm-auction[lora]')"


def _encoder_problems(config: PctrConfig) -> Iterator[str]:
    from llm_auction.generation.checkpoint import ModelDirectoryError
    from llm_auction.pctr.sentence_directory import check_sentence_directory

    if config.encoder == "hashing":
        return
    if find_spec("sentence_transformers") is None:
        yield f"pctr.encoder is {config.encoder}: install the extra (pip install 'llm-auction[encoders]')"
    folder = _encoder_dir(config)
    if folder is not None:
        try:
            check_sentence_directory(folder)
        except ModelDirectoryError as error:
            yield f"pctr.encoder: {error}"


def memory_problems(profile: Profile, plan: Plan) -> Iterator[str]:
    """The stages whose model, keys and values don't fit a GPU (section `cost`)."""
    there = profile.cost.gpu_memory * 1e9
    for stage in plan.stages:
        if stage.memory > there:
            training = "dpo.lora_rank trains less, and FSDP divides it among GPUs (docs/scale.md)"
            lower = training if stage.trained else "lower sampling.rows_per_batch"
            yield (
                f"{stage.name} takes {_bytes(stage.memory)} of a GPU's memory, and it has {_bytes(there)} "
                f"(cost.gpu_memory): {lower}"
            )


def _program_problems(name: str, command: str | None) -> Iterator[str]:
    program = "{python}" if command is None else shlex.split(command)[0]
    if program != "{python}" and shutil.which(program) is None:
        yield f"{name}.command: there is no program {program}"


def _key_problems(name: str, server: ServerConfig) -> Iterator[str]:
    if server.api_key_variable is not None and not os.environ.get(server.api_key_variable):
        yield f"{name}.api_key_variable: {server.api_key_variable} is not set in the environment"


def _print_plan(console: Console, profile: Profile, plan: Plan, counted: str) -> None:
    from rich.table import Table

    size, parameters = plan.size, plan.size.parameters
    console.print(
        f"profile {profile.name}, seed {profile.seed}: {plan.train_queries:,} training and {plan.test_queries:,} test "
        f"queries, {len(profile.arms)} arms, {profile.iterations} iterations\n"
        f"{profile.ad_llm.base}: {parameters / 1e9:.3g} billion parameters (from {size.source}); prompts of "
        f"{plan.prompt_tokens:,.0f} tokens ({counted}), answers of {plan.answer_tokens:,.0f} (cost.answer_tokens)",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("stage")
    for heading in ("requests", "read", "written", "trained", "GPU hours", "memory", "disk", "cost"):
        table.add_column(heading, justify="right")
    for stage in plan.stages:
        tokens = [_short(count) if count else "" for count in (stage.read, stage.written, stage.trained)]
        sizes = [_bytes(stage.memory) if stage.memory else "", _bytes(stage.disk) if stage.disk else ""]
        price = f"{stage.gpu_hours * plan.price:,.2f}"
        requests = f"{stage.requests:,}" if stage.requests else ""
        table.add_row(stage.name, requests, *tokens, f"{stage.gpu_hours:,.2f}", *sizes, price)
    disk = sum(stage.disk for stage in plan.stages)
    table.add_row("together", "", "", "", "", f"{plan.gpu_hours:,.2f}", "", _bytes(disk), f"{plan.cost:,.2f}")
    console.print(table)
    counted_in = "and" if plan.size.cache_bytes or profile.engine.served else "without (set cost.cache_bytes)"
    console.print(
        f"{plan.gpu_hours / plan.gpus:,.1f} hours on {plan.gpus} GPU(s). An estimate: floating-point operations over "
        "the rates of the section cost: settings, not measurements (docs/scale.md). Memory is a GPU's, for the model "
        f"{counted_in} the keys and values of the answers under way.",
        style="dim",
        highlight=False,
        soft_wrap=True,
    )


def _short(count: float) -> str:
    for unit, factor in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count:.0f}"


def _bytes(count: float) -> str:
    return f"{_short(count)}B" if count >= 1e3 else f"{count:.0f} B"
