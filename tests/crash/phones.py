"""The clients: each takes problems of one kelurahan through their lives, and tries every write until it is answered."""

import threading
from collections.abc import Callable
from random import Random
from typing import Any
from uuid import UUID

import httpx

from app.kit.ids import new_id
from tests.crash.ledger import Ledger, Sent
from tests.town import Someone, Town

_PATIENCE_SECONDS = 60


class Over(Exception):
    """The run has ended; the phone is put away."""


class Phone(threading.Thread):
    """Writes until the ledger is closed. What the server has not answered is sent again, under the same name."""

    def __init__(
        self, number: int, address: str, town: Town, kelurahan: str, ledger: Ledger, seed: int, shared: UUID | None
    ) -> None:
        super().__init__(name=f"phone {number} in {kelurahan}", daemon=True)
        self._address = address
        self._town = town
        self._kelurahan = kelurahan
        self._kecamatan = town.kelurahan(kelurahan)[:8]
        self._ledger = ledger
        self._random = Random(f"{seed} {number}")
        self._shared = shared
        """A problem that all phones of the kelurahan comment on."""

    def run(self) -> None:
        lives: list[Callable[[], None]] = [self._solved_by_agencies, self._withdrawn, self._solved_here, self._taken_up]
        try:
            with self._speaking():
                while not self._ledger.is_over:
                    self._random.choice(lives)()
        except Over:
            pass
        except Exception as error:  # noqa: BLE001 - the ledger tells the test
            self._ledger.complain(f"{self.name}: {error!r}")

    def report_shared(self) -> UUID:
        """The problem that everybody here comments on, reported before anybody else writes."""
        try:
            with self._speaking():
                return self._report(self._town.operator(self._kelurahan))
        except Over:
            raise AssertionError(self._ledger.complaints) from None

    def _speaking(self) -> httpx.Client:
        self._http = httpx.Client(base_url=f"{self._address}/api/v1", timeout=_PATIENCE_SECONDS, verify=False)
        return self._http

    # -- lives of a problem ------------------------------------------------------------------------------------------

    def _solved_by_agencies(self) -> None:
        town = self._town
        problem = self._report(town.operator(self._kelurahan))
        self._step(self._lurah, problem, "forward", "forwarded")
        self._step(town.staff(self._kecamatan), problem, "accept", "accepted")
        said = {"lead": "PDAM", "support": ["DLHKP"], "instruction": "Mohon ditinjau hari ini."}
        answer = self._step(town.camat(self._kecamatan), problem, "assign", "assigned", **said)
        parts = {each["agency"]: each["id"] for each in answer["assignments"]}
        for agency, part in parts.items():
            officer = town.officer(agency)
            self._part(officer, problem, part, "accept", "assignment_accepted")
            self._part(officer, problem, part, "start", "assignment_started")
            self._comment(officer, problem)
            said = {"resolution": "served", "note": "Air mengalir kembali."}
            self._part(officer, problem, part, "finish", "assignment_finished", **said)
        self._step(self._lurah, problem, "confirm", "confirmed", rating=4)

    def _withdrawn(self) -> None:
        problem = self._report(self._town.operator(self._kelurahan))
        self._step(self._lurah, problem, "forward", "forwarded")
        self._step(self._lurah, problem, "withdraw", "withdrawn", reason="Sudah selesai dengan sendirinya.")

    def _solved_here(self) -> None:
        problem = self._report(self._town.operator(self._kelurahan))
        said = {"plan": "Kerja bakti RT 02.", "target_on": self._town.today().isoformat()}
        self._step(self._lurah, problem, "handle_locally", "handled_locally", **said)
        self._comment(self._lurah, problem)
        self._step(self._lurah, problem, "finish", "finished", resolution="explained")

    def _taken_up(self) -> None:
        staff = self._town.staff(self._kecamatan)
        problem = self._report(self._lurah)
        self._step(staff, problem, "accept", "accepted")
        self._step(staff, problem, "take_up", "taken_up", plan="Diperiksa petugas kecamatan.")
        self._step(staff, problem, "finish", "finished", resolution="not_found")
        self._step(self._lurah, problem, "dispute", "disputed", reason="Masih terjadi.")

    # -- writes ------------------------------------------------------------------------------------------------------

    @property
    def _lurah(self) -> Someone:
        return self._town.lurah(self._kelurahan)

    def _report(self, who: Someone) -> UUID:
        problem = new_id()
        body = self._town.problem(self._kelurahan, id=str(problem), category="air-mati")
        self._send(who, "/problems", body, 201, Sent(f"report_problem:{problem}", problem, "reported"))
        if self._shared is not None:
            self._comment(self._lurah, self._shared)
        return problem

    def _comment(self, who: Someone, problem: UUID) -> None:
        comment = new_id()
        body = {"id": str(comment), "text": f"Catatan {comment}"}
        self._send(
            who,
            f"/problems/{problem}/comments",
            body,
            201,
            Sent(f"comment_on_problem:{comment}", problem, "commented", comment),
        )

    def _step(self, who: Someone, problem: UUID, verb: str, fact: str, **said: Any) -> dict[str, Any]:
        sent = Sent(f"key:{new_id()}", problem, fact)
        return self._send(who, f"/problems/{problem}/steps", {"verb": verb, **said}, 200, sent)

    def _part(self, who: Someone, problem: UUID, part: str, verb: str, fact: str, **said: Any) -> dict[str, Any]:
        sent = Sent(f"key:{new_id()}", problem, fact)
        return self._send(who, f"/assignments/{part}/steps", {"verb": verb, **said}, 200, sent)

    def _send(self, who: Someone, path: str, body: dict[str, Any], status: int, sent: Sent) -> dict[str, Any]:
        """Tries until there is an answer. Any answer but the good one ends the run."""
        if self._ledger.is_over:
            raise Over
        self._ledger.send(sent)
        kind, _, key = sent.name.partition(":")
        headers = who.headers | ({"Idempotency-Key": key} if kind == "key" else {})
        while not self._ledger.complaints:
            try:
                response = self._http.post(path, json=body, headers=headers)
            except httpx.TransportError:
                self._ledger.interrupt()
                continue
            if response.status_code != status:
                self._ledger.complain(f"{path} {body.get('verb', '')}: {response.status_code} {response.text[:300]}")
                break
            answer: dict[str, Any] = response.json()
            self._ledger.acknowledge(sent, answer, is_replay="Idempotent-Replayed" in response.headers)
            return answer
        raise Over
