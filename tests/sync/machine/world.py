"""The world of the fault machine: the real app, real phones, a line between them that fails, and a book of all that was
ever recorded. What people and faults do is here; what must hold all the same is in `oracle`.
"""

import contextlib
import json
import random
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from anyio.from_thread import start_blocking_portal
from fastapi import FastAPI
from httpx import ASGITransport
from sqlalchemy import event, select
from sqlmodel import Session, col

from app.assembly import assemble, create_app
from app.backups.actions import restore_backup, take_backup
from app.client.backoff import Backoff
from app.client.phone import Phone
from app.client.protocol import PULL, PUSH, Refused, Revoked, Rewound, Server
from app.client.store import Store
from app.client.sync import Sync
from app.client.words import Request, Waiting
from app.kit.house import House
from app.kit.shelves import Shelves
from app.people.models import Post
from app.people.words import PostKind
from app.problems.actions import Intent, make_round, perform
from app.problems.schemas.reports import EditIn
from app.sync.models import Proposal, Quarantined, SyncOperation
from tests.conftest import MONDAY_MORNING, Databases, SettableClock, settings_for
from tests.sync.machine.oracle import Book, Broken, Operation, View, check_answer, check_end, documents_held, hold
from tests.town import Someone, Town, _everybody, populate

BAKALAN, KEPEL = "35.75.03.1005", "35.75.03.1002"
AGENCY = "PUPR"
REASON = "Diperbaiki setelah dicek."
BACKUP_IS_GOOD_FOR = timedelta(days=20)
"""Phones retain for 30 days what they sent; only the newest backup is put back, and only while that helps."""
EXCHANGES_MAXIMUM = 100
"""Calls of one sync; with so few operations it needs some dozen, whatever is wrong with them."""
_NOT_READ = (413, 422)


def populate_more(house: House) -> None:
    """The town, with a second operator in Bakalan."""
    populate(house)
    town = Town(house, None, SettableClock())  # type: ignore[arg-type]  # nobody speaks HTTP here
    with house.database.write() as session:
        town.hire(session, PostKind.OPERATOR, BAKALAN)


class InProcess(httpx.BaseTransport):
    """Speaks to the app without a socket; whoever listens hears of every answer."""

    def __init__(self) -> None:
        self._running = start_blocking_portal()
        self._portal = self._running.__enter__()
        self.app: FastAPI | None = None
        self.heard: Callable[[httpx.Request, httpx.Response], None] = lambda request, response: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._portal.call(self._ask, request)
        self.heard(request, response)
        return response

    async def _ask(self, request: httpx.Request) -> httpx.Response:
        assert self.app is not None
        sent = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
        answer = await ASGITransport(app=self.app, raise_app_exceptions=False).handle_async_request(sent)
        content = await answer.aread()
        plain = {name: value for name, value in answer.headers.items() if name != "content-encoding"}
        return httpx.Response(answer.status_code, headers=plain, content=content, request=request)

    def close(self) -> None:
        self._running.__exit__(None, None, None)


class Stage:
    """What worlds have in common: one house, one app and one line for all of them, over a file that is put back."""

    def __init__(self, databases: Databases, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.clock = SettableClock()
        self.line = InProcess()
        self._databases = databases
        self._one = ExitStack()
        self._template: Path | None = None
        self._open()
        self.people = self._cast()
        self.http = httpx.Client(transport=self.line, base_url="http://testserver", trust_env=False)

    def _open(self) -> None:
        address = self._one.enter_context(self._databases.fresh(self.kind, populate_more))
        self.settings = settings_for(address, self.folder / "data")
        self.house = assemble(self.settings, clock=self.clock)
        self._one.callback(self.house.database.close)
        self.line.app = create_app(self.settings, house=self.house)
        if self.kind == "sqlite" and self._template is None:
            self._template = self.folder / "template.db"
            shutil.copyfile(self.file, self._template)

    @property
    def file(self) -> Path:
        return Path(self.settings.database_address.removeprefix("sqlite:///"))

    def fresh(self) -> None:
        """The town as it was at first."""
        self.clock.now = MONDAY_MORNING
        if self._template is None:
            self._one.close()
            self._open()
            return
        self.house.database.close()
        for each in self.file.parent.glob(f"{self.file.name}-*"):
            each.unlink()
        shutil.copyfile(self._template, self.file)

    def _cast(self) -> dict[str, Someone]:
        """Everybody who takes part, by the name of their phone."""
        town = Town(self.house, None, self.clock)  # type: ignore[arg-type]  # nobody speaks HTTP here
        with self.house.database.read() as session:
            everybody = sorted(_everybody(town, session), key=lambda each: each.actor.account_id)
        operators = [each for each in everybody if (each.actor.kind, each.actor.area_code) == ("operator", BAKALAN)]
        return {
            "siti": operators[0],
            "budi": operators[1],
            "lurah": town.lurah(BAKALAN),
            "staff": town.staff("Bugul Kidul"),
            "camat": town.camat("Bugul Kidul"),
            "officer": town.officer(AGENCY),
            "neighbour": town.operator(KEPEL),
            "head": town.head(AGENCY),
            "admin": town.admin,
        }

    def close(self) -> None:
        self._one.close()
        self.http.close()


PHONES = ("siti", "budi", "lurah", "staff", "camat", "officer", "neighbour")


@dataclass
class Handset:
    """One phone, whose it is, and answers on their way to it."""

    key: str
    who: Someone
    phone: Phone
    drawer: list[tuple[Request, dict[str, Any] | Refused]] = field(default_factory=list)
    """Answers that have not arrived yet."""
    copy: tuple[Path, int] | None = None
    """An older copy of its file, and how many operations the book held when it was made."""


class World:
    """One run: a fresh town and empty phones."""

    def __init__(self, stage: Stage, seed: int = 0) -> None:
        self.stage = stage
        self.clock = stage.clock
        self.book = Book()
        self._folder = stage.folder / "phones"
        self._files = 0
        self._random = random.Random(seed)
        self._made = 0
        self._asked = 0
        """Calls since something else happened."""
        stage.fresh()
        stage.line.heard = self._hear
        self.handsets: list[Handset] = []
        self.backup: tuple[Path, Any] | None = None
        self.ambush: tuple[int, Callable[[], None]] | None = None
        self.is_ambushed = False
        event.listen(self.house.database.engine, "after_cursor_execute", self._lie_in_wait)
        for name in PHONES:
            self.handsets.append(self._handset(name, stage.people[name]))
        self._made = len(PHONES)  # whoever made their ids, nobody is given one of them again

    @property
    def house(self) -> House:
        return self.stage.house

    def close(self) -> None:
        event.remove(self.house.database.engine, "after_cursor_execute", self._lie_in_wait)
        for each in self.handsets:
            each.phone.store.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def tick(self) -> None:
        """No two things happen at one moment."""
        self._asked = 0
        self.clock.advance(timedelta(seconds=1))

    # -- phones ------------------------------------------------------------------------------------------------------

    def _handset(self, key: str, who: Someone) -> Handset:
        """Logged in, and empty."""
        file, new = self._new_file(), self.stage.folder / f"{key}.new"
        file.parent.mkdir(exist_ok=True)
        if new.exists():
            shutil.copyfile(new, file)
            return Handset(key, who, self._phone(file))
        handset = Handset(key, who, self._phone(file))
        self.log_in(handset)
        if self.stage.kind == "sqlite":  # where everybody keeps their posts from one world to the next
            handset.phone.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            shutil.copyfile(file, new)
        return handset

    def _new_file(self) -> Path:
        self._files += 1
        return self._folder / f"{self._files}.db"

    def _phone(self, file: Path) -> Phone:
        return Phone(Store(file), self.clock, self._new_id)

    def _new_id(self) -> UUID:
        """Ids of phones are the same in every run."""
        self._made += 1
        return UUID(int=0x0190A0A0_0000_7000_8000_000000000000 | self._made << 81 | self._random.getrandbits(30))

    def log_in(self, handset: Handset) -> None:
        """Again, or for the first time: the phone learns which posts are held."""
        server = Server(self.stage.http, handset.who.token)
        said = {"token": handset.who.token, "posts": server.me()["posts"]}
        handset.phone.adopt("http://testserver", handset.key.partition("+")[0], said, f"HP {handset.key}")

    def reopen(self, handset: Handset, file: Path) -> None:
        """The phone starts again with this file."""
        handset.phone.store.close()
        handset.phone = self._phone(file)

    def copied(self, handset: Handset) -> Path:
        """What lies on its disk at this moment."""
        file = self._new_file()
        source = handset.phone.store.file
        for ending in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(f"{source}{ending}", f"{file}{ending}")
        return file

    def back_up_phone(self, handset: Handset) -> None:
        handset.copy = (self.copied(handset), len(self.book.operations))

    def restore_phone(self, handset: Handset) -> None:
        """The phone is put back to its own older copy: what was recorded since is kept by others or by nobody."""
        if handset.copy is None:
            return
        file, known = handset.copy
        self.reopen(handset, file)
        handset.copy = None
        handset.drawer.clear()
        self._forgotten(handset.key, known)

    def clone(self, handset: Handset) -> None:
        """Another phone with the same device id, the same person and everything that was on the first."""
        if handset.key.count("+") == 0 and not any(each.key == f"{handset.key}+" for each in self.handsets):
            twin = Handset(f"{handset.key}+", handset.who, self._phone(self.copied(handset)))
            self.handsets.append(twin)
            for each in self.book.operations:
                if handset.key in each.keepers:
                    each.keepers.add(twin.key)
            self.book.held[twin.key] = set(self.book.held.get(handset.key, ()))

    def erased(self, handset: Handset) -> None:
        """It was told to erase itself, and has; its person logs in with it again."""
        left = [
            name for name in ("document", "cursor", "operation") if handset.phone.store.rows(f"SELECT * FROM {name}")
        ]
        if left:
            raise Broken("erased", f"{handset.key} was revoked and still holds {left}")
        handset.drawer.clear()
        handset.copy = None
        self._forgotten(handset.key, 0)
        self.log_in(handset)

    def _forgotten(self, key: str, since: int) -> None:
        for each in self.book.operations[since:]:
            each.keepers.discard(key)
        self._give_up()

    def _give_up(self) -> None:
        """What no phone keeps any more must be with the server, or it is nobody's duty."""
        orphans = [each for each in self.book.operations if not each.keepers and not each.is_lost]
        if orphans:
            with self.house.database.read() as session:
                known = set(session.scalars(select(col(SyncOperation.id))))
            for each in orphans:
                each.is_lost = each.id not in known

    # -- recording ---------------------------------------------------------------------------------------------------

    def record(
        self, handset: Handset, verb: str, data: dict[str, Any], *, problem: str | None = None, part: str | None = None
    ) -> str | None:
        """Something is done without signal; answers the problem's id. None where nobody may act with this phone."""
        if handset.phone.post is None:
            return None
        self.tick()
        if verb == "attach":
            assert problem is not None
            recorded = handset.phone.attach(problem, data["content"])
        else:
            recorded = handset.phone.record(verb, data, problem=problem, assignment=part)
        body = json.loads(handset.phone.store.value("SELECT body FROM operation WHERE id = ?", recorded.operation))
        keepers = {handset.key}
        self.book.operations.append(Operation.of(body, handset.who.actor.account_id, keepers))
        return recorded.problem

    def report(self, handset: Handset, **other: Any) -> str | None:
        """A new problem, where the phone's post has a kelurahan to report in."""
        area = handset.phone.store.value("SELECT area FROM post WHERE id = ?", handset.phone.post)
        if area is not None and len(area) < len(BAKALAN):
            area = BAKALAN
        said = {
            "title": f"Saluran tersumbat {len(self.book.operations)}",
            "category": "saluran-tersumbat",
            "area": area or BAKALAN,
            "seen_on": (self.clock.now + timedelta(hours=7)).date().isoformat(),
            "landmark": "Balai RW 02",
        } | other
        return self.record(handset, "report", said)

    def known(self, handset: Handset) -> list[dict[str, Any]]:
        """The documents on a phone, in the order in which the problems came to be."""
        rows = handset.phone.store.rows("SELECT body FROM document WHERE post = ?", handset.phone.post)
        return sorted((json.loads(body) for (body,) in rows), key=lambda each: (each["created_at"], each["number"]))

    def seen(self, handset: Handset) -> list[str]:
        """Problems that a person can do something with: known, or recorded here."""
        shown = [each["id"] for each in self.known(handset)]
        own = handset.phone.store.rows("SELECT problem FROM operation ORDER BY sequence")
        return list(dict.fromkeys([*shown, *(problem for (problem,) in own)]))

    # -- the line ----------------------------------------------------------------------------------------------------

    def request(self, handset: Handset, what: str, limit: int = 500) -> Request | None:
        """What a phone asks next; None where it has nothing to ask."""
        self.tick()
        phone = handset.phone
        if what == "pull":
            return phone.pull_request(limit=limit) if phone.post is not None else None
        phone.begin_sync()
        return phone.push_request(most=limit, pull=what == "both")

    def ask(self, handset: Handset, request: Request) -> dict[str, Any] | Refused:
        """The server answers, or refuses."""
        self.tick()
        token = handset.phone.store.setting("token")
        try:
            return Server(self.stage.http, token).send(request)
        except Refused as refused:
            return refused

    def arrive(self, handset: Handset, request: Request, answer: dict[str, Any] | Refused) -> None:
        """An answer reaches the phone."""
        phone = handset.phone
        if isinstance(answer, Revoked):
            phone.erase()
            self.erased(handset)
        elif isinstance(answer, Rewound):
            phone.apply_rewound(request, answer.accepted)
        elif isinstance(answer, Refused):
            self._refused(handset, request, answer)
        elif request.path == PULL:
            self._counted(handset, phone.apply_pull(request, answer))
        else:
            self._counted(handset, phone.apply_push(request, answer))
        self.note_held(handset)

    def _refused(self, handset: Handset, request: Request, answer: Refused) -> None:
        if answer.code in ("no_post", "post_not_held"):
            handset.phone.hold_posts(Server(self.stage.http, handset.who.token).me()["posts"])
        elif answer.status in _NOT_READ:
            if len(request.operations) == 1 and "pull" not in request.body:
                handset.phone.set_aside(request.operations[0], answer.body)
        else:
            raise Broken("answers", f"{handset.key} was refused: {answer.status} {answer.body}")

    def _counted(self, handset: Handset, pulled: Any) -> None:
        if pulled is not None and pulled.mismatched:
            raise Broken("digest", f"{handset.key} counts otherwise than the server in {pulled.mismatched}")

    def note_held(self, handset: Handset) -> None:
        """Whatever a phone of the kecamatan has ever held, for `delivered`."""
        if handset.who.actor.kind in (PostKind.STAFF, PostKind.CAMAT):
            self.book.held.setdefault(handset.key, set()).update(documents_held(handset.phone.store))

    def crash(self, handset: Handset, request: Request, answer: dict[str, Any] | Refused, percent: int) -> None:
        """The app is killed while it stores an answer, and starts again with what lay on the disk by then."""
        disks: list[Path] = []
        connection = handset.phone.store.connection
        connection.set_trace_callback(lambda _: disks.append(self.copied(handset)))
        try:
            self.arrive(handset, request, answer)
        finally:
            connection.set_trace_callback(None)
        if disks and not isinstance(answer, Revoked):
            self.reopen(handset, disks[len(disks) * percent // 100])

    def sync(self, handset: Handset, page: int = 500) -> None:
        """A whole sync over a good line, as the app does it."""
        self.tick()
        server = Server(self.stage.http, handset.phone.store.setting("token"))
        exchange = _Exchange(handset.phone, server, Backoff(lambda: 0.0, lambda seconds: None), page=page)
        try:
            summary = exchange.run()
        except Revoked:
            self.erased(handset)
            return
        except Refused as refused:
            raise Broken("answers", f"{handset.key} was refused: {refused.status} {refused.body}") from refused
        self.note_held(handset)
        if summary.mismatched:
            raise Broken("digest", f"{handset.key} counts otherwise than the server in {summary.mismatched}")

    def _hear(self, request: httpx.Request, response: httpx.Response) -> None:
        """Every answer is looked at as it is produced, whether or not it ever arrives."""
        path, self.ambush = request.url.path, None
        self._asked += 1
        hold("outbox", self._asked <= EXCHANGES_MAXIMUM, "a sync comes to no end")
        if response.status_code >= 500:
            raise Broken("answers", f"{request.method} {path}: {response.status_code} {response.text}")
        if path not in (PULL, PUSH) or response.status_code != 200:
            return
        body = response.json()
        page = body if path == PULL else body["pull"]
        if page is not None:
            token = request.headers["Authorization"].removeprefix("Bearer ")
            account = next(each.actor.account_id for each in self.stage.people.values() if each.token == token)
            with self.house.database.read() as session:
                view = self._view(session)
            check_answer(view, self.book, account, UUID(request.headers["X-Post"]), page, late=self.is_ambushed)
            self.is_ambushed = False

    def _view(self, session: Session) -> View:
        return View(session, self.clock.now, [each.actor.account_id for each in self.stage.people.values()])

    def _lie_in_wait(self, connection: Any, *_: Any) -> None:
        """Somebody writes while a pull reads."""
        if self.ambush is None or not connection.get_execution_options().get("ujung_read"):
            return
        left, act = self.ambush
        if left > 1:
            self.ambush = (left - 1, act)
            return
        self.ambush, self.is_ambushed = None, True
        act()

    # -- online ------------------------------------------------------------------------------------------------------

    def online(self, name: str, method: str, path: str, **options: Any) -> httpx.Response:
        """Somebody at a desk with a good line."""
        self.tick()
        headers = self.stage.people[name].headers | options.pop("headers", {})
        return self.stage.http.request(method, f"/api/v1{path}", headers=headers, **options)

    def say(self, name: str, problem: str, verb: str, **said: Any) -> bool:
        """A step online; answers whether it was done."""
        answer = self.online(name, "POST", f"/problems/{problem}/steps", json={"verb": verb, **said})
        return answer.status_code == 200

    # -- the server's faults -----------------------------------------------------------------------------------------

    def back_up_server(self) -> None:
        if self.stage.kind != "sqlite":
            return
        self.tick()
        file = self.stage.folder / f"backup-{self._new_file().stem}"
        file.unlink(missing_ok=True)
        take_backup(self.house, file, with_photos=False, with_keys=False, tell=lambda *_: None)
        self.backup = (file, self.clock.now)

    def restore_server(self) -> bool:
        """Put back to the newest backup, if it is not too old."""
        if self.backup is None or self.clock.now - self.backup[1] > BACKUP_IS_GOOD_FOR:
            return False
        self.tick()
        database = self.house.database
        database.close()
        restore_backup(self.stage.settings, self.clock, self.backup[0], force=True, tell=lambda *_: None)
        database._shelves = Shelves()
        self.book.restored = True
        self._give_up()
        return True

    def round(self) -> None:
        make_round(self.house)

    # -- rights ------------------------------------------------------------------------------------------------------

    def posts_of(self, handset: Handset) -> list[Post]:
        """The posts that whoever has this phone holds now."""
        with self.house.database.read() as session:
            posts = session.scalars(
                select(Post).where(col(Post.account_id) == handset.who.actor.account_id).order_by(col(Post.id))
            ).all()
        return [
            each for each in posts if each.since <= self.clock.now and not (each.until and each.until <= self.clock.now)
        ]

    def end_post(self, handset: Handset) -> None:
        for each in self.posts_of(handset)[:1]:
            self._good(self.online("admin", "POST", f"/admin/posts/{each.id}/end"))

    def appoint(self, handset: Handset, area: str) -> None:
        """Operator of another kelurahan, or of the same again."""
        if any(each.area_code == area for each in self.posts_of(handset)):
            return
        body = {"account": str(handset.who.actor.account_id), "kind": "operator", "area": area}
        self._good(self.online("admin", "POST", "/admin/posts", json=body))

    def revoke_device(self, handset: Handset) -> None:
        device, account = handset.phone.store.setting("device"), handset.who.actor.account_id
        answer = self.online("admin", "POST", f"/sync/devices/{device}/revoke", params={"account": str(account)})
        if answer.status_code != 404:  # it has not spoken yet
            self._good(answer)

    @staticmethod
    def _good(answer: httpx.Response) -> None:
        assert answer.is_success, answer.text

    # -- quiet -------------------------------------------------------------------------------------------------------

    def quiet(self, settle: Callable[[], bool]) -> None:
        """The line is good, people settle what waits for them, every phone synchronises; then everything is told."""
        for handset in self.handsets:
            handset.drawer.clear()
            if not self.posts_of(handset):
                self.appoint(handset, BAKALAN)  # or nobody may take back what was refused
            self.log_in(handset)
        self._empty(settle)
        for handset in self.handsets:
            self._sync_all(handset)
        with self.house.database.read() as session:
            view = self._view(session)
            check_end(session, view, self.book, [(each.key, each.phone.store) for each in self.handsets])

    def _empty(self, settle: Callable[[], bool]) -> None:
        """Outboxes become empty in so many rounds, poison or not: behind each refused operation one may have waited."""
        rounds = 3 + max(len(each.phone.outbox()) for each in self.handsets)
        for _ in range(rounds):
            for handset in self.handsets:
                self.sync(handset)
            if not settle() and not any(self._unsent(each) for each in self.handsets):
                break
        for handset in self.handsets:
            left = self._unsent(handset)
            if left:
                raise Broken("outbox", f"{handset.key} still waits to send {left}")
            self.book.unreadable.update(UUID(each.id) for each in handset.phone.outbox())

    @staticmethod
    def _unsent(handset: Handset) -> list[Waiting]:
        """What waits, but for what no server can read and the steps behind that, which stay with it."""
        waiting = handset.phone.outbox()
        stuck = {each.problem for each in waiting if each.verb in UNREADABLE}
        return [each for each in waiting if each.problem not in stuck]

    def _sync_all(self, handset: Handset) -> None:
        """Under each post that is held; phone and server both count, and count the same."""
        store = handset.phone.store
        for post in [row["id"] for row in store.rows("SELECT id FROM post ORDER BY id")]:
            handset.phone.use_post(post)
            with store.change():
                store.set(counted_at=None)
            self.sync(handset)
            if store.setting("counted_at") is None:
                raise Broken("digest", f"{handset.key} could not be counted")

    def waiting(self, kind: str) -> list[UUID]:
        """What waits for a person: `proposals` or `quarantine`."""
        table: Any = Proposal if kind == "proposals" else Quarantined
        with self.house.database.read() as session:
            return list(session.scalars(select(table.id).where(table.settlement.is_(None)).order_by(table.recorded_at)))

    def beside(self, name: str, problem: str, said: EditIn) -> None:
        """A correction in the midst of an exchange, by somebody else."""
        work = Town(self.house, None, self.clock)  # type: ignore[arg-type]  # nobody speaks HTTP here
        with self.house.database.write() as session:
            perform(work.work(session, self.stage.people[name]), [Intent(problem_id=UUID(problem), said=said)])


UNREADABLE = ("tidak ada",)
"""Verbs that no server can read: such an operation stays on its phone, with the reason and with the steps behind it."""


class _Exchange(Sync):
    """Without photos' bytes and packs, which have tests of their own."""

    def _photos(self) -> None:
        pass

    def _packs(self) -> None:
        pass
