"""HTTP of people."""

from fastapi import APIRouter

from app.people.routes import admin, keys, own

router = APIRouter()
router.include_router(own.router)
router.include_router(admin.router)
router.include_router(keys.router)
