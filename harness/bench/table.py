"""What was measured: medians, spreads, ratios round by round, and what the goals say of them."""
import statistics
from bounds import CPU, GOALS, LIMITS, QUIET


class Table:
    def __init__(self):
        self.stages = {}   # stage -> lane -> [Sample]
        self.figures = {}  # stage -> lane -> {figure: [values]}
        self.missing = []  # (stage, lane, why)

    def add(self, stage, lane, sample):
        self.stages.setdefault(stage, {}).setdefault(lane, []).append(sample)

    def add_figure(self, stage, lane, figure, value):
        self.figures.setdefault(stage, {}).setdefault(lane, {}).setdefault(figure, []).append(value)

    def values(self, stage, lane, figure):
        samples = self.stages.get(stage, {}).get(lane, [])
        if figure == CPU:
            return [s.cpu_us for s in samples]
        if figure == "throughput":
            return [s.rate for s in samples]
        return self.figures.get(stage, {}).get(lane, {}).get(figure, [])

    def noise(self, stage):
        """(share of wall that the direct line waited for a core, share of the machine that others used), medians."""
        lanes = self.stages.get(stage, {})
        direct = [s.run_delay for s in lanes.get("direct", [])]
        foreign = [s.foreign for samples in lanes.values() for s in samples]
        return (statistics.median(direct) if direct else 0.0), (statistics.median(foreign) if foreign else 0.0)

    def quiet(self, stage):
        """Generator, proxy and backend are three busy processes: on two cores they wait for each other, 40 % of wall on an
        idle machine, so waiting alone says nothing. It does on the direct line when others did use the machine."""
        wait, foreign = self.noise(stage)
        return foreign <= QUIET and (wait <= QUIET or foreign <= QUIET / 5)

    def print_stage(self, stage, out):
        lanes = self.stages.get(stage, {})
        if lanes:
            direct = statistics.median([s.rate for s in lanes["direct"]]) if "direct" in lanes else None
            print(f"\n{stage:24} {'answers/s':>10} {'spread':>15} {'x direct':>8} {'CPU us/req':>10} {'spread':>15} "
                  f"{'waits':>6} {'non-2xx':>8} {'lost':>5}", file=out)
        for lane, samples in lanes.items():
            rates, cpu = [s.rate for s in samples], [s.cpu_us for s in samples]
            errors = sum(s.errors for s in samples) / max(1, sum(s.count for s in samples))
            line = f"  {lane:22} {statistics.median(rates):10.0f} {spread(rates, 0):>15}"
            line += f" {statistics.median(rates) / direct:8.3f}" if direct else " " * 9
            line += f" {statistics.median(cpu):10.2f} {spread(cpu, 2):>15}" if any(cpu) else " " * 27
            line += f" {100 * statistics.median(s.run_delay for s in samples):5.1f}% {100 * errors:7.2f}%"
            line += f" {sum(s.lost for s in samples):5d}"
            scribe = statistics.median(s.scribe_us for s in samples)
            print(line + (f"  + {scribe:.2f} us to write the journal" if scribe else ""), file=out)
        for lane, figures in self.figures.get(stage, {}).items():
            told = ", ".join(f"{name} {statistics.median(v):g} ({spread(v, 1)})" for name, v in figures.items())
            print(f"  {stage + ' ' + lane if not lanes else lane:22} {told}", file=out)
        if lanes:
            wait, foreign = self.noise(stage)
            print(f"  noise: {100 * wait:.1f} % of wall waiting for a core on the direct line, "
                  f"{100 * foreign:.1f} % of the machine used by others", file=out)

    def judge(self):
        """Rows {stage, figure, against, ratio, spread, bound, holds}: None when noise forbids it."""
        rows = []
        for stage, figure, against, bound, note in GOALS:
            ours, theirs = self.values(stage, "meshproof", figure), self.values(stage, against, figure)
            if not ours or not theirs or not statistics.median(theirs):
                continue
            rounds = [a / b for a, b in zip(ours, theirs) if b]
            ratio = statistics.median(ours) / statistics.median(theirs)
            met = ratio >= bound if note == "at least" else ratio <= bound
            rows.append(dict(stage=stage, figure=figure, against=against, ratio=ratio, low=min(rounds), high=max(rounds),
                             bound=bound, note=note, met=met if self.quiet(stage) else None))
        for stage, figure, bound, unit, noisy in LIMITS:
            ours = self.values(stage, "meshproof", figure)
            if not ours:
                continue
            value = max(ours) if bound == 0 else statistics.median(ours)
            rows.append(dict(stage=stage, figure=figure, against=None, ratio=value, low=min(ours), high=max(ours), bound=bound,
                             note=unit, met=value <= bound if not noisy or self.quiet(stage) else None))
        return rows


def spread(values, digits):
    return f"{min(values):.{digits}f}..{max(values):.{digits}f}"


def print_rows(rows, out):
    word = {True: "met", False: "NOT MET", None: "not judged: the machine was not quiet"}
    print(f"\n{'stage':14} {'figure':26} {'against':14} {'ratio':>8} {'rounds':>17} {'bound':>7}", file=out)
    for r in rows:
        print(f"{r['stage']:14} {r['figure']:26} {r['against'] or '(' + (r['note'] or 'count') + ')':14} {r['ratio']:8.3f} "
              f"{r['low']:8.3f}..{r['high']:<7.3f} {'>=' if r['note'] == 'at least' else '<='}{r['bound']:5.2f}  "
              f"{word[r['met']]}", file=out)
