"""Tests of taking in registers; `registers` writes small ones."""
