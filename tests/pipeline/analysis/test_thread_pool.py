import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from leukodiff.pipeline.analysis.thread_pool import Workers


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("items", [0, 1, 40])
def test_results_come_in_order_and_few_are_under_way(n: int, items: int) -> None:
    begun, ended, most = 0, 0, 0

    def work(item: int) -> int:
        time.sleep(0.001 * (item % 3))
        return item * item

    def counted() -> object:
        nonlocal begun, most
        for item in range(items):
            begun += 1
            most = max(most, begun - ended)
            yield item

    with ThreadPoolExecutor(n) as pool:
        found = []
        for result in Workers(pool, n).each(work, counted()):  # type: ignore[arg-type]
            ended += 1
            found.append(result)
    assert found == [item * item for item in range(items)]
    assert most <= 2 * n + 2


@pytest.mark.parametrize("how", ["an error", "given up"])
def test_nothing_is_under_way_after_it(how: str) -> None:
    running = threading.Semaphore(0)
    under_way = 0

    def work(item: int) -> int:
        nonlocal under_way
        under_way += 1
        running.acquire(timeout=0.05)
        under_way -= 1
        if how == "an error" and item == 3:
            raise RuntimeError("no")
        return item

    with ThreadPoolExecutor(2) as pool:
        results = Workers(pool, 2).each(work, range(100))
        if how == "an error":
            with pytest.raises(RuntimeError, match="no"):
                list(results)
        else:
            next(results)
            results.close()  # type: ignore[attr-defined]
        assert under_way == 0
