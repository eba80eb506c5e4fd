"""The `course` command. Commands import what they need when they run: `course --help` answers at once."""

import contextlib
import enum
import inspect
import json
import pathlib
import signal
import sys
import typing
from typing import Annotated

import typer
import typer.core
import typer.models

import course_lib

# Help is printed without Rich's markup, and `\[default: 8000]` would be its way to write a bracket.
typer.core.HAS_RICH = False


class _Group(typer.core.TyperGroup):
    """Gives arguments their help back, which typer up to 0.20 sets before click 8.5 sets it to None."""

    def get_command(self, ctx, name):
        command = super().get_command(ctx, name)
        if command is not None and command.callback is not None:
            hints = typing.get_type_hints(inspect.unwrap(command.callback), include_extras=True)
            for parameter in command.params:
                for said in getattr(hints.get(parameter.name), "__metadata__", ()):
                    if isinstance(said, typer.models.ArgumentInfo):
                        parameter.help = parameter.help or said.help
            command.format_arguments = lambda ctx, formatter: None  # Click's; typer lists them, too.
        return command


app = typer.Typer(
    cls=_Group,
    help="Attention to Edge: the course's command.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
fetch_app = typer.Typer(
    help="Bring data or weights into the cache.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(fetch_app, name="fetch")


def _version(wanted: bool):
    if wanted:
        typer.echo(f"course {course_lib.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")
    ] = False,
):
    pass


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False):
    """Tell whether this machine can run the course, and what to do if not (exit status 1)."""
    import dataclasses

    from course_lib import doctor as examine

    with contextlib.redirect_stdout(sys.stderr):  # What checks print must not end up in the JSON.
        lines = examine.report()
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(line) for line in lines], indent=2))
    else:
        import rich.console

        rich.console.Console().print(examine.table(lines))
    raise typer.Exit(0 if examine.healthy(lines) else 1)


@fetch_app.command("data")
def fetch_data():
    """Bring what the lessons work on and is missing: weights (84 MB), reviews (13 MB), ratings (2 MB)."""
    from course_lib import carriers

    failed = []
    for name, carrier in carriers.CARRIERS.items():
        if carriers.find(name) is not None:
            typer.echo(f"Here already: {carrier.what}.")
            continue
        typer.echo(f"Fetching {carrier.what} ({carrier.megabytes:g} MB) ...")
        try:
            typer.echo(f"It is here: {carriers.fetch(name)}")
        except carriers.CarrierError as error:  # The others may come all the same.
            failed.append(f"{error}\nUntil then, not to be had: {carrier.without}.")
    if failed:
        raise RuntimeError("\n".join(failed))


@fetch_app.command("imdb")
def fetch_imdb():
    """Download the official archive (84 MB; no lesson needs it), check it and keep it in the cache."""
    from course_lib import imdb

    typer.echo(f"IMDB is here: {imdb.fetch()}")


@fetch_app.command("weights")
def fetch_weights():
    """Download the pretrained encoder from Hugging Face (91 MB), check it and keep it in the cache."""
    from course_lib import weights

    typer.echo(f"The weights are here: {weights.fetch()}")


def _fetch_capstone(name):
    from course_lib.capstone import sources

    wanted = sources.source(name)
    typer.echo(f"{wanted.title}, {wanted.megabytes:g} MB.\nIts licence: {wanted.licence}")
    typer.echo(f"It is here: {sources.fetch(name)}")


@fetch_app.command("clinc150")
def fetch_clinc150():
    """Download questions of 150 intents and of none (2.5 MB, CC BY 3.0), for lesson 13."""
    _fetch_capstone("clinc150")


@fetch_app.command("banking77")
def fetch_banking77():
    """Download a bank's questions of 77 intents (1.1 MB, CC BY 4.0), for lesson 13."""
    _fetch_capstone("banking77")


@fetch_app.command("phrasebank")
def fetch_phrasebank():
    """Download statements of financial news (0.7 MB, CC BY-NC-SA 3.0), for lesson 13."""
    _fetch_capstone("phrasebank")


@fetch_app.command("movielens")
def fetch_movielens():
    """Download ratings of films (1 MB, GroupLens' own terms), for lesson 13."""
    _fetch_capstone("movielens")


@app.command()
def links(
    repo: Annotated[str, typer.Option(help="What badges and install lines shall name: OWNER/NAME.")],
    root: Annotated[
        pathlib.Path, typer.Option(help="The clone.", exists=True, file_okay=False)
    ] = pathlib.Path(),
):
    """Make every badge and install line name your fork."""
    from course_lib import links as addresses

    if not (root / "pyproject.toml").is_file():
        raise ValueError(f"There is no pyproject.toml in {root.absolute()}: run this in the clone.")
    changed = addresses.rewrite(root, repo)
    count = "1 file" if len(changed) == 1 else f"{len(changed)} files"
    typer.echo(f"{count} changed." if changed else f"All addresses name {repo} already.")
    for path in changed:
        typer.echo(f"  {path}")


@app.command()
def update(
    source: Annotated[
        str | None,
        typer.Option("--from", help="Another clone, such as one on a memory stick; default: origin."),
    ] = None,
    root: Annotated[
        pathlib.Path, typer.Option(help="The clone.", exists=True, file_okay=False)
    ] = pathlib.Path(),
):
    """Bring a newer version of the course into this clone; what you changed is kept."""
    from course_lib import updates

    typer.echo(str(updates.update(root, source)))


Notebook = Annotated[
    pathlib.Path, typer.Argument(help="An exercise, such as exercises/01_attention.ipynb.", dir_okay=False)
]


def _mark(notebook, sandbox):
    """Prints what is to be said of a notebook; returns whether all of it is right."""
    from course_lib import runtime
    from course_lib.grading import feedback

    runtime.quiet_logs()
    with runtime.hidden_stderr():
        found = feedback.check_notebook(notebook, sandbox)
    for each in found:
        typer.echo(each)
    right = [each.question for each in found if each.status == "right"]
    points = sum(question.points for question in right)
    typer.echo(f"{len(right)} of {len(found)} right, {points} points.")
    return len(right) == len(found)


@app.command()
def check(
    notebook: Annotated[
        pathlib.Path,
        typer.Argument(
            help="An exercise, such as exercises/01_attention.ipynb, or a project's folder or zip.",
            metavar="PATH",
        ),
    ],
):
    """Mark a whole exercise, or measure a project of your own; exit status 1 while something is missing."""
    from course_lib.grading import answers, project, sandbox

    if project.is_project(notebook):
        report = project.check(notebook)
        typer.echo(str(report))
        raise typer.Exit(0 if report.complete else 1)
    if not notebook.is_file():
        raise ValueError(f"There is no notebook {notebook}.")
    typer.echo(
        f"Running the answers of {notebook} with your rights. (`course grade` confines those of others.)"
    )
    frameworks = answers.use_frameworks(answers.read_answers(notebook.read_bytes()))
    with sandbox.Sandbox(confined=False, frameworks=frameworks) as running:
        raise typer.Exit(0 if _mark(notebook, running) else 1)


@app.command()
def watch(notebook: Notebook):
    """Mark an exercise notebook again whenever it is saved; stop with Ctrl-C."""
    import time

    from course_lib.grading import answers, sandbox

    if not notebook.is_file():
        raise ValueError(f"There is no notebook {notebook}.")
    typer.echo(f"Watching {notebook}; Ctrl-C stops. Its answers run in a process of their own.")
    seen, running, frameworks = None, None, False
    with contextlib.ExitStack() as stack:
        try:
            while True:
                with contextlib.suppress(FileNotFoundError):  # Some editors delete a file and write it anew.
                    state = notebook.stat()
                    if seen != (state.st_mtime_ns, state.st_size):
                        data = notebook.read_bytes()
                        seen = (state.st_mtime_ns, state.st_size)
                        typer.echo(f"\n{time.strftime('%H:%M:%S')} {notebook}")
                        try:
                            wanted = answers.use_frameworks(answers.read_answers(data))
                            if running is None or wanted > frameworks:
                                stack.close()
                                frameworks = wanted
                                running = stack.enter_context(
                                    sandbox.Sandbox(confined=False, frameworks=frameworks)
                                )
                            _mark(notebook, running)
                        except ValueError as error:  # Half written, perhaps: the next save shows.
                            typer.echo(f"course: {error}", err=True)
                time.sleep(0.5)
        except KeyboardInterrupt:
            typer.echo("Stopped.")


@app.command()
def progress():
    """Show what is done: a bar for each lesson."""
    from course_lib import questions
    from course_lib.grading import feedback

    known = feedback.progress()
    for word in questions.topics():
        asked = questions.topic(word)
        done = sum(known.get(question.id, {}).get("right", False) for question in asked)
        points = sum(q.points for q in asked if known.get(q.id, {}).get("right", False))
        bar = "█" * round(20 * done / len(asked))
        total = sum(question.points for question in asked)
        typer.echo(
            f"{questions.number(word):02d} {word:<18}{bar:░<20} {done} of {len(asked)} questions, "
            f"{points} of {total} points"
        )
    typer.echo(f"(kept in {feedback.progress_file()})")


@app.command()
def capstone(
    folder: Annotated[pathlib.Path, typer.Argument(help="The new folder.", file_okay=False)],
):
    """Begin a project of your own: a folder with a notebook to fill and a card."""
    from course_lib.grading import project

    path = project.begin(folder)
    typer.echo(f"Open {path}. `course check {folder}` measures what is there.")


@app.command()
def certificate(
    folders: Annotated[
        list[pathlib.Path] | None, typer.Argument(help="With --confirm: what `course grade` wrote.")
    ] = None,
    name: Annotated[str, typer.Option(help="Whose it is.")] = "",
    notebooks: Annotated[
        pathlib.Path, typer.Option(help="Folder with the solved exercises.", file_okay=False)
    ] = pathlib.Path("exercises"),
    output: Annotated[pathlib.Path, typer.Option(help="The page to write.")] = pathlib.Path(
        "certificate.html"
    ),
    confirm: Annotated[
        pathlib.Path | None, typer.Option(help="A certificate to compare with grades.")
    ] = None,
):
    """Write a certificate when all questions are done; instructors confirm one (exit status 1 if not)."""
    from course_lib.grading import certificate as pages

    if confirm:
        agreed, lines = pages.confirm(confirm, folders or [pathlib.Path("grades")])
        typer.echo("\n".join(["Yes, the grades confirm it." if agreed else "No.", *lines]))
        raise typer.Exit(0 if agreed else 1)
    if not name:
        raise ValueError('Say whose it is: course certificate --name "Ada Lovelace"')
    record = pages.write(output, name, sorted(notebooks.glob("[0-9][0-9]_*.ipynb")))
    typer.echo(f"It is here: {output}. Its number: {pages.digest(record)}")


@app.command()
def hint(question: Annotated[str, typer.Argument(help="Its id, such as attention.softmax.")]):
    """Tell where to start with a question."""
    from course_lib import questions

    if "." not in question and question not in questions.topics():
        alike = [
            asked.id
            for word in questions.topics()
            for asked in questions.topic(word)
            if question in (asked.function, asked.id.partition(".")[2])
        ]
        if not alike:
            raise ValueError(f"There is no question {question!r}. An id is such as attention.softmax.")
        question = alike[0]
    asked = questions.get(question)
    typer.echo(f"{asked.title}: {asked.signature}\n{asked.hint}")


@app.command()
def reset(
    notebook: Notebook,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
):
    """Make an exercise notebook new; a copy of yours is kept beside it."""
    from course_lib.grading import exercises

    exercises.source_of(notebook)  # Before anything is asked.
    if not yes and notebook.exists():
        typer.confirm(f"Replace {notebook} by an empty one? A copy is kept.", abort=True)
    kept = exercises.reset(notebook)
    typer.echo(f"{notebook} is new." + (f" Yours is kept as {kept}." if kept else ""))


@app.command()
def grade(
    paths: Annotated[list[pathlib.Path], typer.Argument(help="Notebooks, folders and zip files.")],
    output: Annotated[
        pathlib.Path, typer.Option(help="Folder for the results.", file_okay=False)
    ] = pathlib.Path("grades"),
    jobs: Annotated[int | None, typer.Option(help="Submissions at a time; default: one per core.")] = None,
    seed: Annotated[int | None, typer.Option(help="Draws the inputs; default: a new one.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Ids of the questions to mark.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
    roster: Annotated[
        pathlib.Path | None, typer.Option(help="CSV file of the class: id, name, email.", dir_okay=False)
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Give a wrong answer its share for the calls that are right.")
    ] = False,
    late_after: Annotated[
        str | None, typer.Option(metavar="TIME", help="What came later is late, such as 2026-11-24T23:59.")
    ] = None,
    late_penalty: Annotated[
        float,
        typer.Option(metavar="PERCENT", help="What each late day costs, of the points that can be had."),
    ] = 0.0,
    overrides: Annotated[
        pathlib.Path | None,
        typer.Option(help="CSV file of marks that count instead: student, question, points, comment."),
    ] = None,
    moodle: Annotated[
        bool, typer.Option("--moodle", help="Write a grading worksheet and feedback files for Moodle, too.")
    ] = False,
    canvas: Annotated[
        bool, typer.Option("--canvas", help="Write a file for Canvas' gradebook, too.")
    ] = False,
    gradescope: Annotated[
        bool, typer.Option("--gradescope", help="Write results.json and an autograder for Gradescope, too.")
    ] = False,
    nbgrader: Annotated[
        bool, typer.Option("--nbgrader", help="Write grades.csv and feedback as nbgrader does, too.")
    ] = False,
    title: Annotated[
        str | None, typer.Option(help="What the platform calls the assignment; default: the lesson.")
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust-submissions", help="Run the answers unconfined where the kernel cannot.")
    ] = False,
):
    """Grade the notebooks of a class, from outside: no submission can influence its mark."""
    from course_lib.grading import grade as grading

    summary = grading.grade(
        paths,
        output,
        jobs=jobs,
        seed=seed,
        only=only or None,
        resume=resume,
        gradescope=gradescope,
        trust=trust,
        partial=partial,
        roster_file=roster,
        late_after=late_after,
        late_penalty=late_penalty,
        overrides=overrides,
        moodle=moodle,
        canvas=canvas,
        nbgrader=nbgrader,
        title=title,
    )
    typer.echo(str(summary))


@app.command()
def autograder(
    path: Annotated[pathlib.Path, typer.Argument(help="The zip to write.")] = pathlib.Path("autograder.zip"),
    partial: Annotated[bool, typer.Option("--partial", help="As for `course grade`.")] = False,
    trust: Annotated[bool, typer.Option("--trust-submissions", help="As for `course grade`.")] = False,
):
    """Write the zip that Gradescope takes as an autograder."""
    from course_lib.grading import gradescope

    gradescope.autograder(path, ["--partial"] * partial + ["--trust-submissions"] * trust)
    typer.echo(f"It is here: {path}. Upload it as the assignment's autograder.")


@app.command()
def report(
    folder: Annotated[pathlib.Path, typer.Argument(help="What `course grade` wrote.")] = pathlib.Path(
        "grades"
    ),
):
    """Draw how a class did, as one HTML page."""
    from course_lib.grading import report as reporting

    typer.echo(f"The report is here: {reporting.report(folder)}")


Bundle = Annotated[
    pathlib.Path | None,
    typer.Option(
        "--bundle",
        "-b",
        help="A folder that `course export` made; default: the course's own classifier of film reviews.",
        file_okay=False,
    ),
]


def _bundle(folder):
    from course_lib import deployment

    return deployment.reviewer_bundle() if folder is None else folder


class Mode(enum.StrEnum):
    """How a bundle stores weights; as `deployment.MODES`, which would take long to import."""

    DYNAMIC = "dynamic"
    FLOAT16 = "float16"
    FLOAT32 = "float32"


@app.command()
def export(
    bundle: Annotated[pathlib.Path, typer.Argument(help="The new folder.", file_okay=False)],
    model: Annotated[
        pathlib.Path | None,
        typer.Option(help="A .keras file of a classifier of lessons 05 to 07; default: the course's own."),
    ] = None,
    mode: Annotated[Mode, typer.Option(help="How weights are stored; dynamic: in 8 bits.")] = Mode.DYNAMIC,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a bundle that is there.")] = False,
):
    """Make a folder with model, tokenizer and model card that runs without TensorFlow."""
    from course_lib import deployment

    # By default it would end the process at once, and leave what is half made.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    path = deployment.export_file(bundle, model, mode.value, replace)
    typer.echo((path / "README.md").read_text(encoding="utf-8"))
    typer.echo(f'It is here: {path}. Try: course predict --bundle {path} "A warm and funny film."')


@app.command()
def predict(
    texts: Annotated[
        list[str],
        typer.Argument(
            help="Texts, after a -- if one begins with a dash; - reads one per line from stdin.",
            metavar="[--] TEXT",
        ),
    ],
    bundle: Bundle = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object per text.")] = False,
):
    """Say whether film reviews are positive or negative."""
    import dataclasses

    from course_lib import deployment

    if texts == ["-"]:
        sys.stdin.reconfigure(errors="replace")
        texts = [line.rstrip("\n") for line in sys.stdin]
    if empty := [number for number, text in enumerate(texts, 1) if deployment.wordless(text)]:
        raise ValueError(f"There is nothing but white space or tags in text {empty[0]}.")
    for found in deployment.Classifier(_bundle(bundle)).predict(texts):
        if as_json:
            typer.echo(json.dumps(dataclasses.asdict(found)))
        else:
            typer.echo(f"{found.label} {found.probability:.1%}" + " (cut)" * found.truncated)


@app.command()
def explain(
    arguments: Annotated[
        list[str],
        typer.Argument(
            help="A folder that `course export` made, or none; the text.", metavar="[BUNDLE] [--] TEXT"
        ),
    ],
    bundle: Bundle = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what the service's /explain answers, and the verdict.")
    ] = False,
):
    """Say which words of a film review carry the verdict: by how much its probability falls without each."""
    import dataclasses

    from course_lib import deployment

    *folder, text = arguments
    if len(folder) > 1 or (folder and bundle):
        raise ValueError("Give one bundle at most, and one text: put the text in quotes.")
    if folder and not pathlib.Path(folder[0]).is_dir():  # Two words of a text without quotes, most likely.
        raise ValueError(
            f"{folder[0]} is no folder with a bundle. If it is text, put all of the text in quotes."
        )
    if deployment.wordless(text):
        raise ValueError("There is nothing but white space or tags in the text.")
    classifier = deployment.Classifier(_bundle(pathlib.Path(folder[0]) if folder else bundle))
    found, words = classifier(text), classifier.word_importance(text)
    if as_json:
        changes = [{"word": word, "change": change} for word, change in words]
        typer.echo(json.dumps({**dataclasses.asdict(found), "words": changes}))
        return
    typer.echo(f"{found.label} {found.probability:.1%}" + " (cut)" * found.truncated)
    most = max((abs(change) for _, change in words if change is not None), default=0.0)
    for each, change in words:
        word = "".join(c if c.isprintable() else "?" for c in each)  # A terminal obeys what stands in it.
        if change is None:
            typer.echo(f"{'not seen':>14}  {'':<12}  {word}")
            continue
        bar = ("+" if change > 0 else "-") * (round(12 * abs(change) / most) if most else 0)
        typer.echo(f"{100 * change:+7.1f} points  {bar:<12}  {word}")


@app.command()
def serve(
    bundle: Bundle = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Its port; 0 takes a free one.", min=0, max=65535)] = 8000,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A name under which it may be addressed, beside this machine's.")
    ] = None,
    trust_proxy: Annotated[
        list[str] | None,
        typer.Option(help="Address or network of a proxy whose X-Forwarded-For names the client."),
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Texts per second and client; default: 100.")] = None,
    body_bytes: Annotated[int | None, typer.Option(help="Largest body; default: 200000.")] = None,
):
    """Serve verdicts on film reviews: a page, /predict, /explain, /healthz and /metrics."""
    from course_lib import serving

    given = {"rate": rate, "body_bytes": body_bytes, "proxies": tuple(trust_proxy or ())}
    given["hosts"] = (*serving.LOCAL_HOSTS, *allow_host) if allow_host else None
    settings = serving.Settings(**{name: value for name, value in given.items() if value is not None})
    serving.serve(_bundle(bundle), host, port, settings)


class Questions(enum.StrEnum):
    """What an assistant can be made from; as `capstone.data`, which would take long to import."""

    SAMPLE = "sample"
    CLINC150 = "clinc150"
    BANKING77 = "banking77"


@app.command()
def assist(
    bundle: Annotated[
        pathlib.Path | None,
        typer.Option(
            "--bundle",
            "-b",
            help="A folder with an assistant; made first from --questions if it is not there.",
            file_okay=False,
        ),
    ] = None,
    questions: Annotated[
        Questions, typer.Option(help="What to make it from; for all but the sample, `course fetch` first.")
    ] = Questions.SAMPLE,
    evidence: Annotated[
        bool,
        typer.Option("--evidence", help="Show the stored question, too: for your team, not for customers."),
    ] = False,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Its port; 0 takes a free one.", min=0, max=65535)] = 8000,
):
    """Serve lesson 13's assistant: a page to talk to, /ask, /healthz and /metrics."""
    from course_lib.capstone import assistant, data
    from course_lib.serving import dialogue

    if bundle is None and questions is Questions.SAMPLE:
        bundle = assistant.sample_assistant()
    elif bundle is None:
        raise ValueError(f"Say where to put it: course assist --questions {questions.value} --bundle FOLDER")
    elif not bundle.exists():
        found = None if questions is Questions.SAMPLE else getattr(data, questions.value)()
        typer.echo(f"Making an assistant in {bundle} ...", err=True)
        assistant.make(bundle, found)
    dialogue.serve(bundle, host, port, evidence=evidence)


@app.command()
def page(
    folder: Annotated[pathlib.Path, typer.Argument(help="The folder to write.", file_okay=False)],
    bundle: Bundle = None,
    packages: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="A folder with the JavaScript packages, packed or unpacked; default: the cache, else npm.",
            file_okay=False,
        ),
    ] = None,
):
    """Make a page that classifies in the reader's own browser, for any static host."""
    from course_lib.serving import static

    path = static.write(_bundle(bundle), folder, packages)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6
    typer.echo(
        f"It is here: {path} ({size:.0f} MB, of which a browser loads about {static.loaded(path):.0f})."
    )
    typer.echo(f"Look at it: python -m http.server --bind 127.0.0.1 --directory {path}")


@app.command()
def score(
    source: Annotated[
        pathlib.Path,
        typer.Argument(
            help="A table that ends in .csv, .jsonl or .parquet.", metavar="INPUT", dir_okay=False
        ),
    ],
    target: Annotated[
        pathlib.Path,
        typer.Argument(
            help="The file to write, of the same kind; what has no text goes to OUTPUT.rejected.jsonl.",
            metavar="OUTPUT",
            dir_okay=False,
        ),
    ],
    bundle: Bundle = None,
    column: Annotated[str, typer.Option(help="The column with the texts.")] = "text",
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A Ray cluster that does the work, such as 10.0.0.1:6379."),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace OUTPUT if it is there.")] = False,
):
    """Judge every row of a table; a run that was cut off goes on where it was."""
    import rich.console
    import rich.progress

    from course_lib.scaling import score as scoring

    run = None
    if ray:
        from course_lib.scaling import ray_score

        run = ray_score.on_ray(ray)
    made = scoring.Bundle(_bundle(bundle))
    words = ("[progress.description]{task.description}", "{task.fields[rows]:,} rows")
    columns = (words[0], rich.progress.BarColumn(), words[1], rich.progress.TimeRemainingColumn())
    with rich.progress.Progress(*columns, console=rich.console.Console(stderr=True)) as bar:
        task = bar.add_task("Scoring", total=1.0, rows=0)
        show = lambda rows, share: bar.update(task, completed=share, rows=rows)  # noqa: E731
        try:
            found = scoring.score(source, target, made, column, replace, run, show)
        except KeyboardInterrupt:
            raise RuntimeError("Stopped. The same command goes on where it was.") from None
    typer.echo(str(found))


@app.command()
def train(
    output: Annotated[
        pathlib.Path,
        typer.Argument(help="Folder for the checkpoint, the model and the logs.", file_okay=False),
    ],
    processes: Annotated[int, typer.Option(help="How many processes take part, one per host.")] = 1,
    index: Annotated[int, typer.Option(help="Which of them this is, from 0.")] = 0,
    coordinator: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Where process 0 listens, and all others reach it."),
    ] = None,
    devices: Annotated[int | None, typer.Option(help="Devices to make of each host's CPU.")] = None,
    wait: Annotated[int, typer.Option(help="Seconds until all processes must have come.")] = 300,
    timeout: Annotated[int, typer.Option(help="Seconds without a sign of life of another process.")] = 60,
    data: Annotated[
        pathlib.Path | None,
        typer.Option(help="A table with columns text and label; default: IMDB's 20,000.", dir_okay=False),
    ] = None,
    reviews: Annotated[int | None, typer.Option(help="How many of its texts; default: all.")] = None,
    batch_size: Annotated[int, typer.Option(help="Texts per step, of all processes together.")] = 64,
    epochs: Annotated[int, typer.Option(help="Passes over the texts.")] = 2,
    learning_rate: Annotated[
        float | None, typer.Option(help="Its peak; default: 1e-3, and 1e-4 with --pretrained.")
    ] = None,
    length: Annotated[int, typer.Option(help="Tokens per text; longer ones lose their middle.")] = 256,
    pretrained: Annotated[
        bool, typer.Option("--pretrained", help="Fine-tune the pretrained encoder, not a small new one.")
    ] = False,
    layers: Annotated[int, typer.Option(help="Blocks of the new encoder; 0 leaves a mean of tokens.")] = 2,
    width: Annotated[int, typer.Option(help="Its width.")] = 64,
    heads: Annotated[int, typer.Option(help="Its heads.")] = 2,
    dropout: Annotated[float, typer.Option(help="Rate of dropout.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Draws first weights, order of texts and dropout.")] = 0,
    every: Annotated[int, typer.Option(help="Steps from one checkpoint to the next.")] = 25,
    resume: Annotated[bool, typer.Option(help="Go on from a checkpoint in the folder.")] = True,
):
    """Train a classifier on one host or many: the same command on each, with its own --index."""
    given = {
        name: str(value) if isinstance(value, pathlib.Path) else value for name, value in locals().items()
    }
    from course_lib.scaling import launch

    options = launch.Options(**given)
    result = launch.train(options)
    if not options.index:
        typer.echo(
            f"{result['accuracy']:.1%} of {result['held_out']:,} held-out texts are right. The model: "
            f"{output / 'model.keras'}"
        )


def _said(error):
    """What an error says: of the system's own the file and the reason, not their numbers."""
    name = getattr(error, "filename2", None) or getattr(error, "filename", None)
    if isinstance(error, OSError) and error.strerror and isinstance(name, str | pathlib.PurePath):
        return f"{name}: {error.strerror}."
    return str(error)


def main():
    """Entry point: an error that a user can act on is a message on stderr and exit status 1."""
    if hasattr(sys.stdout, "reconfigure"):  # A terminal in another encoding lacks our ticks and bars.
        sys.stdout.reconfigure(errors="replace")
    try:
        app()
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        # Names of files come from others, and a terminal obeys what stands in them.
        shown = "".join(c if c.isprintable() or c == "\n" else "?" for c in _said(error))
        typer.echo(f"course: {shown}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
