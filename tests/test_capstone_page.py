"""The assistant as a service, and its page in a real browser."""

import contextlib
import pathlib
import re
import sys

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from course_lib.capstone import assistant
from course_lib.serving import dialogue

TOOLS = pathlib.Path(__file__).parent.parent / "tools"
sys.path.insert(0, str(TOOLS))
import chromium  # noqa: E402
import picture_of_dialogue  # noqa: E402
import picture_of_page  # noqa: E402


class Fake:
    """An assistant without a model: it answers whatever begins with "yes"."""

    threshold = 0.5

    def __init__(self):
        self.card = {
            "task": "Answers.",
            "labels": ["a_b", "<b>"],
            "limits": "None <em>known</em>.",
            "version": "0123456789ab",
            "evaluation": dict.fromkeys(("questions", "in_scope", "answered", "right"), 9),
            "reference": {name: list(range(30)) for name in ("length", "unknown", "confidence", "label")},
        }

    def predict(self, texts):
        if "fail" in texts:
            raise RuntimeError("secret")
        return [
            assistant.Answer(
                "a_b", 0.9, {"a_b": 0.9, "<b>": 0.1}, 5, False, 0.0, "somebody's words", 0.8, 0.72,
                "Yes <i>indeed</i>." if text.startswith("yes") else None,
            )
            for text in texts
        ]  # fmt: skip


@pytest.fixture
def client():
    with TestClient(dialogue.create_app(Fake()), base_url="http://localhost") as found:
        yield found


def test_a_question_gets_a_reply_or_a_person(client):
    answer = client.post("/ask", json={"text": "yes?"}).json()
    assert answer == {"intent": "a_b", "reply": "Yes <i>indeed</i>.", "trust": 0.72, "nearest": None}
    assert client.post("/ask", json={"text": "no?"}).json()["reply"] is None


def test_other_customers_words_are_shown_only_on_request():
    with TestClient(dialogue.create_app(Fake(), evidence=True), base_url="http://localhost") as found:
        assert found.post("/ask", json={"text": "yes?"}).json()["nearest"] == "somebody's words"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"text": "<br />"}, 422, "nothing but white space or tags"),
        ({"text": "a secret " * 100}, 422, "at most 500 characters"),
        ({"text": "yes", "more": 1}, 422, "unknown field"),
        ({"texts": ["yes"]}, 422, "text: Field required"),
        ({"text": "x" * 6000}, 413, "5000 bytes"),
        ({"text": "fail"}, 500, "It failed"),
    ],
)
def test_what_is_refused_is_said_and_not_repeated(client, body, status, said):
    answer = client.post("/ask", json=body)
    assert answer.status_code == status
    assert said in answer.json()["detail"]
    assert "secret" not in answer.text


def test_only_json_of_this_host(client):
    assert client.post("/ask", content=b'{"text": "yes"}').status_code == 415
    assert client.post("/ask", json={"text": "yes"}, headers={"Host": "evil.example"}).status_code == 400


def test_one_client_cannot_ask_without_end(client):
    statuses = {client.post("/ask", json={"text": "yes"}).status_code for _ in range(110)}
    assert statuses == {200, 429}


def test_health_and_metrics(client):
    client.post("/ask", json={"text": "yes"})
    assert client.get("/healthz").json() == {"status": "ok", "model": "0123456789ab"}
    metrics = client.get("/metrics").text
    assert 'course_predictions_total{label="a_b"} 1.0' in metrics
    assert 'course_drift_alert{feature="confidence"}' in metrics


def test_the_page_lets_nothing_foreign_run_and_escapes_the_card(client):
    answer = client.get("/")
    assert "default-src 'none'; script-src 'sha256-" in answer.headers["Content-Security-Policy"]
    assert "None &lt;em&gt;known&lt;/em&gt;." in answer.text
    assert "Of 9 test questions that it should know it answered 9" in answer.text
    assert "others it handed over" not in answer.text  # None was out of scope.
    assert not re.search(r"\{\{\w+\}\}|https?://", answer.text)
    assert answer.text.count("<script>") == answer.text.count("<style>") == 1


def test_the_picture_is_of_this_page():
    with Image.open(dialogue.PICTURE) as picture:
        assert picture.info["Subject"] == picture_of_dialogue.subject(), "run tools/picture_of_dialogue.py"
        assert picture.width == picture_of_page.WIDTH


@pytest.mark.browser
def test_a_talk_in_a_real_browser(minilm, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    assistant.sample_assistant()
    with contextlib.ExitStack() as stack:
        try:
            driver = stack.enter_context(chromium.chromium(tmp_path / "profile"))
        except chromium.NoChromiumError as error:
            pytest.skip(str(error))
        address = stack.enter_context(picture_of_page.service("assist"))
        picture_of_page.open_page(driver, address)
        who = picture_of_dialogue.talk(driver, address)
        assert who == ["Service", "Service", "Handed to a person"]
        log = driver.find_element(By.CSS_SELECTOR, "[role=log]")
        assert log.get_attribute("aria-label") == "Conversation"
        assert "Nothing has been charged." in log.text
        assert "nearest stored question" not in log.text
        field = driver.find_element(By.ID, "text")
        assert driver.switch_to.active_element == field
        assert driver.find_element(By.CSS_SELECTOR, "label[for=text]").text == "Your question, in English"
        field.send_keys("<b>Are you open</b> on Sunday?\n")
        WebDriverWait(driver, 20).until(lambda _: "<b>Are you open</b>" in log.text)
        field.send_keys("x" * 501 + "\n")
        note = driver.find_element(By.ID, "note")
        WebDriverWait(driver, 20).until(lambda _: "too long: 501 characters, at most 500" in note.text)
        driver.set_window_size(360, 800)
        assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        assert driver.get_log("browser") == []
