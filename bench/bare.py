"""The peer: a bare FastAPI app over asyncpg. Rows as rows, pydantic models; no login, no policy, no history.

It serves the database whose address is in BENCH_DATABASE.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import asyncpg  # type: ignore[import-untyped]  # it ships none
from fastapi import FastAPI, HTTPException, Query
from pydantic import BaseModel, Field

CONNECTIONS = 10
"""As many as ours has by default."""


class BareItem(BaseModel):
    id: UUID
    number: str
    version: int
    state: str
    state_label: str
    title: str
    category: str
    class_: str = Field(alias="class")
    area: str
    priority: str
    lead: str | None
    desk: str | None
    desk_until: datetime | None
    due_at: datetime | None
    overdue: bool
    created_at: datetime
    updated_at: datetime


class BarePage(BaseModel):
    items: list[BareItem]


class BareAssignment(BaseModel):
    id: UUID
    problem_id: UUID
    agency: str
    agency_name: str
    lead: bool
    required: bool
    state: str
    state_label: str
    binding: bool
    by_hand: bool
    instruction: str | None
    delegated_to: str | None
    resolution: str | None
    note: str | None
    offered_at: datetime
    answered_at: datetime | None
    done_at: datetime | None
    due_at: datetime | None
    hold_proposed: bool
    hold_review_on: date | None


class BareProblem(BaseModel):
    id: UUID
    number: str
    version: int
    position: int
    state: str
    state_label: str
    title: str
    description: str | None
    category: str
    category_label: str | None
    class_: str = Field(alias="class")
    proof_required: bool
    area: str
    area_name: str | None
    lat: float | None
    lon: float | None
    address: str | None
    landmark: str | None
    rt: str | None
    rw: str | None
    seen_on: date
    source: str
    source_ref: str | None
    priority: str
    escalation: int
    origin: str
    endorsed: bool
    plan: str | None
    target_on: date | None
    hold_review_on: date | None
    resolution: str | None
    rating: int | None
    closing: str | None
    planned_in: str | None
    main_id: UUID | None
    lead: str | None
    assignments: list[BareAssignment] = []
    photos: list[UUID]
    due_at: datetime | None
    promised_at: datetime | None
    overdue: bool
    desk: str | None
    desk_label: str | None
    desk_until: datetime | None
    created_at: datetime
    updated_at: datetime


class BareReport(BaseModel):
    title: str
    description: str | None = None
    category: str
    area: str
    seen_on: date
    lat: float | None = None
    lon: float | None = None
    landmark: str | None = None
    rt: str | None = None
    rw: str | None = None
    source: str = "own"
    priority: str = "normal"


class BareStatus(BaseModel):
    state: str


_OVERDUE = "NOT ended AND coalesce(desk_until < now() OR due_at < now(), false) AS overdue"
_ITEM = (
    "id, number, version, state, state_label, title, category, class, area, priority, lead, desk, desk_until, due_at, "
    f"{_OVERDUE}, created_at, updated_at"
)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["BENCH_DATABASE"], min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=_lifespan)


@app.get("/problems")
async def list_problems(
    city: str | None = None,
    district: str | None = None,
    state: Annotated[list[str] | None, Query()] = None,
    category: str | None = None,
    limit: int = 50,
) -> BarePage:
    given = {"city = ${}": city, "district = ${}": district, "state = ANY(${})": state, "category = ${}": category}
    chosen = {condition: value for condition, value in given.items() if value is not None}
    where = " AND ".join(condition.format(place) for place, condition in enumerate(chosen, start=2)) or "true"
    rows = await app.state.pool.fetch(
        f"SELECT {_ITEM} FROM bare_problem WHERE {where} ORDER BY created_at DESC, id DESC LIMIT $1",
        limit,
        *chosen.values(),
    )
    return BarePage(items=[BareItem(**row) for row in rows])


@app.get("/problems/{problem_id}")
async def read_problem(problem_id: UUID) -> BareProblem:
    async with app.state.pool.acquire() as connection:
        row = await connection.fetchrow(f"SELECT *, {_OVERDUE} FROM bare_problem WHERE id = $1", problem_id)
        parts = await connection.fetch(
            "SELECT * FROM bare_assignment WHERE problem_id = $1 ORDER BY sequence", problem_id
        )
    if row is None:
        raise HTTPException(404)
    return BareProblem(**row, assignments=[BareAssignment(**part) for part in parts])


@app.post("/problems", status_code=201)
async def create_problem(body: BareReport) -> BareProblem:
    values: dict[str, Any] = body.model_dump() | {
        "id": uuid4(),
        "state": "submitted",
        "state_label": "Diajukan",
        "class": "ordinary",
        "proof_required": True,
        "district": body.area[:8],
        "city": body.area[:5],
        "origin": f"kelurahan:{body.area}",
        "desk": f"kelurahan:{body.area}",
    }
    places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    row = await app.state.pool.fetchrow(
        f"INSERT INTO bare_problem ({', '.join(values)}) VALUES ({places}) RETURNING *, {_OVERDUE}", *values.values()
    )
    return BareProblem(**row)


@app.post("/problems/{problem_id}/status")
async def change_status(problem_id: UUID, body: BareStatus) -> BareProblem:
    row = await app.state.pool.fetchrow(
        "UPDATE bare_problem SET state = $2, version = version + 1, updated_at = now() WHERE id = $1 "
        f"RETURNING *, {_OVERDUE}",
        problem_id,
        body.state,
    )
    if row is None:
        raise HTTPException(404)
    return BareProblem(**row)
