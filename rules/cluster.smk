# What jobs ask a cluster for: where they run, their memory and their time, and which of them are one job of the cluster.
# Nothing here changes a result or reruns a job; on a workstation it is said and not enforced.

from rgd.workflow import run_times as runtimes

CLUSTER = CONFIG.site.cluster
# By name of a group; where nothing is run, as for --lint, there are no settings.
COMPONENTS = workflow.group_settings.group_components if workflow.group_settings else {}


def partition(model):
    """The partition of a job that runs ``model``; None for the cluster's own choice."""
    if model.gpus:
        return CLUSTER.gpu_partition or CLUSTER.partition
    is_served = getattr(model, "api", None) is not None
    return (CLUSTER.served_partition if is_served else None) or CLUSTER.partition


def at_work(model_of, minutes):
    """Resources of a job that runs a model; further tries get more memory and more time.

    Args:
        model_of: gives the settings of the model, or of the embedder, from the wildcards.
        minutes: gives the time that the job takes, and that all jobs take which are one job of the cluster with it.
    """

    def runtime(wildcards, attempt):
        own, together = minutes(wildcards)
        return runtimes.within(own, together, attempt, CLUSTER.longest_minutes)

    return {
        "mem_mb": lambda wildcards, attempt: runtimes.raised(
            model_of(wildcards).memory_mb, attempt, CLUSTER.largest_memory_mb
        ),
        "gpu": lambda wildcards: model_of(wildcards).gpus or None,
        "runtime": runtime,
        "slurm_partition": lambda wildcards: partition(model_of(wildcards)),
    }


def in_results(path):
    return path.replace("<results>", CONFIG.paths.results)


def questions_file(wildcards):
    return f"{CONFIG.paths.results}/questions/{wildcards.dataset}/{wildcards.query_set}.parquet"


def asking(model_of, kind, all_of, own_of=questions_file, draws=1):
    """Resources of a job that asks a model about a file of questions, and about others that are there and not yet asked.

    Args:
        model_of: gives the settings of the model from the wildcards.
        kind: of the rule's groups. Where they make one job of the cluster of all jobs of a model, each gets its own part of
            the time; otherwise the first may have to ask everything.
        all_of: gives the files of all questions that the model is asked.
        own_of: gives the job's own one.
        draws: how often each question is asked.
    """
    grouped = COMPONENTS.get(kind, 1) > 1

    def minutes(wildcards):
        model = model_of(wildcards)
        files = {own_of(wildcards), *all_of(wildcards)}
        each = {path: runtimes.to_answer(model, draws * runtimes.count_rows(path)) for path in files}
        together = sum(each.values())
        return each[own_of(wildcards)] if grouped else together, together

    return at_work(model_of, minutes)


def writing(model_of, texts):
    """Resources of a job that has a model write so many texts, each as long as an answer."""

    def minutes(wildcards):
        own = runtimes.to_answer(model_of(wildcards), texts(wildcards))
        return own, own

    return at_work(model_of, minutes)


def embedding(texts):
    """Resources of a job that embeds so many texts."""

    def minutes(wildcards):
        own = runtimes.to_embed(embedder(wildcards), texts(wildcards))
        return own, own

    return at_work(embedder, minutes)


def queries(wildcards):
    """How many queries a query set has, or may have."""
    return runtimes.count_rows(questions_file(wildcards))


def draws_likely(wildcards):
    """How many queries a generator may have to write: twice those that are wanted, since not all are usable."""
    return 2 * generated.queries(CONFIG, wildcards.dataset, scenarios.parse(CONFIG, wildcards.drawn))


def together(kind, name_of):
    """A group: ``--group-components KIND=N`` makes one job of the cluster of up to N jobs with the same name."""

    def group(wildcards):
        name = f"{kind}_{name_of(wildcards)}"
        # As Snakemake notes it for a group whose name is a text with wildcards.
        workflow.parent_groupids[name] = kind
        return name

    return group


def place_jobs():
    """Give every rule that names no partition or account of its own those of the site."""
    place = {"slurm_partition": CLUSTER.partition, "slurm_account": CLUSTER.account}
    for one in workflow.rules:
        for name, value in place.items():
            if value is not None and name not in one.resources:
                one.resources[name] = value
