"""Texts of several clients run together, and fail alone."""

import asyncio
import collections
import concurrent.futures

from course_lib.serving.limits import Failed, busy
from course_lib.serving.metrics import Metrics


class Batcher:
    """Puts texts that wait together and runs them in one thread: an interpreter runs one batch at a time.

    While a batch runs, the next one collects; so batches grow with the load, and without load nobody waits.
    """

    def __init__(self, classifier, settings):
        self._classifier, self._settings = classifier, settings
        self._waiting = collections.deque()
        self._task = None
        self.metrics = Metrics(settings, classifier.card, lambda: len(self._waiting))
        self.thread = concurrent.futures.ThreadPoolExecutor(1, "predict")

    async def predict(self, texts):
        """Predictions for texts. Whoever is cancelled here leaves the queue.

        Raises:
            Failed: If there is none for one of the texts.
        """
        if len(self._waiting) + len(texts) > self._settings.queue:
            raise busy("Too many texts are waiting.")
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in texts]
        self._waiting.extend(zip(texts, futures, strict=True))
        if self._task is None:
            self._task = loop.create_task(self._work())
        found = await asyncio.gather(*futures, return_exceptions=True)
        for index, each in enumerate(found):
            if isinstance(each, Exception) and len(texts) == 1:
                raise each
            if isinstance(each, Exception):
                raise Failed(index) from each
        return found

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
                    found = [error] * len(batch)
                for (_, future), each in zip(batch, found, strict=True):
                    if future.done():
                        continue
                    if isinstance(each, Exception):
                        future.set_exception(each)
                    else:
                        future.set_result(each)
        finally:
            self._task = None

    def _run(self, texts):
        """For each text its prediction, or the exception that it alone raises."""
        try:
            found = self._classifier.predict(texts)
        except Exception as error:
            if len(texts) == 1:
                return [error]
            return [each for text in texts for each in self._run([text])]
        self.metrics.observe(found)
        return found
