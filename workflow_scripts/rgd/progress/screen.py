"""The picture of a run on a terminal, drawn with rich: a line per stage, the members that are asked, the jobs at work."""

from collections import defaultdict

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rgd.progress import words
from rgd.progress.run import Job, Run, StageState, State
from rgd.progress.stages import stage_of
from rgd.terminal import duration, printable

BAR = 24
MOST_ASKED = 12
"""How many members of a stage are listed."""


class Screen:
    """What is shown of ``run`` at ``now``, or at its end, in the lines and columns that the terminal has."""

    def __init__(self, run: Run, now: float, has_ended: bool = False) -> None:
        self.run, self.now, self.has_ended = run, now, has_ended

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        stages, jobs = self.run.stages(self.now), self.run.of(State.RUNNING)
        # A low terminal shows the jobs at work rather than the members.
        room = (options.height or console.height) - len(stages) - 2 - min(len(jobs), words.MOST_AT_WORK + 1)
        yield Group(self._head(), self._stages(stages, room), *self._at_work(jobs))

    def _head(self) -> RenderableType:
        run = self.run
        head = Text(no_wrap=True, overflow="ellipsis")
        head.append(f"{run.name or 'run'}", style="bold")
        if self.has_ended:
            head.append(f"  {words.clock(run.elapsed(self.now))}", style="dim")
        else:
            head.append(f"  {words.share(run, self.now)}", style="bold")
            head.append(f"  ({words.clock(run.elapsed(self.now))} so far)", style="dim")
        return head

    def _stages(self, stages: list[StageState], room: int) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        for justify in ("left", "left", "right", "left"):
            table.add_column(justify=justify, no_wrap=True, overflow="ellipsis")
        for state in stages:
            is_over = state.done == state.total
            style = "red" if state.failed else "green" if is_over else "" if state.running else "dim"
            table.add_row(
                Text(f"  {state.stage}", style=style),
                ProgressBar(total=max(1, state.total), completed=state.done, width=BAR),
                Text(f"{state.done:,}/{state.total:,}", style=style),
                Text(_note(state), style="red" if state.failed else "dim"),
            )
            if state.running:
                rows = self._asked(state.stage)
                for row in rows[: max(0, min(room, MOST_ASKED))]:
                    table.add_row(*row)
                room -= len(rows)
        return table

    def _asked(self, stage: str) -> list[tuple[RenderableType, ...]]:
        """A row for each member that the stage asks: those at work first."""
        jobs: dict[str, list[Job]] = defaultdict(list)
        for job in self.run.jobs.values():
            if job.asks is not None and stage_of(job.rule) == stage:
                jobs[job.asks].append(job)
        rows: list[tuple[RenderableType, ...]] = []
        for name, own in sorted(jobs.items(), key=lambda item: not any(job.state is State.RUNNING for job in item[1])):
            done = sum(job.state is State.DONE for job in own)
            count = next((job.count for job in own if job.state is State.RUNNING and job.count is not None), None)
            is_running = any(job.state is State.RUNNING for job in own)
            style = "" if is_running else "dim"
            bar = "" if count is None else ProgressBar(total=max(1, count.total), completed=count.done, width=BAR)
            note = words.counted(count) if count is not None else "starting" if is_running else ""
            rows.append(
                (
                    Text(f"    {printable(name)}", style=style),
                    bar,
                    Text(f"{done}/{len(own)}", style=style),
                    Text(note, style=style),
                )
            )
        return rows

    def _at_work(self, jobs: list[Job]) -> list[RenderableType]:
        lines = [
            Text(f"  now: {words.at_work(job, self.now)}", style="cyan", no_wrap=True, overflow="ellipsis")
            for job in sorted(jobs, key=lambda job: job.started or 0.0)[: words.MOST_AT_WORK]
        ]
        if len(jobs) > words.MOST_AT_WORK:
            lines.append(Text(f"  now: {len(jobs) - words.MOST_AT_WORK:,} more", style="cyan"))
        return list(lines)


def _note(state: StageState) -> str:
    failures = f"{state.failed} failed  " if state.failed else ""
    if state.running:
        return f"{failures}{state.running} at work"
    return f"{failures}{duration(state.seconds)}" if state.done or state.failed else failures.strip()
