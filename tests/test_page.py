"""The page in the reader's own browser: Python's answers, nothing sent, offline, for everybody."""

import contextlib
import functools
import html
import http.server
import json
import random
import re
import shutil
import threading
import time
import unicodedata

import numpy as np
import pytest

from course_lib import deployment, imdb, samples, weights
from course_lib.serving import packages, static

pytestmark = pytest.mark.browser
ODD = [
    "",
    "<br />",
    "it's [SEP] not [MASK]ed, [PAD] [UNK]",
    "half \ud83d of a pair",
    "Tom &amp; Jerry &notit; &copy &#x1F3AC; &#150; &#0; &#xD800; &#99999999; &#000000065; &#12; &;",
    "<!-- no --> yes --> <!-- open, I <3 it, a<b>c</b> <not closed",
    "ΟΔΥΣΣΕΥΣ İstanbul straße ﬁn Ⅷ cafe\u0301 naïve ÅNGSTRÖM",
    "電影很好看 𠀀𠀁 映画 한국어 фильм فيلم رائع סרט טוב ไทย",
    "🎬🍿👩\u200d👩\u200d👧 10/10!!! \ufeff\u200b\x1c\x85\xa0\u3000x\x00\x07y",
    "x" * 101 + " " + "antidisestablishmentarianism " * 90,
]

# Runs in the page: the classifier as the page has it, in a worker of its own; of this or another folder.
CONNECT = """
const done = arguments[arguments.length - 1], given = arguments;
const connected = async folder => {
  const base = new URL(`../${folder}/`, location);
  const {connect} = await import(new URL("client.js", base));
  const {files} = await (await fetch(new URL("page.json", base))).json();
  const names = ["card.json", "tokenizer.json", "model.tflite"];
  return connect(base, Object.fromEntries(names.map(name => [name, files[name]])));
};
"""
PREDICT = """
const [folder, texts] = given, answers = [];
const work = async classifier => {
  for (let next; (next = answers.length) < texts.length;) {
    answers.push(null);
    answers[next] = await classifier.predict(texts[next]);
  }
  classifier.close();
};
Promise.all([connected(folder), connected(folder)]).then(each => Promise.all(each.map(work)))
  .then(() => done(answers), error => done(String(error)));
"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """As `python -m http.server` does; notes what is asked for."""

    def log_message(self, form, *values):
        self.server.asked.append((self.command, self.path))


@contextlib.contextmanager
def host(folder, handler=Handler):
    """A static host of a folder; yields `(address, requests)`."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=folder))
    server.asked = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", server.asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ready(driver, seconds=60):
    """Waits until the page has loaded its model; returns what it says."""
    deadline = time.monotonic() + seconds
    while True:
        state = driver.find_element("id", "state").text
        if state.startswith("Ready"):
            return state
        assert "could not" not in state, state
        assert time.monotonic() < deadline, state
        time.sleep(0.1)


def until(driver, name, true, seconds=30):
    """Waits for an element's text; returns it."""
    deadline = time.monotonic() + seconds
    while not true(text := driver.find_element("id", name).text):
        assert time.monotonic() < deadline, (name, text)
        time.sleep(0.05)
    return text


def write(driver, text):
    """Puts a text into the field as typing does; `send_keys` knows no emoji."""
    driver.execute_script(
        "const field = document.getElementById('text'); field.value = arguments[0];"
        "field.dispatchEvent(new Event('input', {bubbles: true}))",
        text,
    )


def alike(shown, right):
    """Whether a verdict as the page shows it is Python's, but for the rounding of 8-bit activations."""
    found = re.fullmatch(r"(\w+), ([0-9.]+) % sure", shown)
    return bool(found) and found[1] == right.label and abs(float(found[2]) - 100 * right.probability) < 2


@pytest.fixture(scope="module")
def bundle():
    try:
        return deployment.reviewer_bundle()
    except (weights.WeightsNotFoundError, imdb.DataError) as error:
        pytest.skip(f"no bundle: {error}")


@pytest.fixture(scope="module")
def classifier(bundle):
    return deployment.Classifier(bundle)


@pytest.fixture(scope="module")
def small(minilm, tmp_path_factory):
    """A small classifier in float32, not trained, with the reviewer's vocabulary and lengths, as a bundle."""
    import keras

    from course_lib import fine_tuning, transformer

    keras.utils.set_random_seed(0)
    model = fine_tuning.classifier(transformer.encoder(30522, 1, 2, 16, 32, max_length=256, spread=1.0))
    texts = [review.text for review in samples.load()[:64]]
    ids, mask = imdb.pad(imdb.encode(texts, None, 64), 64)
    logits = model({"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": mask.astype("int32")})
    model.get_layer("logits").bias.assign(-np.median(logits, axis=0))  # Both labels are given.
    split = imdb.Split(texts, np.arange(64) % 2, list(map(str, range(64))))
    return deployment.export(
        model, tmp_path_factory.mktemp("small") / "bundle", split, split, mode="float32", lengths=(64, 256)
    )


@pytest.fixture(scope="module")
def folder(bundle, tmp_path_factory):
    """A host's folder with the page in a folder of it."""
    root = tmp_path_factory.mktemp("host")
    try:
        static.write(bundle, root / "a course" / "try")
    except packages.PackageError as error:
        pytest.skip(f"no JavaScript packages: {error}")
    return root


@pytest.fixture(scope="module")
def exact(small, folder):
    """The small classifier; its page is beside the other one."""
    static.write(small, folder / "a course" / "small")
    return deployment.Classifier(small)


@pytest.fixture(scope="module")
def page(folder, shared_driver):
    """The page, loaded once: `(driver, requests)`."""
    with host(folder) as (address, asked):
        shared_driver.set_script_timeout(120)
        shared_driver.get(f"{address}a%20course/try/")
        ready(shared_driver)
        assert [line for line in shared_driver.get_log("browser") if line["level"] == "SEVERE"] == []
        yield shared_driver, asked


def predictions(driver, folder, texts):
    """What two workers say of texts."""
    found = driver.execute_async_script(CONNECT + PREDICT, folder, texts)
    assert isinstance(found, list), found
    return found


@pytest.fixture(scope="module")
def reviews():
    return imdb.load(verbose=False).test.texts[:500]


def test_ids_and_logits_are_pythons_on_500_reviews(page, exact, reviews):
    found = predictions(page[0], "small", reviews)
    assert [each["ids"] for each in found] == ids(exact, reviews)
    assert len({len(each["ids"]) for each in found}) > 100  # Of all lengths.
    np.testing.assert_allclose([each["logits"] for each in found], exact.logits(reviews), atol=1e-3)
    right = exact.predict(reviews)
    assert {each.label for each in right} == set(exact.labels)
    assert [each["label"] for each in found] == [each.label for each in right]
    assert [each["tokens"] for each in found] == [each.tokens for each in right]
    assert [each["truncated"] for each in found] == [each.truncated for each in right]
    shares = [[each.probabilities[label] for label in exact.labels] for each in right]
    np.testing.assert_allclose([each["probabilities"] for each in found], shares, atol=1e-3)


def test_the_reviewer_in_8_bits_gives_the_same_labels(page, classifier, reviews):
    """Its activations are rounded while it runs: the last bit of a sum, in which processors differ, may turn
    a number over to the next of 256, and the logits then differ by what rounding costs at all. (All 500 are
    in `deployment.record("browser")`.)
    """
    reviews = reviews[:60]
    found = predictions(page[0], "try", reviews)
    assert [each["ids"] for each in found] == ids(classifier, reviews)
    logits = classifier.logits(reviews)
    differences = np.abs([each["logits"] for each in found] - logits).max(axis=1)
    assert np.median(differences) < 0.03
    assert differences.max() < 0.3
    sure = np.abs(logits[:, 0] - logits[:, 1]) > 2 * differences
    assert sure.sum() > 55
    labels = np.array(classifier.labels)[logits.argmax(axis=1)]
    assert (labels == [each["label"] for each in found])[sure].all()


def ids(classifier, texts):
    encodings = classifier._tokenizer.encode_batch_fast(
        [imdb.clean(text.encode("utf-8", "replace").decode()) for text in texts], add_special_tokens=False
    )
    return [classifier._frame(encoding.ids) for encoding in encodings]


def encoded(driver, texts):
    """Words and token ids as the page's script makes them."""
    found = driver.execute_async_script(
        CONNECT
        + """
        (async () => {
          const {Classifier, splitWords} = await import("./classifier.js");
          const load = async name => (await fetch(name)).json();
          const model = {signatures: {b1_l64: null, b1_l256: null}};
          const classifier = new Classifier(await load("card.json"), await load("tokenizer.json"), model);
          return given[0].map(JSON.parse).map(text => [splitWords(text).join(" "), classifier.encode(text)]);
        })().then(done, error => done(String(error)));
        """,
        [json.dumps(text) for text in texts],
    )
    assert isinstance(found, list), found
    return [each[0] for each in found], [each[1] for each in found]


def test_odd_texts_become_the_same_ids(page, classifier):
    draw = random.Random(0)
    parts = [
        *"<>&;#!-/ ab\n",
        "&lt;",
        "&#x",
        "<!--",
        "-->",
        "é",
        "Σ",
        "𠀀",
        "🎬",
        "\ud800",
        "[MASK]",
        "&ampx",
    ]
    texts = ODD + ["".join(draw.choices(parts, k=30)) for _ in range(2000)]
    words, found = encoded(page[0], texts)
    for text, plain, given in zip(texts, words, found, strict=True):
        right = text.encode("utf-8", "replace").decode()
        assert (plain, given) == (imdb.clean(right), ids(classifier, [right])[0]), ascii(text)


def test_every_character_becomes_the_same_ids(page, classifier):
    """Of Unicode 3.2: what came since, browsers know and the tokenizer in Python does not."""
    known = unicodedata.ucd_3_2_0
    changed = {0x166D, 0x1734, 0x1885, 0x1886}  # Such as a symbol that has become punctuation.
    points = [
        point
        for point in range(0x30000)
        if known.category(chr(point)) not in ("Cn", "Cs") and point not in changed
    ]
    draw = random.Random(0)  # One of a hundred, of the large blocks of ideographs and syllables.
    points = [each for each in points if each < 0x3400 or 0xD7A3 < each < 0x20000 or draw.random() < 0.01]
    texts = [f"a{chr(point)}b &#{point};Σ" for point in points]
    words, found = encoded(page[0], texts)
    rights = zip([imdb.clean(text) for text in texts], ids(classifier, texts), strict=True)
    pairs = zip(points, zip(words, found, strict=True), rights, strict=True)
    assert [hex(point) for point, here, right in pairs if here != right] == []


def test_words_matter_as_in_python(page, exact):
    texts = [
        "The plot is thin, but the cast is superb &amp; I left <b>smiling</b>.",
        "antidisestablishmentarianism " * 60 + "dreadful",
        " \x07 fine",
    ]
    found = page[0].execute_async_script(
        CONNECT
        + """
        (async () => {
          const classifier = await connected("small"), answers = [];
          for (const text of given[0]) {
            let words, changes;
            await classifier.explain(text, found => {
              if (found.words) [words, changes] = [found.words, found.words.map(() => null)];
              else changes[found.place] = found.change;
            });
            answers.push(words.map((word, place) => [word, changes[place]]));
          }
          classifier.close();
          return answers;
        })().then(done, error => done(String(error)));
        """,
        texts,
    )
    assert isinstance(found, list), found
    for text, answer in zip(texts, found, strict=True):
        right = exact.word_importance(text)
        assert [word for word, _ in answer] == [word for word, _ in right]
        assert [change is None for _, change in answer] == [change is None for _, change in right]
        changes = [[each[1] or 0.0 for each in explanation] for explanation in (answer, right)]
        np.testing.assert_allclose(changes[0], changes[1], atol=1e-3)
    assert None in [change for _, change in exact.word_importance(texts[1])]


def test_it_reads_along_while_one_types(page, classifier):
    driver, asked = page
    field = driver.find_element("id", "text")
    field.clear()
    before = len(asked)
    driver.execute_script(
        "self.spoken = []; new MutationObserver(changes => spoken.push(changes.at(-1).target.textContent))"
        ".observe(document.getElementById('announcement'), {childList: true})"
    )
    field.send_keys("A warm and funny film")
    right = classifier("A warm and funny film")
    until(driver, "verdict", lambda text: alike(text, right))
    most = until(driver, "most", lambda text: text.startswith("Most"))
    words = dict(classifier.word_importance("A warm and funny film"))
    largest = max(words, key=lambda word: abs(words[word]))
    assert most.startswith(f"Most: {largest} (for, ")
    bars = [row.text.split("\n") for row in driver.find_elements("css selector", "#bars li")]
    assert [name for name, _ in bars] == list(classifier.labels)
    assert sum(float(share.removesuffix(" %")) for _, share in bars) == pytest.approx(100, abs=0.11)
    # A screen reader is told when there is a pause, not with each key.
    spoken = driver.execute_script("return spoken")
    assert spoken == [driver.find_element("id", "verdict").text, most]
    # The answer follows: at once another text, then none.
    field.send_keys(" would be nice. This is a dreadful waste of time.")
    until(driver, "verdict", lambda text: text.startswith("negative"))
    field.clear()
    until(driver, "verdict", lambda text: not text)
    assert not driver.find_element("id", "explanation").is_displayed()
    assert asked[before:] == []  # Nothing was sent, and nothing asked for.


def test_html_is_text_and_never_runs(page):
    driver, _ = page
    attack = "<img src=x onerror=hacked=1> <script>hacked=1</script>"
    write(driver, f"{attack} {html.escape(attack)} awful")
    until(driver, "most", lambda text: text.startswith("Most"))
    # As tags they are no words, as words they are text.
    assert driver.find_element("id", "words").text == f"hacked=1 {attack} awful"
    assert not driver.find_elements("css selector", "main img, main script")
    assert driver.execute_script("return typeof hacked") == "undefined"
    write(driver, "<br />")
    until(driver, "count", lambda text: text == "There is nothing but tags in it.")
    assert not driver.find_element("id", "answer").is_displayed()


def test_emoji_and_writing_from_right_to_left(page, classifier):
    driver, _ = page
    text = "فيلم رائع 🎬 superb"
    write(driver, text)
    right = classifier(text)
    until(driver, "verdict", lambda shown: alike(shown, right))
    until(driver, "most", lambda shown: shown.endswith("."))
    for name in ("text", "words"):
        direction = driver.execute_script(
            "return getComputedStyle(document.getElementById(arguments[0])).direction", name
        )
        assert direction == "rtl", name


def test_of_a_long_text_it_says_what_was_read(page, classifier):
    driver, _ = page
    text = "A dull and endless film. " + "It goes on. " * 2000 + "Superb!"
    write(driver, text)
    right = classifier(text)
    until(driver, "verdict", lambda shown: alike(shown, right))
    note = driver.find_element("id", "note").text
    assert note == f"The review is long: of its {right.tokens:,} tokens the model read 256."
    shown = until(driver, "words", bool)
    first, unread, rest = re.fullmatch(r"(.*) \[([0-9,]+) words that were not read\] (.*)", shown).groups()
    assert len(first.split()) + int(unread.replace(",", "")) + len(rest.split()) == len(text.split())
    assert 190 < len(first.split() + rest.split()) < 254
    assert shown.startswith("A dull and endless film.")
    assert shown.endswith("Superb!")
    write(driver, "Enough.")  # It does not wait for the explanation of the long text.
    until(driver, "note", lambda text: not text, seconds=5)


# For everybody


def metrics(driver, width, height=800):
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_screen(page, width):
    driver, _ = page
    try:
        metrics(driver, width)
        write(driver, f"{'w' * 600} a film so good that one wants to see it again and again, superb")
        until(driver, "most", lambda text: text.startswith("Most"))
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        for button in driver.find_elements("css selector", "button"):
            assert button.size["height"] >= 44  # Fingers are wider than pointers.
            assert button.location["x"] + button.size["width"] <= width
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_all_of_it_works_with_the_keyboard(page):
    from selenium.webdriver.common.keys import Keys

    driver, _ = page
    write(driver, "")
    top = driver.find_element("tag name", "h1")
    driver.execute_script("arguments[0].tabIndex = -1; arguments[0].focus()", top)  # As after loading.
    top.send_keys(Keys.TAB)
    reached = []
    for _ in range(4):
        active = driver.switch_to.active_element
        ring = driver.execute_script(
            "const style = getComputedStyle(arguments[0]); return [style.outlineStyle, style.outlineWidth]",
            active,
        )
        assert ring == ["solid", "3px"]
        reached.append((active.aria_role, active.accessible_name))
        active.send_keys(Keys.TAB)
    assert reached == [
        ("textbox", "A film review, in English"),
        ("button", "Fond"),
        ("button", "Harsh"),
        ("button", "Mixed"),
    ]
    driver.find_elements("css selector", "button")[1].send_keys(Keys.ENTER)
    until(driver, "verdict", lambda text: text.startswith("negative"))
    driver.find_elements("css selector", "button")[0].send_keys(Keys.SPACE)
    until(driver, "verdict", lambda text: text.startswith("positive"))


def test_a_screen_reader_finds_its_way(page):
    driver, _ = page
    write(driver, "A superb film")
    until(driver, "most", lambda text: text.startswith("Most"))
    nodes = driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    nodes = [
        (node["role"]["value"], node.get("name", {}).get("value", ""), node)
        for node in nodes
        if not node["ignored"]
    ]
    assert [name for role, name, _ in nodes if role == "heading"] == [
        "What does this review say?",
        "Verdict",
        "Which words mattered",
        "What to expect",
    ]
    roles = [role for role, _, _ in nodes]
    assert {"main", "status"} <= set(roles)
    assert roles.count("main") == 1
    assert [name for role, name, _ in nodes if role == "region"] == [
        "Verdict",
        "Which words mattered",
        "What to expect",
    ]
    assert ("list", "Probability of each label") in [(role, name) for role, name, _ in nodes]
    assert ("group", "Reviews to try") in [(role, name) for role, name, _ in nodes]
    for role, name, node in nodes:
        if any(each["name"] == "focusable" for each in node.get("properties", [])) and role != "RootWebArea":
            assert name, role
    assert driver.execute_script("return document.documentElement.lang") == "en"
    live = driver.execute_script(
        "const live = document.querySelectorAll('[aria-live], [role=status], [role=alert]');"
        "return [...live].map(each => each.id)"
    )
    assert live == ["announcement"]  # What changes with each key is not read out.


# Of each piece of text that is seen: its colour, and that of the ground, as the browser mixes them.
CONTRAST = """
const channels = colour => {
  const [red, green, blue, alpha = 1] = colour.match(/[0-9.]+/g).map(Number);
  return [red, green, blue, alpha];
};
const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
const luminance = colour => {
  const [red, green, blue] = colour.slice(0, 3).map(each => each / 255)
    .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const ground = element => {
  const own = channels(getComputedStyle(element).backgroundColor);
  if (own[3] === 1 || element === document.documentElement) return own[3] ? own : [255, 255, 255, 1];
  return over(own, ground(element.parentElement));
};
const found = [];
for (const element of document.querySelectorAll("main *")) {
  const text = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
  if (!(text || element.value) || !element.checkVisibility() || element.id === "announcement") continue;
  const below = ground(element), top = over(channels(getComputedStyle(element).color), below);
  const [low, high] = [luminance(top), luminance(below)].sort((a, b) => a - b);
  found.push([element.tagName + "." + element.className + "#" + element.id, (high + 0.05) / (low + 0.05)]);
}
return found;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(page, scheme):
    driver, _ = page
    try:
        feature = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
        write(driver, "The plot is thin and dull, but the cast is superb. " + "So it goes. " * 100)
        until(driver, "words", lambda text: "not read" in text)
        write(driver, "The plot is thin and dull, but the cast is superb.")
        until(driver, "most", lambda text: text.startswith("Most"))
        ground = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
        found = driver.execute_script(CONTRAST)
        assert {"SPAN.for#", "SPAN.against#", "H1.#", "TEXTAREA.#text", "BUTTON.#"} <= {
            name for name, _ in found
        }
        assert [each for each in found if each[1] < 4.5] == []
    finally:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_who_wants_no_motion_gets_none(page):
    driver, _ = page
    write(driver, "A superb film")
    until(driver, "verdict", bool)
    seconds = "return getComputedStyle(document.querySelector('.fill')).transitionDuration"
    assert driver.execute_script(seconds) == "0.25s"
    try:
        feature = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
        assert driver.execute_script(seconds) == "0s"
    finally:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


# Alone


class Trap(Handler):
    """Another server, which would take anything from anybody."""

    def end_headers(self):
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()


def test_neither_page_nor_worker_can_send_anything_elsewhere(page, tmp_path):
    driver, asked = page
    (tmp_path / "x.js").write_text("self.came = 1")
    with host(tmp_path, Trap) as (elsewhere, taken):
        said = driver.execute_async_script(
            """
            const [address, done] = arguments;
            const tries = `
              const answers = [];
              const attempt = (name, work) => Promise.resolve().then(work).then(
                () => answers.push(name + " sent"), () => answers.push(name + " blocked"));
              const all = Promise.all([
                attempt("fetch", () => fetch("${address}fetch")),
                attempt("post", () => fetch("${address}post", {method: "POST", body: "x", mode: "no-cors"})),
                attempt("import", () => import("${address}x.js")),
                attempt("code", () => Function("return 1")()),
                attempt("script", () => importScripts("${address}x.js")),
              ]).then(() => answers.sort());`;
            const worker = new Worker(URL.createObjectURL(new Blob([tries + "all.then(postMessage)"])));
            const fromWorker = new Promise(resolve => (worker.onmessage = event => resolve(event.data)));
            const attempt = (name, work) => Promise.resolve().then(work).then(
              () => name + " sent", () => name + " blocked");
            const image = address => new Promise((resolve, reject) => {
              Object.assign(new Image(), {onload: resolve, onerror: reject, src: address});
            });
            Promise.all([
              fromWorker,
              attempt("fetch", () => fetch(`${address}fetch`)),
              attempt("image", () => image(`${address}image?secret`)),
              attempt("beacon", () => navigator.sendBeacon(`${address}beacon`, "secret") && new Promise(
                (_, reject) => addEventListener("securitypolicyviolation", reject, {once: true}))),
              attempt("worker", () => new Worker(`${address}x.js`)),
            ]).then(done);
            """,
            elsewhere,
        )
        time.sleep(0.3)
        assert [*said[0], *said[1:]] == [
            f"{name} blocked"
            for name in ("code", "fetch", "import", "post", "script", "fetch", "image", "beacon", "worker")
        ]
        assert taken == []
    assert {command for command, _ in asked} == {
        "GET"
    }  # Whole files of its own are all that it ever asks for.
    assert [path for _, path in asked if not path.startswith("/a%20course/") or "?" in path] == []


def test_it_works_without_a_network_after_the_first_load(folder, shared_driver, classifier):
    with host(folder) as (address, asked):
        shared_driver.get(f"{address}a%20course/try/")
        ready(shared_driver)
        until(shared_driver, "state", lambda text: "without a network" in text, seconds=60)
        loaded = len([path for _, path in asked if path.endswith((".wasm", ".tflite"))])
        assert loaded == 2  # Each large file once, and one build of LiteRT of two.
    shared_driver.refresh()  # The server is gone.
    ready(shared_driver)
    write(shared_driver, "A warm and funny film")
    until(shared_driver, "verdict", lambda text: text.startswith(classifier("A warm and funny film").label))
    until(shared_driver, "most", lambda text: text.startswith("Most"))


def test_a_damaged_model_is_named(bundle, tmp_path, driver):
    static.write(bundle, tmp_path / "page")
    model = tmp_path / "page" / "model.tflite"
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(content)
    with host(tmp_path) as (address, _):
        driver.get(f"{address}page/")
        said = until(driver, "state", lambda text: "could not" in text, seconds=60)
        assert said == (
            "The model could not be loaded: model.tflite is damaged or of another version. "
            "Reload the page to try again."
        )
        content[-1] ^= 1
        model.write_bytes(content)  # The service worker has not kept the other one.
        driver.refresh()
        ready(driver)


def test_a_new_version_comes_whole_and_loads_only_what_is_new(folder, tmp_path, driver):
    page = tmp_path / "host" / "page"
    shutil.copytree(folder / "a course" / "try", page)
    driver.set_script_timeout(60)
    version = """
        const done = arguments[0];
        fetch("page.json").then(answer => answer.json()).then(record => done(record.version));"""
    with host(tmp_path / "host") as (address, asked):
        driver.get(f"{address}page/")
        until(driver, "state", lambda text: "without a network" in text, seconds=60)
        first = driver.execute_async_script(version)
        # Another temperature: the model stays.
        bundle = tmp_path / "bundle"
        shutil.copytree(page, bundle)
        card = json.loads((bundle / "card.json").read_text())
        (bundle / "card.json").write_text(json.dumps({**card, "temperature": 1.0}))
        static.write(bundle, page)
        driver.refresh()
        ready(driver)
        assert driver.execute_async_script(version) == first  # All of it is the former one, until it is left.
        waiting = "return navigator.serviceWorker.getRegistration().then(found => Boolean(found.waiting))"
        deadline = time.monotonic() + 30
        while not driver.execute_script(waiting):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        driver.get("about:blank")
        time.sleep(0.5)
        driver.get(f"{address}page/")
        until(driver, "state", lambda text: "without a network" in text, seconds=60)
        second = driver.execute_async_script(version)
        assert second == json.loads((page / "page.json").read_text())["version"] != first
        assert len(driver.execute_script("return caches.keys()")) == 1
        assert [path for _, path in asked].count("/page/model.tflite") == 1
        write(driver, "A warm and funny film")
        right = deployment.Classifier(page)("A warm and funny film")
        until(driver, "verdict", lambda text: alike(text, right))
