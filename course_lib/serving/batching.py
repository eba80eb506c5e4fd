"""Texts of several clients run together."""

import asyncio
import collections
import concurrent.futures

from course_lib.serving.limits import busy
from course_lib.serving.metrics import Metrics


class Batcher:
    """Puts texts that wait together and runs them in one thread: an interpreter runs one batch at a time.

    While a batch runs, the next one collects; so batches grow with the load, and without load nobody waits.
    """

    def __init__(self, classifier, settings):
        self._classifier, self._settings = classifier, settings
        self._waiting = collections.deque()
        self._task = None
        self.metrics = Metrics(settings, classifier.card.get("reference"), lambda: len(self._waiting))
        self.thread = concurrent.futures.ThreadPoolExecutor(1, "predict")

    async def predict(self, texts):
        """Predictions for texts. Whoever is cancelled here leaves the queue."""
        if len(self._waiting) + len(texts) > self._settings.queue:
            raise busy("Too many texts are waiting.")
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in texts]
        self._waiting.extend(zip(texts, futures, strict=True))
        if self._task is None:
            self._task = loop.create_task(self._work())
        return await asyncio.gather(*futures)

    async def _work(self):
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                if 1 < len(self._waiting) < self._settings.batch:
                    await asyncio.sleep(self._settings.gather_seconds)
                batch = []
                while self._waiting and len(batch) < self._settings.batch:
                    text, future = self._waiting.popleft()
                    if not future.cancelled():
                        batch.append((text, future))
                if not batch:
                    continue
                try:
                    found = await loop.run_in_executor(self.thread, self._run, [text for text, _ in batch])
                except Exception as error:
                    for _, future in batch:
                        if not future.done():
                            future.set_exception(error)
                else:
                    for (_, future), prediction in zip(batch, found, strict=True):
                        if not future.done():
                            future.set_result(prediction)
        finally:
            self._task = None

    def _run(self, texts):
        found = self._classifier.predict(texts)
        self.metrics.observe(found)
        return found
