"""The courier: claims what is due, sends it, settles what came of it; the same in the API process and in the worker."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from random import Random
from typing import Final, TypeVar

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

from app.kit.database import Again
from app.kit.house import House
from app.kit.refusals import Busy
from app.kit.vault import Unreadable
from app.webhooks.actions.queue import Claimed, Claims, Outcome, claim, probe, put_in_order, settle
from app.webhooks.actions.recovering import recover_some
from app.webhooks.bell import bell_of
from app.webhooks.sending import Answer, Sender, SenderUnsafe
from app.webhooks.signing import signed_headers
from app.webhooks.words import Fault

AnswerT = TypeVar("AnswerT")

POLL_SECONDS: Final = 0.5
"""Without a bell, as between processes, it looks again after so long."""
CHORES_SECONDS: Final = 5.0
"""Between two looks at what is to be probed, recovered or put in order, as long as there is nothing."""
FINISHING_SECONDS: Final = 20.0
"""When it is told to stop, what is under way has so long to end; leases bring the rest again."""
_SETTLED_AT_ONCE: Final = 200
_TRANSIENT = (Again, Busy, OperationalError, InterfaceError)
"""The database is busy or away, and what was to be done is done when it is back."""
_log = structlog.get_logger("ujung.webhooks")


class Courier:
    """One process's part in delivering. It belongs to one event loop; the database is touched in one thread of its own.

    That thread is not one of the loop's pool, in which slow look-ups of names would keep it waiting.
    """

    def __init__(self, house: House, sender: Sender | None = None, chance: Random | None = None) -> None:
        self._house = house
        self._sender = sender or Sender(house.settings)
        self._chance = chance or Random()  # noqa: S311 - spreads what is tried again; nothing hangs on guessing it
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="courier")
        self._wake = asyncio.Event()
        self._under_way: dict[asyncio.Task[None], Claimed] = {}
        self._to_settle: list[tuple[Claimed, Outcome | None]] = []
        """What ended; without an outcome where nothing was sent, which is tried again when its lease ends."""
        self._chores_at = 0.0

    # -- for ever ----------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Delivers until told to stop: claims nothing new then, finishes what is under way, and returns within 25 s.

        Where the sender's self-test fails nothing is sent, and it only waits. Whatever else fails is logged, and done
        again.
        """
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(self._wake.set)

        silence = bell_of(self._house).listen(wake)
        told = asyncio.create_task(self._wake_when(stop))
        try:
            if await self._is_safe():
                while not stop.is_set():
                    await self._beat(stop)
                await self._finish()
            await stop.wait()
        finally:
            silence()
            told.cancel()
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, told, return_exceptions=True)
            await self.close()

    async def close(self) -> None:
        """Closes its connections, and its thread when what it does is done."""
        await self._sender.close()
        self._thread.shutdown(wait=False)

    async def _wake_when(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._wake.set()

    async def _is_safe(self) -> bool:
        try:
            await self._sender.check_itself()
        except Exception as error:  # noqa: BLE001 - a test that could not be made was not passed
            _log.error("nothing is sent: the self-test of the sender failed", reason=str(error) or type(error).__name__)
            return False
        return True

    async def _beat(self, stop: asyncio.Event) -> None:
        """Settles what has ended, claims what there is room for, and waits until there is something to do again."""
        self._wake.clear()
        try:
            await self._settle_ended()
            if stop.is_set():  # settling may have taken long
                return
            claims = await self._hop(lambda: claim(self._house, self._busy(), self._chance))
            self._begin(claims)
            has_more = await self._do_chores() or claims.has_more
        except _TRANSIENT as error:
            _log.warning("the database is away", error=type(error).__name__)
            await asyncio.sleep(POLL_SECONDS)
        except Exception:  # noqa: BLE001 - the courier must go on, whatever went wrong in this round
            _log.exception("courier failed")
            await asyncio.sleep(POLL_SECONDS)
        else:
            if not has_more:
                await self._rest(claims)

    async def _rest(self, claims: Claims) -> None:
        """Until the bell rings, a delivery ends, an endpoint's turn comes, or it is time to look."""
        seconds = POLL_SECONDS
        if claims.next_turn is not None:
            seconds = min(seconds, max(0.0, (claims.next_turn - self._house.clock()).total_seconds()))
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    def _busy(self) -> Collection[Claimed]:
        """What this process has claimed and not settled."""
        return [*self._under_way.values(), *(claimed for claimed, _ in self._to_settle)]

    def _begin(self, claims: Claims) -> None:
        opened = cache(self._house.vault.open)  # a secret once, however much is sent to its endpoint
        for claimed in claims.deliveries:
            self._under_way[asyncio.create_task(self._carry(claimed, opened))] = claimed

    async def _carry(self, claimed: Claimed, opened: Callable[[str], str]) -> None:
        try:
            self._to_settle.append((claimed, await self._deliver(claimed, opened)))
        finally:
            task = asyncio.current_task()
            assert task is not None, "a coroutine runs in one"
            del self._under_way[task]
            self._wake.set()

    async def _settle_ended(self) -> None:
        """Whatever cannot be settled now stays, and counts as busy, until it can be."""
        while self._to_settle:
            some = self._to_settle[:_SETTLED_AT_ONCE]
            await self._settle([outcome for _, outcome in some if outcome is not None])
            del self._to_settle[: len(some)]

    async def _settle(self, outcomes: Sequence[Outcome]) -> None:
        """All at once; where that fails for no outer reason, one by one, and whichever fails is left to its lease."""
        try:
            await self._hop(lambda: settle(self._house, outcomes, self._chance))
        except _TRANSIENT:
            raise
        except Exception:  # noqa: BLE001 - whatever it is, the others are to be settled
            if len(outcomes) == 1:
                _log.exception("a delivery cannot be settled", delivery=str(outcomes[0].claimed.id))
                return
            _log.exception("deliveries cannot be settled together", count=len(outcomes))
            for each in outcomes:
                await self._settle([each])

    async def _do_chores(self) -> bool:
        """Probes, recoveries, and what is to be put in order, now and then; answers whether there is more."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._chores_at:
            return False
        await self._hop(lambda: probe(self._house))
        is_recovering = await self._hop(lambda: recover_some(self._house))
        has_more = await self._hop(lambda: put_in_order(self._house)) or is_recovering
        self._chores_at = loop.time() + (0 if has_more else CHORES_SECONDS)
        return has_more

    async def _finish(self) -> None:
        """What is under way has its time to end; what ended is settled."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FINISHING_SECONDS):
                while self._busy():
                    try:
                        await self._settle_ended()  # also what ended before it was told to stop
                    except _TRANSIENT as error:
                        _log.warning("the database is away", error=type(error).__name__)
                        await asyncio.sleep(POLL_SECONDS)
                    else:
                        if self._under_way:
                            await asyncio.wait(list(self._under_way), return_when=asyncio.FIRST_COMPLETED)
        if self._busy():
            _log.warning("left to their leases", count=len(self._busy()))

    # -- one pass ----------------------------------------------------------------------------------------------------

    async def turn(self) -> int:
        """Each part once, and the chores to their end, for a clock that is set; answers how many were claimed."""
        await self._hop(lambda: probe(self._house))
        while await self._hop(lambda: recover_some(self._house)):
            pass
        while await self._hop(lambda: put_in_order(self._house)):
            pass
        claims = await self._hop(lambda: claim(self._house, self._busy(), self._chance))
        self._begin(claims)
        if self._under_way:
            await asyncio.wait(list(self._under_way))
        await self._settle_ended()
        return len(claims.deliveries)

    # -- one delivery ------------------------------------------------------------------------------------------------

    async def _deliver(self, claimed: Claimed, opened: Callable[[str], str]) -> Outcome | None:
        """Signs and sends it. None where it could not be sent for a reason of our own, which costs it no attempt."""
        now, body = self._house.clock(), claimed.payload.encode()
        try:
            secrets = [opened(sealed) for sealed in (claimed.secret, claimed.former_secret) if sealed is not None]
            headers = signed_headers(secrets, str(claimed.event_id), now, body)
            answer = await self._sender.send(claimed.url, headers, body, now)
        except (Unreadable, SenderUnsafe) as error:
            _log.error("not sent", delivery=str(claimed.id), reason=str(error) or type(error).__name__)
            return None
        except Exception as error:  # noqa: BLE001 - a fault of ours must not be tried for ever
            _log.exception("sending failed", delivery=str(claimed.id))
            answer = Answer(None, Fault.PROTOCOL, f"not sent: {type(error).__name__}", None, 0, None)
        return Outcome(claimed, now, answer)

    async def _hop(self, work: Callable[[], AnswerT]) -> AnswerT:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
