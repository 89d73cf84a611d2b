import asyncio

from trademantra.sandbox.kite.postback import ATTEMPTS, MOST_WAITING, PostbackRefusedError, Postbacks


class Post:
    """Another server: refuses as often as it is told, then takes what comes."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.taken: list[bytes] = []
        self.tries = 0

    async def post(self, url: str, body: bytes) -> None:
        self.tries += 1
        if self.refusals:
            self.refusals -= 1
            raise PostbackRefusedError(f"{url} is down")
        self.taken.append(body)

    async def close(self) -> None:
        return


def deliver(post: Post, bodies: list[bytes]) -> tuple[Postbacks, list[str]]:
    async def run() -> tuple[Postbacks, list[str]]:
        postbacks, reports = Postbacks(post, first_pause_seconds=0.0), []
        for body in bodies:
            postbacks.put("http://127.0.0.1/p", body)
        task = asyncio.create_task(postbacks.run(reports.append))
        while postbacks.waiting:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return postbacks, reports

    return asyncio.run(run())


def test_what_is_refused_is_tried_again_in_order() -> None:
    post = Post(refusals=2)
    postbacks, reports = deliver(post, [b"one", b"two"])
    assert post.taken == [b"one", b"two"]
    assert (post.tries, postbacks.counts.delivered, reports) == (4, 2, [])


def test_after_the_last_attempt_it_is_given_up_and_said_once() -> None:
    post = Post(refusals=ATTEMPTS)
    postbacks, reports = deliver(post, [b"one", b"two"])
    assert post.taken == [b"two"]
    assert (postbacks.counts.failed, postbacks.counts.delivered, len(reports)) == (1, 1, 1)


def test_the_queue_is_bounded_and_drops_the_oldest() -> None:
    post = Post(refusals=0)
    postbacks, _ = deliver(post, [str(n).encode() for n in range(MOST_WAITING + 5)])
    assert postbacks.counts.dropped == 5
    assert post.taken[0] == b"5"
